// A sandbox's own link: what it looks like from inside and from the host, that it works from the first packet on, and that
// nothing is left of it, whoever is killed and whenever.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet, peerPort } from '../../fixtures/network/internet.ts';
import { probeFrom, type Target } from '../../fixtures/network/probe.ts';
import { describeFinished, type Finished, run, waitUntil } from '../../fixtures/process.ts';
import { childrenOf, supervisorOf } from '../../fixtures/supervisor.ts';
import type { World } from '../../fixtures/world.ts';

const far: Target[] = Object.values(addresses.far).flatMap((address) =>
  (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, address })),
);

interface Device {
  readonly ifname: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly addr_info: readonly {
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** TCP to a server far away by each family, without a second try. */
const bothFamilies = Object.values(addresses.far)
  .map(
    (address) =>
      `exec 3<>/dev/tcp/${address}/${peerPort} && echo x >&3 && read -t 1 -r line <&3 && echo "$line"`,
  )
  .join('; ');

describe.skipIf(control)('a private network', () => {
  let internet: Internet;
  let world: World;
  let login: Login;

  const links = async (): Promise<string[]> =>
    (JSON.parse(await internet.host.ok('ip', '-j', 'link')) as Device[])
      .map(({ ifname }) => ifname)
      .filter((name) => name.startsWith('dsh'));
  /** Also routes, which go with their links. */
  const nothingLeft = async (): Promise<void> => {
    await waitUntil(async () => (await links()).length === 0, 'the links to be gone', 20_000);
    const routes = await internet.host.ok('sh', '-c', 'ip route; ip -6 route');
    expect(routes).not.toMatch(/\bdsh/);
  };
  const client = async (command: string): Promise<Finished> =>
    await run(world.host.client, ['-c', command], { uid: login.user.uid, gid: login.user.gid });
  const initPid = async (): Promise<number | undefined> => (await world.host.sandboxOf(login.user))?.initPid;
  const policy = async (settings: Record<string, string | number> = {}): Promise<void> =>
    await world.host.setPolicy({
      defaults: {
        image: 'host',
        network: 'private',
        linger: '0',
        stop_grace: '0',
        hangup_grace: '0',
        ...settings,
      },
    });

  beforeAll(async () => {
    internet = await Internet.create();
    await internet.host.ok('ip', 'link', 'set', 'uplink0', 'mtu', '1400');
    world = await internet.world({
      policy: {
        defaults: { image: 'host', network: 'private', linger: '0', stop_grace: '0', hangup_grace: '0' },
      },
    });
    login = world.login('shell');
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await internet?.[Symbol.asyncDispose]();
  });

  it('has one address of each family, the uplink’s MTU and one way out', async () => {
    const result = await client('ip -j address; ip -j route; ip -j -6 route show default');
    expect(result.code, describeFinished(result)).toBe(0);
    const [devices = '', four = '', six = ''] = result.stdout.toString().trimEnd().split('\n');
    const byName = new Map((JSON.parse(devices) as Device[]).map((device) => [device.ifname, device]));
    expect([...byName.keys()]).toEqual(['lo', 'eth0']);
    const eth0 = byName.get('eth0');
    expect(eth0?.mtu).toBe(1400);
    expect(eth0?.flags).toEqual(expect.arrayContaining(['NOARP', 'UP', 'LOWER_UP']));
    // None of the kernel's own making among them (fe80::).
    expect(eth0?.addr_info.map(({ prefixlen, scope }) => [prefixlen, scope])).toEqual([
      [32, 'global'],
      [128, 'global'],
    ]);
    expect(byName.get('lo')?.addr_info.map(({ prefixlen }) => prefixlen)).toEqual([8, 32, 128]);
    expect(JSON.parse(four)).toMatchObject([{ dst: 'default', gateway: '169.254.0.1', dev: 'eth0' }]);
    expect(JSON.parse(six)).toMatchObject([{ dst: 'default', gateway: 'fe80::1', dev: 'eth0' }]);
  });

  it('reaches what is far away, as the host, by everything', async () => {
    const outcomes = await probeFrom(login, far);
    expect(outcomes.map(({ result }) => result)).toEqual(far.map(() => 'open'));
    const seen = new Set(outcomes.flatMap(({ seenAs }) => seenAs ?? []));
    expect(seen).toEqual(new Set(Object.values(addresses.host)));
  });

  it('remembers no neighbour for each destination', async () => {
    const many = Array.from({ length: 100 }, (_, n) => `echo x >/dev/udp/198.51.100.${n + 100}/9`).join('; ');
    const result = await client(`(${many}) 2>/dev/null; ip neigh show nud all | wc -l`);
    expect(Number(result.stdout.toString())).toBeLessThan(10);
  });

  it('is there at once, again and again, while the one before is still going', async () => {
    const seen: string[] = [];
    for (let round = 0; round < 64; round += 1) {
      const result = await client(bothFamilies);
      expect(result.code, `round ${round}: ${describeFinished(result)}`).toBe(0);
      seen.push(result.stdout.toString());
    }
    for (const text of seen)
      for (const address of Object.values(addresses.host)) expect(text).toContain(`from ${address} `);
    await nothingLeft();
  }, 120_000);

  it('is held by nobody inside', async () => {
    const running = client('sleep 60');
    await waitUntil(async () => (await initPid()) !== undefined, 'a sandbox');
    const pid = await initPid();
    if (pid === undefined) throw new Error('there is no sandbox');
    const { supervisor, spawner } = supervisorOf(pid);
    const sockets = (of: number): string[] =>
      readdirSync(`/proc/${of}/fd`)
        .map((fd) => readlinkSync(`/proc/${of}/fd/${fd}`))
        .filter((target) => target.startsWith('socket:'));
    const netlink = new Set(
      readFileSync(`/proc/${pid}/net/netlink`, 'utf8')
        .trimEnd()
        .split('\n')
        .slice(1)
        .map((line) => `socket:[${line.trim().split(/\s+/).at(-1) ?? ''}]`),
    );
    expect(sockets(supervisor).some((socket) => netlink.has(socket))).toBe(true);
    for (const inside of [pid, spawner])
      expect(sockets(inside).filter((socket) => netlink.has(socket))).toEqual([]);
    await world.host.ctlOk('stop', login.user.name);
    await running;
    await nothingLeft();
  });

  it('ends with its supervisor, and with PID 1', async () => {
    for (const victim of ['supervisor', 'init'] as const) {
      const running = client('sleep 60');
      await waitUntil(async () => (await initPid()) !== undefined, 'a sandbox');
      const pid = await initPid();
      process.kill(victim === 'init' ? (pid ?? 0) : supervisorOf(pid).supervisor, 'SIGKILL');
      await running;
      await nothingLeft();
    }
  });

  it('leaves nothing when a start is killed in the middle', async () => {
    let killed = 0;
    for (let round = 0; round < 24; round += 1) {
      const pool = waitingSupervisors(world.host.daemonPid);
      const running = client('true');
      const building = await firstToBuild(pool);
      if (building !== undefined) {
        // A start takes a few milliseconds: somewhere in it.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, round / 6);
        killed += kill(building) ? 1 : 0;
      }
      await running;
    }
    expect(killed).toBeGreaterThan(8);
    const result = await client(bothFamilies);
    expect(result.code, describeFinished(result)).toBe(0);
    await nothingLeft();
  }, 120_000);

  it('has IPv6 where the host gives new devices none', async () => {
    const setting = 'net.ipv6.conf.default.disable_ipv6';
    await internet.host.ok('sysctl', '-qw', `${setting}=1`);
    const result = await client(bothFamilies);
    await internet.host.ok('sysctl', '-qw', `${setting}=0`);
    expect(result.code, describeFinished(result)).toBe(0);
    expect(result.stdout.toString()).toContain(`from ${addresses.host.v6} `);
  });

  it('has the rates of the policy, also from now on', async () => {
    const show = ['tc', 'qdisc', 'show'] as const;
    const rates = async (): Promise<string[]> => {
      const outside = await internet.host.ok(...show);
      const inside = await internet.host.ok('nsenter', '-n', '-t', String(await initPid()), ...show);
      return [...`${outside} ${inside}`.matchAll(/ rate (\S+)/g)].map(([, rate = '']) => rate);
    };
    const becomes = async (expected: readonly string[]): Promise<void> =>
      await waitUntil(
        async () => (await rates()).join(' ') === expected.join(' '),
        `rates of ${expected.join(' ')}`,
      );
    await policy({ bandwidth_in: '1M', bandwidth_out: '500K' });
    const running = client('sleep 60');
    await waitUntil(async () => (await initPid()) !== undefined, 'a sandbox');
    await becomes(['8388Kbit', '4096Kbit']);
    await policy({ bandwidth_in: '2M', bandwidth_out: '1M' });
    await becomes(['16777Kbit', '8388Kbit']);
    await policy();
    await becomes([]);
    await world.host.ctlOk('stop', login.user.name);
    await running;
  });
});

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd();

/** Those that a daemon's launcher has forked and that have no sandbox yet. */
function waitingSupervisors(daemonPid: number): number[] {
  return childrenOf(daemonPid)
    .filter((pid) => commandOf(pid).startsWith('dockersh-superv'))
    .flatMap(childrenOf)
    .filter((pid) => !hasInit(pid));
}

function hasInit(supervisor: number): boolean {
  try {
    return childrenOf(supervisor).some((pid) => commandOf(pid) === 'dockersh-init');
  } catch {
    return false; // one of them has ended
  }
}

/** Whether it was still there. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

/** The first of them that has made PID 1; undefined: one that is not among them was faster. */
async function firstToBuild(pool: readonly number[]): Promise<number | undefined> {
  const deadline = performance.now() + 1000;
  while (performance.now() < deadline) {
    const found = pool.find(hasInit);
    if (found !== undefined) return found;
    await new Promise(setImmediate);
  }
  return undefined;
}
