// Rules that change under connections, bounds on connections, addresses that a relay pins, and the log of what was
// refused.

import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { probeOutside } from '../../fixtures/network/probe.ts';
import { type Running, waitUntil } from '../../fixtures/process.ts';
import {
  addresses,
  clear,
  countersOf,
  Linked,
  otherPort,
  peerPort,
  rulesProgram,
  type Sandbox,
} from './linked.ts';

const clientProgram = join(import.meta.dirname, 'client.py');
const { far, host } = addresses;

let linked: Linked;
let ada: Sandbox;

beforeAll(async () => {
  linked = await Linked.create(1);
  ada = linked.sandbox(0);
});
beforeEach(async () => {
  await clear(ada);
});
afterAll(async () => {
  await linked[Symbol.asyncDispose]();
});

/** A program of client.py that answers each line. */
class Client implements AsyncDisposable {
  readonly #running: Running;

  constructor(space: NetworkNamespace, args: readonly (string | number)[]) {
    this.#running = space.start('/usr/bin/python3', [clientProgram, ...args.map(String)]);
  }

  async ready(): Promise<this> {
    await this.#running.waitForOutput('ready\n'); // the whole line: ask() counts them
    return this;
  }

  async ask(line = ''): Promise<string> {
    const before = this.#running.stdout.toString().split('\n').length;
    this.#running.process.stdin?.write(`${line}\n`);
    await this.#running.waitForOutput(new RegExp(`^(?:.*\n){${before}}`));
    return this.#running.stdout.toString().split('\n')[before - 1] ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running[Symbol.asyncDispose]();
  }
}

const client = async (...args: (string | number)[]): Promise<Client> =>
  await new Client(ada.space, args).ready();
const once = async (...args: (string | number)[]): Promise<string> =>
  (await ada.space.ok('/usr/bin/python3', clientProgram, ...args.map(String))).trim();

test.each(Object.values(far))('what is denied ends connections to %s that are there', async (address) => {
  const before = await linked.apply(ada, []);
  await using tcp = await client('tcp', address, peerPort);
  await using udp = await client('udp', address, peerPort);
  await using stays = await client('tcp', address, otherPort);
  for (const one of [tcp, udp, stays]) expect(await one.ask()).toBe('answer');
  const range = address.includes(':') ? `${address}/128` : `${address}/32`;
  const lines = ['tcp', 'udp'].map((protocol) => `rule deny ${protocol} ${range} ${peerPort}-${peerPort}`);
  const after = await linked.change(ada, before, lines);
  expect(await tcp.ask()).toMatch(/^(ECONNREFUSED|ECONNRESET|EPIPE)$/);
  expect(await udp.ask()).toBe('EPERM');
  expect(await stays.ask()).toBe('answer');
  await linked.change(ada, after, []);
  await udp.ask(); // the last of what it was told meanwhile
  expect(await udp.ask()).toBe('answer');
});

test('who is denied sends nothing more to what has asked before', async () => {
  const before = await linked.apply(ada, []);
  await using _source = await new Client(linked.internet.internet, ['pour', far.v4, 7100]).ready();
  await using sink = await client('listen', far.v4, 7100);
  expect(Number(await sink.ask())).toBeGreaterThan(5);
  await linked.change(ada, before, [`rule deny any ${far.v4} 0-65535`]);
  await sink.ask();
  expect(Number(await sink.ask())).toBe(0);
});

test('what was opened is closed at once when it is no more', async () => {
  const before = await linked.apply(ada, [`rule open tcp ${host.v4} ${peerPort}-${peerPort}`]);
  await using tcp = await client('tcp', host.v4, peerPort);
  expect(await tcp.ask()).toBe('answer');
  await linked.change(ada, before, []);
  expect(await tcp.ask()).toMatch(/^(ECONNREFUSED|ECONNRESET|EPIPE)$/);
});

test('connections are bounded, whatever else is changed, and places are free again', async () => {
  const before = await linked.apply(ada, ['connections 5']);
  await using first = await client('many', far.v4, peerPort);
  expect(await first.ask('9')).toBe('5 4');
  await linked.change(ada, before, ['connections 5', `rule deny tcp ${far.v4} 1-2`]);
  await using second = await client('many', far.v4, otherPort);
  expect(await second.ask('3')).toBe('0 3');
  expect((await countersOf(ada)).over).toBeGreaterThanOrEqual(7);
  expect(await first.ask('')).toBe('closed');
  await second.ask('');
  // What has been closed counts until the kernel looks next.
  await waitUntil(async () => {
    const got = await second.ask('1');
    await second.ask('');
    return got === '1 0';
  }, 'a place');
  const refused = Number(await once('flood', far.v4, 0, 100));
  expect(refused).toBeGreaterThanOrEqual(90);
});

