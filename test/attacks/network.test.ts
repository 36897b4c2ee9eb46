// Attacks on private networks: those of the family "network", with services to find at every
// address that is closed to them, and an internet to show that there is a way out.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttackAnswer, places } from '../../src/cli/doctor/attack.ts';
import { addresses, Internet, peerPort } from '../fixtures/network/internet.ts';
import { probeOutside } from '../fixtures/network/probe.ts';
import { runOk } from '../fixtures/process.ts';
import { Sandboxes } from './sandboxes.ts';

const names = [
  ...['metadata-addresses', 'link-local', 'host-service', 'other-service'],
  ...['spoof-v4', 'spoof-v6', 'raw-sockets', 'reconfigure', 'interfaces', 'host-loopback', 'other-loopback'],
];
const attacking = places.filter((place) => !place.endsWith(':nested'));

const everything = new AsyncDisposableStack();
let internet: Internet;
let sandboxes: Sandboxes;
const answers: AttackAnswer[] = [];
let args: Record<string, string> = {};
beforeAll(async () => {
  internet = everything.use(await Internet.create());
  sandboxes = everything.use(await Sandboxes.create({ network: internet.host }));
  await internet.startPeer(internet.host);
  await sandboxes.addCounterparts();
  const own = await sandboxes.serve('victim', peerPort);
  args = {
    'policy-network': 'private',
    'host-addresses': `${addresses.host.v4},${addresses.host.v6}`,
    'other-addresses': own.join(','),
    'service-port': String(peerPort),
  };
  for (const place of attacking) answers.push(...(await sandboxes.attack(place, names, args)));
});
afterAll(async () => {
  await everything.disposeAsync();
});

it('there is somebody at each address that is attacked', async () => {
  const { v4, v6 } = addresses.host;
  const seen = await probeOutside(internet.internet, [
    { protocol: 'tcp', address: v4 },
    { protocol: 'tcp', address: v6 },
  ]);
  expect(seen.map(({ result }) => result)).toEqual(['open', 'open']);
  expect(await sandboxes.reached('victim', sandboxes.addressesOf('victim'))).toEqual(['open', 'open']);
});

it.each(['plain', 'nesting'] as const)('there is a way out (%s)', async (kind) => {
  const { v4, v6 } = addresses.far;
  expect(await sandboxes.reached(kind, [v4, v6])).toEqual(['open', 'open']);
});

describe('who is inside', () => {
  it.each(names)('%s', (name) => {
    const found = answers.filter((answer) => answer.name === name);
    expect(found.map(({ place }) => place)).toEqual(attacking);
    expect(found.filter(({ result }) => result !== 'held')).toEqual([]);
  });
});

// Last: a sandbox has no rules inside any more from then on.
it('without the rules inside some attacks get through, and what is the host’s or a neighbour’s is held by the host’s own', async () => {
  const { initPid } = (await sandboxes.host.sandboxOf(sandboxes.user('plain'))) ?? {};
  await runOk('nsenter', ['--target', String(initPid), '--net', 'nft', 'flush', 'ruleset']);
  const tried = await sandboxes.attack('plain:user', names, args);
  const through = tried.filter(({ result }) => result !== 'held').map(({ name }) => name);
  expect(through).toEqual(['link-local', 'spoof-v6']);
});
