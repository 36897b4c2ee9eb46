// Tries every pair of two sandboxes, the host and the internet, in both directions, by TCP, UDP and ICMP, over IPv4 and
// IPv6: what the policy gives is there, nothing else is, and what is refused is refused at once.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAdmin } from '../../../src/cli/client.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet, peerPort } from '../../fixtures/network/internet.ts';
import {
  type Outcome,
  type Protocol,
  probeFrom,
  probeOutside,
  type Target,
} from '../../fixtures/network/probe.ts';
import { describeFinished, type Running } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

const protocols = ['tcp', 'udp', 'icmp'] as const;
const peer = readFileSync(join(import.meta.dirname, '../../fixtures/network/peer.py'));

let internet: Internet;
let world: World;
const logins = new Map<string, Login>();
const running: Running[] = [];

/** What each user's policy says. */
const users = {
  plain: {},
  /** All that a user can have inside. */
  able: { root: 'yes', nesting: 'yes' },
  allowed: { allow_out: `${addresses.far.v4}:${peerPort}/tcp` },
  denied: { deny_out: `${addresses.far.v4}/32 [${addresses.far.v6}]:${peerPort}/udp` },
  opened: { open_out: `host:${peerPort}/tcp` },
};

function login(name: keyof typeof users): Login {
  const found = logins.get(name);
  if (found === undefined) throw new Error(`no user ${name}`);
  return found;
}

const networks = async () =>
  await callAdmin('network', {}, { socketPath: join(world.host.runFolder, 'admin.sock') });

async function addressesOf(user: Login): Promise<string[]> {
  const found = (await networks()).users.find((one) => one.user === user.user.name);
  return [found?.address4 ?? 'no IPv4', found?.address6 ?? 'no IPv6'];
}

const to = (all: readonly string[], some: readonly Protocol[] = protocols): Target[] =>
  all.flatMap((address) => some.map((protocol) => ({ protocol, address })));

const shown = (targets: readonly Target[], outcomes: readonly Outcome[]): string[] =>
  targets.map(({ protocol, address }, index) => `${protocol} ${address} ${outcomes[index]?.result ?? ''}`);

function expectOpen(targets: readonly Target[], outcomes: readonly Outcome[]): void {
  expect(shown(targets, outcomes)).toEqual(
    targets.map(({ protocol, address }) => `${protocol} ${address} open`),
  );
}

/** None is open; and where we are the ones who refuse, nobody waits for it. */
function expectRefused(targets: readonly Target[], outcomes: readonly Outcome[], atOnce = true): void {
  const wrong = shown(targets, outcomes).filter((_, index) => {
    const { result = '', seconds = 0 } = outcomes[index] ?? {};
    return result === 'open' || result === 'strange' || (atOnce && (result === 'timeout' || seconds > 1));
  });
  expect(wrong).toEqual([]);
}