test('new connections are bounded, and those that are there go on', async () => {
  await linked.apply(ada, ['new_connections 20']);
  await using tcp = await client('tcp', far.v4, peerPort);
  const refused = Number(await once('flood', far.v4, 0, 500));
  expect(refused).toBeGreaterThan(400);
  expect(refused).toBeLessThan(500);
  for (let turn = 0; turn < 30; turn++) expect(await tcp.ask()).toBe('answer');
});

test('what stays inside fills no table of connections', async () => {
  await linked.apply(ada, ['connections 5']);
  const count = async (): Promise<number> =>
    Number(await ada.space.ok('cat', '/proc/sys/net/netfilter/nf_conntrack_count'));
  const before = await count();
  expect(await once('flood', '127.0.0.1', 0, 3000)).toBe('0');
  expect(await once('flood', ada.v6, 0, 3000)).toBe('0');
  expect((await count()) - before).toBeLessThan(20);
});

test('an address is reached once it is pinned, and for as long', async () => {
  const lines = ['rule allow tcp @3 7007-7007', 'rule allow any @4 0-65535', 'dns one'];
  const plan = await linked.apply(ada, lines);
  const pin = async (set: number, address: string, seconds: number): Promise<unknown> =>
    await ada.space.ok(rulesProgram, 'pin', plan, String(set), address, String(seconds));
  const tries = async (): Promise<(string | undefined)[]> => {
    const target = (address: string, port: number) => ({ protocol: 'tcp' as const, address, port });
    const outcomes = await probeOutside(ada.space, [
      target(far.v4, peerPort),
      target(far.v4, otherPort),
      target(far.v6, peerPort),
    ]);
    return outcomes.map(({ result }) => result);
  };
  expect(await tries()).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
  await pin(3, far.v4, 60);
  expect(await tries()).toEqual(['open', 'ECONNREFUSED', 'ECONNREFUSED']);
  await pin(3, far.v6, 1);
  await pin(3, far.v4, 1);
  await pin(3, far.v4, 60);
  await using tcp = await client('tcp', far.v6, peerPort);
  await waitUntil(async () => (await tries())[2] === 'ECONNREFUSED', 'the end of what was pinned', 5000);
  expect(await tries()).toEqual(['open', 'ECONNREFUSED', 'ECONNREFUSED']);
  expect(await tcp.ask()).toBe('answer');
  // Other rules leave it; what else the relay has been told does not.
  const same = await linked.change(ada, plan, [...lines, `rule deny tcp ${far.v6} 1-2`]);
  expect((await tries())[0]).toBe('open');
  await linked.change(ada, same, [...lines.slice(0, 2), 'dns another']);
  expect((await tries())[0]).toBe('ECONNREFUSED');
  await expect(pin(5, far.v4, 60)).rejects.toThrow('no set');
});

test('a name that leads to the host opens nothing, but where it is opened', async () => {
  const plan = await linked.apply(ada, ['rule allow any @1 0-65535', 'rule open tcp @2 7007-7007', 'dns x']);
  const target = { protocol: 'tcp', address: host.v4 } as const;
  await ada.space.ok(rulesProgram, 'pin', plan, '1', host.v4, '60');
  expect((await probeOutside(ada.space, [target]))[0]?.result).toBe('ECONNREFUSED');
  await ada.space.ok(rulesProgram, 'pin', plan, '2', host.v4, '60');
  expect((await probeOutside(ada.space, [target]))[0]?.result).toBe('open');
});

test('more addresses than a set takes are refused, and take none away', async () => {
  const plan = await linked.apply(ada, ['rule allow any @1 0-65535', 'dns x']);
  const elements = Array.from(
    { length: 2048 },
    (_none, index) => `12.0.${index >> 8}.${index & 255} timeout 60s`,
  );
  await ada.space.ok('nft', 'add', 'element', 'inet', 'dockersh', 'pinned4_1', `{ ${elements.join(', ')} }`);
  await expect(ada.space.ok(rulesProgram, 'pin', plan, '1', far.v4, '60')).rejects.toThrow('23');
  await ada.space.ok(rulesProgram, 'pin', plan, '1', '12.0.0.1', '60');
});

