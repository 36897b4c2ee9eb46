// Holds what dockershctl says of private networks to what the kernel does: "policy explain --to" says what is then
// answered, what was refused is listed with the line that lets it pass, and that line does.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet, peerPort } from '../../fixtures/network/internet.ts';
import { probeFrom, type Target } from '../../fixtures/network/probe.ts';
import { waitUntil } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

interface Refused {
  readonly user: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly count: number;
  readonly wouldPassWith: string;
}

describe.skipIf(control)('dockershctl about private networks', () => {
  let internet: Internet;
  let world: World;
  let login: Login;

  const policy = async (settings: Record<string, string>): Promise<void> =>
    await world.host.setPolicy({
      defaults: { image: 'host', network: 'private', linger: '10m', stop_grace: '0', ...settings },
    });
  const json = async <T>(...args: string[]): Promise<T> => (await world.host.ctlOk(...args)) as T;
  /** What is said of each target, and what happens. */
  const saidAndDone = async (targets: readonly Target[]): Promise<[string, boolean, boolean][]> => {
    const said: boolean[] = [];
    for (const { protocol, address, port = peerPort } of targets) {
      const host = address.includes(':') && protocol !== 'icmp' ? `[${address}]` : address;
      const to = protocol === 'icmp' ? `${host}/icmp` : `${host}:${port}/${protocol}`;
      const { answers } = await json<{ answers: { reached: boolean }[] }>(
        ...['policy', 'explain', login.user.name, '--to', to],
      );
      expect(answers).toHaveLength(1);
      said.push(answers[0]?.reached === true);
    }
    const done = await probeFrom(login, targets);
    return targets.map(({ protocol, address }, index) => [
      `${protocol} ${address}`,
      said[index] === true,
      done[index]?.result === 'open',
    ]);
  };

  beforeAll(async () => {
    internet = await Internet.create();
    world = await internet.world({
      policy: { defaults: { image: 'host', network: 'private', linger: '10m', stop_grace: '0' } },
    });
    login = world.login('shell');
    await internet.startPeer(internet.host);
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
    await internet?.[Symbol.asyncDispose]();
  });

  const everybody = [addresses.far, addresses.gateway, addresses.host].flatMap(({ v4, v6 }) => [v4, v6]);
  const targets: Target[] = everybody.flatMap((address) =>
    (['tcp', 'udp', 'icmp'] as const).map((protocol) => ({ protocol, address })),
  );

  it.each([
    ['no rule', {}],
    [
      'some allowed',
      { allow_out: `198.51.100.0/24:${peerPort}/tcp [2001:db8:7::7]:${peerPort}/udp any/icmp` },
    ],
    ['some denied', { deny_out: `203.0.113.1 any:${peerPort}/udp 2001:db8:7::/48/icmp` }],
    ['denied beats allowed', { allow_out: 'any', deny_out: '198.51.100.7 2001:db8:1::/64/tcp' }],
    ['the host opened', { open_out: `host:${peerPort}/tcp`, deny_out: '2001:db8:1::2' }],
    ['the host opened, others closed', { open_out: 'host', allow_out: '203.0.113.1' }],
    ['everything denied', { deny_out: 'any' }],
  ])(
    'says what the kernel answers: %s',
    async (_name, settings) => {
      await policy(settings);
      await world.host.ctl('stop', login.user.name);
      const all = await saidAndDone(targets);
      expect(all.filter(([, said, done]) => said !== done)).toEqual([]);
    },
    120_000,
  );

  it('lists what was refused, and the line that lets it pass', async () => {
    await policy({ allow_out: '192.0.2.1' });
    await world.host.ctl('stop', login.user.name);
    await probeFrom(login, [
      { protocol: 'tcp', address: addresses.far.v4 },
      { protocol: 'udp', address: addresses.host.v6 },
    ]);
    const refused = async () =>
      (await json<{ refused: Refused[] }>('network', 'refused', login.user.name)).refused;
    await waitUntil(async () => (await refused()).length >= 2, 'both refusals to be known', 10_000);
    const lines = new Map(
      (await refused()).map((one) => [`${one.protocol} ${one.address} ${one.port}`, one]),
    );
    const far = lines.get(`tcp ${addresses.far.v4} ${peerPort}`)?.wouldPassWith ?? '';
    const host = lines.get(`udp ${addresses.host.v6} ${peerPort}`)?.wouldPassWith ?? '';
    expect(far).toBe(`allow_out += ${addresses.far.v4}:${peerPort}/tcp`);
    expect(host).toBe(`open_out += [${addresses.host.v6}]:${peerPort}/udp`);
    const [allowed = '', opened = ''] = [far, host].map((line) => line.split(' += ')[1] ?? '');
    await policy({ allow_out: `192.0.2.1 ${allowed}`, open_out: opened });
    await waitUntil(
      async () => {
        const [first, second] = await probeFrom(login, [
          { protocol: 'tcp', address: addresses.far.v4 },
          { protocol: 'udp', address: addresses.host.v6 },
        ]);
        return first?.result === 'open' && second?.result === 'open';
      },
      'the lines to count in the running sandbox',
      10_000,
    );
  }, 60_000);

  it('lists addresses and traffic, and stats has the rate', async () => {
    await login.ssh('true');
    const { users } = await json<{
      users: { user: string; address4: string; address6: string; bytesOut: number }[];
    }>(...['network', 'ls']);
    const own = users.find(({ user }) => user === login.user.name);
    const inside = (await login.ssh('ip -o address show dev eth0')).stdout.toString();
    expect(inside).toContain(` ${own?.address4}/32 `);
    expect(inside).toContain(` ${own?.address6}/128 `);
    expect(own?.bytesOut).toBeGreaterThan(0);
    const { sandboxes } = await json<{ sandboxes: { network: { bytesOut: number } | null }[] }>('stats');
    expect(sandboxes[0]?.network?.bytesOut).toBeGreaterThan(0);
  });

  it('shows published ports to root and to the user inside', async () => {
    await policy({ publish: '+0:80 127.0.0.1:8443:443 +1/udp' });
    await world.host.ctl('stop', login.user.name);
    const inside = (await login.ssh('cat /etc/dockersh/published')).stdout.toString();
    const [first] = /^tcp 127\.0\.0\.1 (\d+) 80$/m.exec(inside)?.slice(1) ?? [];
    expect(Number(first)).toBeGreaterThanOrEqual(20_000);
    expect(inside).toContain('\ntcp 127.0.0.1 8443 443\n');
    const known = await world.host.sandboxOf(login.user);
    const udp = Number(first) + 1;
    expect(known).toMatchObject({
      published: [
        { protocol: 'tcp', address: '127.0.0.1', first: Number(first), last: Number(first), inside: 80 },
        { protocol: 'tcp', address: '127.0.0.1', first: 8443, last: 8443, inside: 443 },
        { protocol: 'udp', address: '127.0.0.1', first: udp, last: udp, inside: udp },
      ],
    });
    // At once in the running sandbox.
    await policy({ publish: '8444:443' });
    const now = async () => JSON.stringify((await world.host.sandboxOf(login.user)) ?? {});
    await waitUntil(
      async () => (await now()).includes('"first":8444') && !(await now()).includes('8443'),
      'the edit to count',
      10_000,
    );
    expect(await internet.host.ok('ss', '-Hltn')).toMatch(/127\.0\.0\.1:8444\b/);
    expect((await login.ssh('cat /etc/dockersh/published')).stdout.toString()).toMatch(
      /sandbox\ntcp 127\.0\.0\.1 8444 443\n$/,
    );
  });
});
