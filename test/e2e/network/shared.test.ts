// Puts sandboxes into shared networks: members reach each other, whenever they came, and nobody else does.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callAdmin } from '../../../src/cli/client.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet, peerPort } from '../../fixtures/network/internet.ts';
import { probeFrom, type Target } from '../../fixtures/network/probe.ts';
import { describeFinished, type Running } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

const peer = readFileSync(join(import.meta.dirname, '../../fixtures/network/peer.py'));
const defaults = { image: 'host', network: 'private', linger: '1h', stop_grace: '0' };
const networksOf = {
  one: 'course101',
  two: 'course101 project',
  three: 'project',
  alone: 'none',
} as const;
type Name = keyof typeof networksOf;

describe.skipIf(control)('a shared network', () => {
  let internet: Internet;
  let world: World;
  const logins = new Map<Name, Login>();
  const running: Running[] = [];
  const login = (name: Name): Login => logins.get(name) as Login;

  const policy = (networks: Readonly<Record<Name, string>>, extra = {}) => ({
    defaults: { ...defaults, ...extra },
    users: Object.fromEntries(
      [...logins].map(([name, { user }]) => [user.name, { networks: networks[name] }]),
    ),
  });
  const listen = async (name: Name) => {
    const written = await login(name).ssh('cat > peer.py', { input: peer });
    expect(written.code, describeFinished(written)).toBe(0);
    const started = login(name).start(`exec /usr/bin/python3 peer.py ${peerPort}`);
    running.push(started);
    await started.waitForOutput('ready');
  };
  const targets = async (name: Name): Promise<Target[]> => {
    const socketPath = join(world.host.runFolder, 'admin.sock');
    const { users } = await callAdmin('network', {}, { socketPath });
    const found = users.find(({ user }) => user === login(name).user.name);
    return [found?.address4 ?? '', found?.address6 ?? ''].flatMap((address) =>
      (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, address })),
    );
  };
  /** Who reaches whom: by all of TCP, UDP and ICMP over both families, or by none of them. */
  const reach = async () => {
    const found: string[] = [];
    for (const from of logins.keys()) {
      for (const to of logins.keys()) {
        if (from === to) continue;
        const results = new Set(
          (await probeFrom(login(from), await targets(to), 0.5)).map(({ result }) => result),
        );
        if (results.has('open')) expect([from, to, [...results]]).toEqual([from, to, ['open']]);
        if (results.has('open')) found.push(`${from} ${to}`);
      }
    }
    return found;
  };

  beforeAll(async () => {
    internet = await Internet.create();
    world = await internet.world();
    for (const name of Object.keys(networksOf) as Name[]) logins.set(name, await world.addLogin('shell'));
    await world.host.setPolicy(policy(networksOf));
    for (const name of logins.keys()) await listen(name);
  });
  afterAll(async () => {
    for (const one of running) await one[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
    await internet?.[Symbol.asyncDispose]();
  });

  it('is for its members alone, who came one after the other', async () => {
    await expect.poll(reach, { timeout: 30_000 }).toEqual(['one two', 'two one', 'two three', 'three two']);
  });

  it('is as it was when somebody flushes the rules of the host, and after another daemon', async () => {
    await internet.host.ok('nft', 'flush', 'ruleset');
    await expect.poll(reach, { timeout: 30_000 }).toEqual(['one two', 'two one', 'two three', 'three two']);
    await world.host.killDaemon('SIGKILL');
    await internet.host.ok('nft', 'flush', 'ruleset');
    await world.host.startDaemon();
    await expect.poll(reach, { timeout: 30_000 }).toEqual(['one two', 'two one', 'two three', 'three two']);
  });

  it('opens nothing else, and what the policy denies is denied there as well', async () => {
    const far: Target[] = [{ protocol: 'tcp', address: addresses.far.v4 }];
    const host: Target[] = [{ protocol: 'tcp', address: addresses.host.v4, port: world.sshd('shell').port }];
    expect((await probeFrom(login('two'), [...far, ...host])).map(({ result }) => result)).toEqual([
      'open',
      'ECONNREFUSED',
    ]);
    await world.host.setPolicy(policy(networksOf, { deny_out: 'any' }));
    await expect.poll(reach, { timeout: 30_000 }).toEqual([]);
    await world.host.setPolicy(policy(networksOf));
    await expect.poll(async () => (await reach()).length, { timeout: 30_000 }).toBe(4);
  });

  it('has no member any more who has ended, and another one with the same address', async () => {
    await world.host.ctlOk('stop', login('two').user.name);
    const own = await targets('one');
    await listen('two');
    await expect.poll(reach, { timeout: 30_000 }).toEqual(['one two', 'two one', 'two three', 'three two']);
    expect(own).toEqual(await targets('one'));
  });
});