beforeAll(async () => {
  if (control) return;
  internet = await Internet.create();
  // A second network of the host's, which it is no router for.
  await internet.host.ok('ip', 'link', 'add', 'inner0', 'type', 'veth', 'peer', 'name', 'inner1');
  await internet.host.ok('ip', 'address', 'add', '192.168.50.1/24', 'dev', 'inner0');
  for (const name of ['inner0', 'inner1']) await internet.host.ok('ip', 'link', 'set', name, 'up');
  const neighbour = ['192.168.50.77', 'lladdr', '02:00:00:00:00:77', 'dev', 'inner0'];
  await internet.host.ok('ip', 'neighbour', 'replace', ...neighbour);
  await internet.startPeer(internet.host);
  world = await internet.world();
  const sections: Record<string, Record<string, string>> = {};
  for (const [name, section] of Object.entries(users)) {
    const added = await world.addLogin('shell');
    logins.set(name, added);
    sections[added.user.name] = section;
  }
  await world.host.setPolicy({
    defaults: { image: 'host', network: 'private', linger: '1h', stop_grace: '0' },
    users: sections,
  });
  for (const user of logins.values()) {
    const written = await user.ssh('cat > peer.py', { input: peer });
    expect(written.code, describeFinished(written)).toBe(0);
    const started = user.start(`exec /usr/bin/python3 peer.py ${peerPort}`);
    running.push(started);
    await started.waitForOutput('ready');
  }
});
afterAll(async () => {
  for (const one of running) await one[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
  await internet?.[Symbol.asyncDispose]();
});

describe.skipIf(control).each(['plain', 'able'] as const)('a sandbox (%s)', (name) => {
  it('reaches the internet, which sees the host', async () => {
    const targets = to([...Object.values(addresses.far), ...Object.values(addresses.gateway)]);
    const outcomes = await probeFrom(login(name), targets);
    expectOpen(targets, outcomes);
    const seen = outcomes.flatMap(({ seenAs }) => (seenAs === undefined ? [] : [seenAs]));
    expect(new Set(seen)).toEqual(new Set(Object.values(addresses.host)));
  });

  it('reaches itself', async () => {
    const targets = to([...(await addressesOf(login(name))), '127.0.0.1', '::1']);
    expectOpen(targets, await probeFrom(login(name), targets));
  });

  it('reaches nothing of the host', async () => {
    const targets = to([...Object.values(addresses.host), '192.168.50.1', '203.0.113.255']);
    expectRefused(targets, await probeFrom(login(name), targets));
  });

  it('reaches no other sandbox', async () => {
    const others = [login('opened'), login(name === 'plain' ? 'able' : 'plain')];
    const targets = to((await Promise.all(others.map(addressesOf))).flat());
    expectRefused(targets, await probeFrom(login(name), targets));
  });

  it('reaches no metadata service, no neighbour of the host, and not many at once', async () => {
    const closed = ['169.254.169.254', 'fd00:ec2::254', '168.63.129.16', '100.100.100.200', '169.254.1.1'];
    const targets = to([...closed, '224.0.0.1', '255.255.255.255'], ['tcp', 'udp']);
    expectRefused(targets, await probeFrom(login(name), targets));
  });

  it('is pinged by the host, and reached by nobody', async () => {
    const own = await addressesOf(login(name));
    const pings = to(own, ['icmp']);
    await internet.host.ok('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647');
    expectOpen(pings, await probeOutside(internet.host, pings));
    const targets = to(own, ['tcp', 'udp']);
    expectRefused(targets, await probeOutside(internet.host, targets, 0.5), false);
  });

  it('is not reached from the internet, which knows a way to it', async () => {
    const own = await addressesOf(login(name));
    for (const address of own) {
      const via = address.includes(':') ? addresses.host.v6 : addresses.host.v4;
      await internet.internet.ok('ip', 'route', 'replace', address, 'via', via);
    }
    await internet.internet.ok('sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647');
    const targets = to(own);
    expectRefused(targets, await probeOutside(internet.internet, targets, 0.5), false);
    for (const address of own) await internet.internet.ok('ip', 'route', 'del', address);
  });
});

describe.skipIf(control)('rules', () => {
  const everything = to(Object.values(addresses.far));
  const is = (protocol: string, address: string) => (target: Target) =>
    target.protocol === protocol && target.address === address;

  it('with allow_out, let out what they name and nothing else', async () => {
    const outcomes = await probeFrom(login('allowed'), everything);
    const open = everything.map((target) => is('tcp', addresses.far.v4)(target));
    expect(outcomes.map(({ result }) => result === 'open')).toEqual(open);
    expectRefused(
      everything.filter((_, index) => !open[index]),
      outcomes.filter((_, index) => !open[index]),
    );
  });

  it('with deny_out, let out all but what they name', async () => {
    const outcomes = await probeFrom(login('denied'), everything);
    const open = everything.map(
      (target) => target.address === addresses.far.v6 && !is('udp', addresses.far.v6)(target),
    );
    expect(outcomes.map(({ result }) => result === 'open')).toEqual(open);
  });

  it('with open_out, open the host, and of it what they name', async () => {
    const targets = to(Object.values(addresses.host));
    const outcomes = await probeFrom(login('opened'), targets);
    expect(outcomes.map(({ result }) => result === 'open')).toEqual(
      targets.map(({ protocol }) => protocol === 'tcp'),
    );
  });

  it('count at once when the policy changes', async () => {
    const { host } = world;
    const before = await probeFrom(login('plain'), everything);
    expectOpen(everything, before);
    const text = readFileSync(host.policyFile, 'utf8');
    await host.setPolicy(text.replace('[defaults]', '[defaults]\ndeny_out = any'));
    await expect
      .poll(
        async () => (await probeFrom(login('plain'), everything)).filter(({ result }) => result === 'open'),
        { timeout: 10_000 },
      )
      .toEqual([]);
    await host.setPolicy(text);
    await expect
      .poll(async () => (await probeFrom(login('plain'), everything)).map(({ result }) => result), {
        timeout: 10_000,
      })
      .toEqual(everything.map(() => 'open'));
  });

  it('show what was refused', async () => {
    await probeFrom(login('plain'), to([addresses.host.v4], ['tcp']));
    const name = login('plain').user.name;
    await expect.poll(networks).toMatchObject({
      refused: expect.arrayContaining([
        expect.objectContaining({
          user: name,
          protocol: 'tcp',
          address: addresses.host.v4,
          port: peerPort,
        }),
      ]),
    });
    const lines = world.host.logRecords().filter(({ event }) => event === 'network-refused');
    expect(lines).toEqual(expect.arrayContaining([expect.objectContaining({ user: name })]));
    const trail = (await world.host.ctlOk('audit', 'ls', '--user', name, '--event', 'network-refused')) as {
      readonly lines: readonly object[];
    };
    const { host } = addresses;
    const line = { user: name, protocol: 'tcp', address: host.v4, port: peerPort, count: expect.any(Number) };
    expect(trail.lines).toEqual(expect.arrayContaining([expect.objectContaining(line)]));
  });
});

describe.skipIf(control)('the host', () => {
  it('is no router between its other networks', async () => {
    // The internet believes that the host knows the way to its inner network.
    await internet.internet.ok('ip', 'route', 'replace', '192.168.50.0/24', 'via', addresses.host.v4);
    await using capture = internet.host.start('/usr/bin/python3', ['-c', sniffer]);
    await capture.waitForOutput('ready');
    await probeOutside(internet.internet, to(['192.168.50.77']), 0.5);
    capture.process.stdin?.end();
    const { stdout } = await capture.finished();
    expect(stdout.toString()).toBe('ready\n');
    await internet.internet.ok('ip', 'route', 'del', '192.168.50.0/24');
  });
});

/** Prints a line for each packet that leaves by the inner network. */
const sniffer = `
import select, socket, sys
made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
made.bind(("inner0", 0x0800))
print("ready", flush=True)
while True:
    ready, _, _ = select.select([made, sys.stdin], [], [])
    if made in ready:
        print("packet", made.recvfrom(100)[1], flush=True)
    if sys.stdin in ready:
        break
`;
