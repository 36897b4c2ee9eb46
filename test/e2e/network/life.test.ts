// Private networks from their beginning to their end: what becomes of the host, of rules that somebody flushes, of a daemon
// and supervisors that are killed, and of a host whose own network changes.

import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAdmin } from '../../../src/cli/client.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { type HostState, hostState } from '../../fixtures/network/host-state.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { probeFrom, type Target } from '../../fixtures/network/probe.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

const policy = { defaults: { image: 'host', network: 'private', linger: '1h', stop_grace: '0' } };
const far: Target[] = Object.values(addresses.far).map((address) => ({ protocol: 'tcp', address }));
const host: Target[] = Object.values(addresses.host).flatMap((address) =>
  (['tcp', 'udp'] as const).map((protocol) => ({ protocol, address })),
);

async function results(login: Login, targets: readonly Target[], seconds = 0.5): Promise<string[]> {
  return (await probeFrom(login, targets, seconds)).map(({ result }) => result);
}

async function ok(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

const networks = async (world: World) =>
  await callAdmin('network', {}, { socketPath: join(world.host.runFolder, 'admin.sock') });

describe.skipIf(control)('the host', () => {
  it('is as it was before the first private network, and after the last one', async () => {
    await using internet = await Internet.create();
    const before = await hostState(internet.host);
    await using world = await internet.world({
      policy: { defaults: { ...policy.defaults, network: 'none' } },
    });
    const login = world.login('shell');
    await ok(login, 'true');
    expect(await hostState(internet.host)).toEqual(before);

    await world.host.ctlOk('stop', login.user.name);
    await world.host.setPolicy(policy);
    expect(await results(login, far)).toEqual(['open', 'open']);
    expectOwnAlone(before, await hostState(internet.host));

    await world.host.killDaemon('SIGKILL');
    await world.host.startDaemon('--stop-sandboxes-on-exit');
    expect(await results(login, far)).toEqual(['open', 'open']);
    await world.host.killDaemon('SIGTERM');
    await expect.poll(async () => await hostState(internet.host), { timeout: 5000 }).toEqual(before);

    await world.host.startDaemon();
    expect(await results(login, far)).toEqual(['open', 'open']);
    await world.host.ctlOk('stop', login.user.name);
    await world.host.killDaemon('SIGKILL');
    expect(await hostState(internet.host)).not.toEqual(before);
    await world.host.daemonOk('--withdraw');
    await expect.poll(async () => await hostState(internet.host), { timeout: 5000 }).toEqual(before);
    await world.host.startDaemon();
  });
});

/** What has come is named as ours; nothing has gone, and no setting but the uplink's forwarding has changed. */
function expectOwnAlone(before: HostState, after: HostState): void {
  const lines = (text: string) => text.split('\n').map((line) => line.replace(/^\d+: /, '').trim());
  const added = (kind: keyof HostState) => {
    const known = new Set(lines(before[kind]));
    return lines(after[kind]).filter((line) => !known.has(line));
  };
  const gone = (kind: keyof HostState) => {
    const there = new Set(lines(after[kind]));
    return lines(before[kind]).filter((line) => !there.has(line));
  };
  expect(added('links').filter((line) => /^\S+: </.test(line) && !line.startsWith('dsh'))).toEqual([]);
  for (const kind of ['routes4', 'routes6'] as const)
    expect(added(kind).filter((line) => !line.includes('dev dsh'))).toEqual([]);
  for (const kind of ['policies', 'neighbours'] as const) expect(added(kind)).toEqual([]);
  const changed = added('settings').filter((line) => !/\/dsh[^/]*\//.test(line));
  expect(changed.sort()).toEqual(['ipv4/conf/uplink0/forwarding:1', 'ipv6/conf/uplink0/force_forwarding:1']);
  for (const kind of ['links', 'addresses', 'routes4', 'routes6', 'policies', 'rules'] as const)
    expect(gone(kind)).toEqual([]);
}

describe.skipIf(control)('a private network', () => {
  let internet: Internet;
  let world: World;
  let login: Login;
  let folder: string;
  beforeAll(async () => {
    internet = await Internet.create();
    world = await internet.world({ policy });
    folder = world.host.folder;
    login = world.login('shell');
    await internet.startPeer(internet.host);
    await ok(login, 'true');
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await internet?.[Symbol.asyncDispose]();
  });

  const closed = async () => {
    for (const result of await results(login, host))
      expect(['open', 'strange', 'timeout']).not.toContain(result);
  };

  it('names the resolver, and itself', async () => {
    const [own] = (await networks(world)).users;
    expect(await ok(login, 'cat /etc/resolv.conf')).toMatch(/^nameserver 10\.\d+\.0\.1\n/);
    const names = await ok(login, 'getent ahosts "$(hostname)"');
    expect(names).toContain(own?.address4);
    expect(names).toContain(own?.address6);
  });

  it('stays, and stays closed, when somebody flushes the rules of the host', async () => {
    for (let round = 0; round < 3; round += 1) {
      await internet.host.ok('nft', 'flush', 'ruleset');
      await closed();
      await waitUntil(
        async () => (await results(login, far)).every((one) => one === 'open'),
        'the way out',
        1_500,
      );
    }
  });

  it('stays closed while there is no daemon and no rule, and has its way out with the next', async () => {
    await world.host.killDaemon('SIGKILL');
    await using session = login.start('cat > /dev/null');
    await internet.host.run('nft', ['delete', 'table', 'inet', 'dockersh']);
    await internet.host.ok('nft', 'flush', 'ruleset');
    await world.host.startDaemon();
    expect(session.exited).toBe(false);
    await closed();
    await waitUntil(
      async () => (await results(login, far)).every((one) => one === 'open'),
      'the way out',
      1_500,
    );
  });

  it("closes addresses that the host gets later, and opens those that it hasn't any more", async () => {
    const later: Target[] = [{ protocol: 'tcp', address: '198.51.100.200' }];
    await internet.internet.ok('ip', 'address', 'add', '198.51.100.200/32', 'dev', 'lo');
    expect(await results(login, later)).toEqual(['open']);
    await internet.host.ok('ip', 'address', 'add', '198.51.100.200/32', 'dev', 'uplink0');
    await waitUntil(
      async () => (await results(login, later))[0] === 'ECONNREFUSED',
      'it to be closed',
      1_500,
    );
    await internet.host.ok('ip', 'address', 'del', '198.51.100.200/32', 'dev', 'uplink0');
    await waitUntil(async () => (await results(login, later))[0] === 'open', 'it to be open', 1_500);
  });

  it('has its addresses for ever, and packets as large as the uplink takes', async () => {
    const [before] = (await networks(world)).users;
    await world.host.ctlOk('stop', login.user.name);
    await internet.host.ok('ip', 'link', 'set', 'uplink0', 'mtu', '1420');
    await expect
      .poll(
        async () => {
          await world.host.ctl('stop', login.user.name);
          return await ok(login, 'cat /sys/class/net/eth0/mtu');
        },
        { timeout: 20_000 },
      )
      .toBe('1420\n');
    const [after] = (await networks(world)).users;
    expect(after).toMatchObject({ address4: before?.address4, address6: before?.address6 });
    expect(after?.link).not.toBe(before?.link);
    await internet.host.ok('ip', 'link', 'set', 'uplink0', 'mtu', '1500');
  });

  it('of an earlier version goes on as it is', async () => {
    const record = join(folder, 'run/sandboxes', `${login.user.uid}.json`);
    const { network: _, link: __, hostname: ___, ...older } = JSON.parse(readFileSync(record, 'utf8'));
    await world.host.killDaemon('SIGKILL');
    await writeFile(record, JSON.stringify(older));
    await world.host.startDaemon();
    expect((await networks(world)).users).toEqual([]);
    await world.host.setPolicy({ defaults: { ...policy.defaults, deny_out: 'any' } });
    await ok(login, 'true');
    expect(await results(login, far)).toEqual(['open', 'open']);
    await world.host.setPolicy(policy);
    await world.host.ctlOk('stop', login.user.name);
    await ok(login, 'true');
    expect((await networks(world)).users).toHaveLength(1);
  });
});

describe.skipIf(control)('a host without IPv6', () => {
  it('gives IPv4, and says so', async () => {
    await using internet = await Internet.create({ v6: false });
    await using world = await internet.world({ policy });
    const login = world.login('shell');
    expect(await results(login, far)).toEqual(['open', expect.stringMatching(/^E/)]);
    expect(await networks(world)).toMatchObject({
      lacks: [expect.stringContaining('no default route of IPv6')],
      users: [{ address6: null }],
    });
  });
});

describe.skipIf(control)('a host that cannot', () => {
  it('refuses, or gives no network where the policy is content with that', async () => {
    await using internet = await Internet.create();
    // Neither rules nor links: what a kernel without them comes to.
    const unable = internet.host.without('net_admin');
    await using world = await internet.world({ policy, network: unable });
    const login = world.login('shell');
    const refused = await login.ssh('true');
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toContain('could not get its network');
    await world.host.setPolicy({ defaults: { ...policy.defaults, strict: 'no' } });
    expect(await ok(login, 'tail -n +3 /proc/net/dev | cut -d: -f1')).toMatch(/^\s*lo\n$/);
    expect(world.host.logRecords().map(({ msg }) => msg)).toContain(
      'a sandbox has no network, for this host cannot give it one',
    );
  });
});

describe.skipIf(control)('addresses', () => {
  const uplinks = async (internet: Internet) =>
    await internet.host.ok('sh', '-c', 'cd /proc/sys/net/ipv4/conf && grep -l 1 */forwarding | grep -v dsh');

  it('are not those that the host has a way to, and those of a user who is forgotten are somebody else’s', async () => {
    await using internet = await Internet.create();
    await internet.host.ok('ip', 'route', 'add', '10.213.64.0/18', 'via', addresses.gateway.v4);
    await using world = await internet.world({ policy });
    const login = world.login('shell');
    await ok(login, 'true');
    const first = (await networks(world)).users[0]?.address4;
    expect(first).toBe('10.214.0.2');
    const other = await world.addLogin('shell');
    await ok(other, 'true');
    expect((await networks(world)).users.map(({ address4 }) => address4).sort()).toEqual([
      first,
      '10.214.0.3',
    ]);
    await world.host.ctlOk('user', 'forget', '--yes', '--force', login.user.name);
    const third = await world.addLogin('shell');
    await ok(third, 'true');
    const users = (await networks(world)).users;
    expect(users.find(({ user }) => user === third.user.name)?.address4).toBe(first);
  });

  it('are from the pool that root names, once no sandbox has another', async () => {
    await using internet = await Internet.create();
    await using world = await internet.world({ policy });
    const login = world.login('shell');
    const other = await world.addLogin('shell');
    await ok(login, 'true');
    const named = `[host]\nnetwork_pool = 172.30.7.0/24\nnetwork_pool6 = none\n`;
    await world.host.setPolicy(`${readFileSync(world.host.policyFile, 'utf8')}\n${named}`);
    await ok(other, 'true');
    const all = (await networks(world)).users.map(({ address4 }) => address4?.slice(0, 7));
    expect(new Set(all)).toEqual(new Set(['10.213.']));
    for (const { user } of [login, other]) await world.host.ctlOk('stop', user.name);
    expect(await results(other, far)).toEqual(['open', expect.stringMatching(/^E/)]);
    expect((await networks(world)).users).toMatchObject([{ address4: '172.30.7.3', address6: null }]);
  });

  it('get out by another uplink when that becomes the way', async () => {
    await using internet = await Internet.create();
    await using world = await internet.world({ policy });
    const login = world.login('shell');
    expect(await results(login, far)).toEqual(['open', 'open']);
    expect(await uplinks(internet)).toBe('uplink0/forwarding\n');
    const pid = String(internet.internet.pid);
    await internet.host.ok(
      'ip',
      'link',
      'add',
      'uplink1',
      'type',
      'veth',
      'peer',
      'name',
      'isp1',
      'netns',
      pid,
    );
    await internet.internet.ok('ip', 'link', 'set', 'isp1', 'up');
    await internet.internet.ok('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'isp1');
    await internet.host.ok('ip', 'link', 'set', 'uplink1', 'up');
    await internet.host.ok('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'uplink1');
    await internet.host.ok('ip', 'link', 'set', 'uplink0', 'down');
    await internet.host.ok('ip', 'route', 'replace', 'default', 'via', '192.0.2.1');
    await waitUntil(async () => (await results(login, far))[0] === 'open', 'the other way out', 2_000);
    const [outcome] = await probeFrom(login, far);
    expect(outcome?.seenAs).toBe('192.0.2.2');
  });
});