test('what is refused is logged at a limited rate, with where it was to go', async () => {
  await linked.apply(ada, [`rule deny udp ${far.v6} 0-65535`]);
  await using log = ada.space.start(rulesProgram, ['refused']);
  await log.waitForOutput('ready');
  await probeOutside(ada.space, [
    { protocol: 'tcp', address: host.v4, port: 22 },
    { protocol: 'udp', address: far.v6, port: 5353 },
    { protocol: 'icmp', address: '169.254.169.254' },
  ]);
  for (const line of [`6 ${host.v4} 22 1`, `17 ${far.v6} 5353 1`, '1 169.254.169.254 0 1'])
    await log.waitForOutput(`\n${line}\n`);
  const before = await countersOf(ada);
  await once('flood', '10.99.200.1', 0, 2000);
  expect((await countersOf(ada)).refused - before.refused).toBe(2000);
  await waitUntil(() => log.stdout.toString().includes(' 10.99.200.1 '), 'the flood in the log');
  expect(log.stdout.toString().split('\n').length).toBeLessThan(100);
});

test.each(Object.values(far))('that packets are too large for the way to %s is heard', async (address) => {
  await linked.apply(ada, ['rule deny icmp 0.0.0.0/0 0-65535', 'rule deny icmp ::/0 0-65535']);
  const { gateway } = addresses;
  const route = address.includes(':')
    ? [`${address}/128`, 'via', gateway.v6]
    : [`${address}/32`, 'via', gateway.v4];
  await linked.internet.host.ok('ip', 'route', 'add', ...route, 'mtu', '1300');
  try {
    expect(await once('size', address, peerPort)).toBe('1300');
  } finally {
    await linked.internet.host.ok('ip', 'route', 'del', ...route);
  }
});

test('options that name further stations are refused', async () => {
  await linked.apply(ada, []);
  // Loose and strict source routes, and a record of the way (RFC 791, section 3.1), by the metadata service.
  for (const option of ['830704a9fea9fe00', '890704a9fea9fe00', '070704000000000000000000'])
    expect(await once('option', far.v4, peerPort, 0, 4, option)).toMatch(/^(EPERM|EINVAL)$/);
  // A segment routing header (RFC 8754) of two segments.
  expect(
    await once('option', far.v6, peerPort, 41, 57, segmentsTo('fd000ec2000000000000000000000254')),
  ).toMatch(/^(EPERM|EACCES|EINVAL)$/);
});

const segmentsTo = (address: string): string =>
  `0004040101000000${address}${'20010db8000700000000000000000007'}`;

test('options get no further where a connection is there already', async () => {
  await linked.apply(ada, []);
  await using witness = linked.internet.host.start('/usr/bin/python3', [
    join(import.meta.dirname, 'witness.py'),
    'frames',
    ada.link,
  ]);
  await witness.waitForOutput('ready');
  await once('detour', far.v4, peerPort, 0, 4, '830704c633640700'); // by the very one that it leads to
  await once('detour', far.v6, peerPort, 41, 57, segmentsTo('fd000ec2000000000000000000000254'));
  await once('forge', far.v4, peerPort, ada.v4);
  await witness.waitForOutput('forged');
  expect(witness.stdout.toString()).not.toContain('detour');
});

test('a source that is not its own goes nowhere', async () => {
  await linked.apply(ada, []);
  expect(await once('forge', far.v4, peerPort, ada.v4)).toBe('answer');
  expect(await once('forge', far.v6, peerPort, ada.v6)).toBe('answer');
  const before = (await countersOf(ada)).stopped;
  for (const source of ['10.99.0.1', '127.0.0.1', '10.99.0.6', '203.0.113.77'])
    expect(await once('forge', far.v4, peerPort, source)).toMatch(
      /^(timeout|EINVAL|EPERM|ENOBUFS|ENETUNREACH)$/,
    );
  for (const source of ['fd77::6', '2001:db8:9::9', '::1'])
    expect(await once('forge', far.v6, peerPort, source)).toMatch(
      /^(timeout|EINVAL|EPERM|ENOBUFS|ENETUNREACH|EADDRNOTAVAIL)$/,
    );
  expect((await countersOf(ada)).stopped).toBeGreaterThan(before);
});

test('other protocols go by the same rules', async () => {
  const protocols = [41, 47, 132, 253];
  const sent = async (address: string): Promise<string[]> =>
    await Promise.all(protocols.map(async (protocol) => await once('raw', address, 0, protocol)));
  await linked.apply(ada, []);
  expect(await sent(far.v4)).toEqual(protocols.map(() => 'sent'));
  for (const address of [host.v4, host.v6, '169.254.169.254'])
    expect(await sent(address)).toEqual(protocols.map(() => expect.stringMatching(/^(EPERM|EACCES)$/)));
  await linked.apply(ada, [`rule allow tcp 0.0.0.0/0 0-65535`, 'rule allow udp ::/0 0-65535']);
  for (const address of [far.v4, far.v6])
    expect(await sent(address)).toEqual(protocols.map(() => expect.stringMatching(/^(EPERM|EACCES)$/)));
});
