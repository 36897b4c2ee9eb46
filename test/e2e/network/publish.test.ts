// Published ports of a sandbox: who reaches them and who does not, what a port that is taken means, and a session of mosh.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import type { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { describeFinished, type Finished, Running, waitUntil } from '../../fixtures/process.ts';
import { childrenOf, parentOf } from '../../fixtures/supervisor.ts';
import { everyMode, type World } from '../../fixtures/world.ts';

const python = '/usr/bin/python3';
const program = join(import.meta.dirname, '../../fixtures/network/published.py');

describe.skipIf(control)('published ports', () => {
  let internet: Internet;
  let world: World;
  let login: Login;
  const stack = new AsyncDisposableStack();

  const stopAll = async (): Promise<void> => {
    for (const mode of everyMode) await world.host.ctl('stop', world.login(mode).user.name);
  };
  const policy = async (settings: Record<string, string>): Promise<void> => {
    await stopAll();
    await world.host.setPolicy({
      defaults: { image: 'host', network: 'private', linger: '10m', stop_grace: '0', ...settings },
    });
  };
  /** A service inside, for as long as the test. */
  const service = async (address: string, port: number): Promise<void> => {
    const text = await readFile(program, 'utf8');
    const result = await login.ssh(
      `cat >/tmp/served.py; setsid ${python} /tmp/served.py echo ${address} ${port} >/tmp/served 2>&1 </dev/null &
       until grep -q ready /tmp/served; do sleep 0.05; done`,
      { input: text },
    );
    expect(result.code, describeFinished(result)).toBe(0);
  };
  const tries = async (space: NetworkNamespace, address: string, port: number): Promise<string> =>
    (await space.ok(python, program, 'try', address, String(port))).trim();
  const publisher = async (): Promise<number> => {
    const sandbox = await world.host.sandboxOf(login.user);
    const supervisor = parentOf(sandbox?.initPid ?? 0);
    const held = await Promise.all(
      childrenOf(supervisor).map(async (pid) => ({
        pid,
        status: await readFile(`/proc/${pid}/status`, 'utf8'),
        name: await internet.host.ok('readlink', `/proc/${pid}/ns/mnt`),
      })),
    );
    const own = await internet.host.ok('readlink', `/proc/${supervisor}/ns/mnt`);
    return held.find(({ name, status }) => name === own && /^Seccomp:\t2$/m.test(status))?.pid ?? 0;
  };

  beforeAll(async () => {
    internet = stack.use(await Internet.create());
    world = stack.use(
      await internet.world({ modes: everyMode, policy: { defaults: { image: 'host', network: 'private' } } }),
    );
    login = world.login('shell');
  });
  afterAll(async () => {
    await stack.disposeAsync();
  });

  it('are reached at the address that the policy names, and at no other', async () => {
    await policy({
      publish: `8080:8000 ${addresses.host.v4}:8081:8000 [${addresses.host.v6}]:8081:8000`,
      background: 'keep',
    });
    await service('127.0.0.1', 8000);
    expect(await tries(internet.host, '127.0.0.1', 8080)).toBe('pong');
    expect(await tries(internet.internet, addresses.host.v4, 8080)).toBe('ConnectionRefusedError');
    expect(await tries(internet.internet, addresses.host.v4, 8081)).toBe('pong');
    expect(await tries(internet.internet, addresses.host.v6, 8081)).toBe('pong');
    expect(await tries(internet.host, '127.0.0.1', 8081)).toBe('ConnectionRefusedError');
    expect(await tries(internet.internet, addresses.host.v4, 8000)).toBe('ConnectionRefusedError');
  });

  it('are held by a process of the sandbox’s cgroup, which is replaced where it is killed', async () => {
    const pid = await publisher();
    const sandbox = await world.host.sandboxOf(login.user);
    expect(await readFile(`/proc/${pid}/cgroup`, 'utf8')).toBe(
      await readFile(`/proc/${sandbox?.initPid}/cgroup`, 'utf8'),
    );
    process.kill(pid, 'SIGKILL');
    await waitUntil(async () => (await tries(internet.host, '127.0.0.1', 8080)) === 'pong', 'another one');
    expect(await publisher()).not.toBe(pid);
  });

  it('are free when the sandbox has ended, also with its supervisor killed', async () => {
    const pid = await publisher();
    process.kill(parentOf((await world.host.sandboxOf(login.user))?.initPid ?? 0), 'SIGKILL');
    await waitUntil(
      async () => (await tries(internet.host, '127.0.0.1', 8080)) === 'ConnectionRefusedError',
      'the port to be free',
    );
    await waitUntil(
      async () =>
        await readFile(`/proc/${pid}/stat`).then(
          () => false,
          () => true,
        ),
      'its end',
    );
  });

  it('refuse the login where one is taken, with a word on it', async () => {
    await policy({ publish: '8080-8082:8000' });
    const other = stack.use(internet.host.start(python, [program, 'occupy', '127.0.0.1', '8081']));
    await other.waitForOutput('ready');
    const refused: Finished = await login.ssh('true');
    expect(refused.code).toBe(125);
    expect(refused.stderr.toString()).toContain('A port that this sandbox publishes is taken on this host');
    expect(await readFile(world.host.logFile, 'utf8')).toContain("'tcp 127.0.0.1 port 8081'");
    await other[Symbol.asyncDispose]();
    expect((await login.ssh('true')).code).toBe(0);
  });

  it('are missing with strict = no where one is taken, which is said, and come when it is free', async () => {
    await world.host.ctl('stop', login.user.name);
    const other = stack.use(internet.host.start(python, [program, 'occupy', '127.0.0.1', '8081']));
    await other.waitForOutput('ready');
    await policy({ publish: '8080-8082:8000 8084:8000/udp', strict: 'no', background: 'keep' });
    await service('127.0.0.1', 8000);
    expect(await tries(internet.host, '127.0.0.1', 8080)).toBe('pong');
    const missing = [{ protocol: 'tcp', address: '127.0.0.1', port: 8081, why: 'Address in use' }];
    await waitUntil(async () => (await world.host.sandboxOf(login.user))?.missing.length === 1, 'ps');
    expect(await world.host.sandboxOf(login.user)).toMatchObject({ missing });
    expect(await world.host.ctlOk('network', 'ls')).toMatchObject({ users: [{ missing }] });
    const said = (): number =>
      world.host
        .logRecords()
        .filter(({ msg }) => msg === 'ports that this sandbox publishes are not to be had').length;
    expect(said()).toBe(1);
    const inside = async (): Promise<string> =>
      (await login.ssh('tail -n +2 /etc/dockersh/published')).stdout.toString();
    expect(await inside()).toBe(
      'tcp 127.0.0.1 8080 8000\n# missing: tcp 127.0.0.1 8081 8001 # Address in use\ntcp 127.0.0.1 8082 8002\nudp 127.0.0.1 8084 8000\n',
    );
    // Another daemon hears of it as well.
    await world.host.killDaemon();
    await world.host.startDaemon();
    await waitUntil(async () => (await world.host.sandboxOf(login.user))?.missing.length === 1, 'ps');
    await other[Symbol.asyncDispose]();
    await waitUntil(
      async () => (await world.host.sandboxOf(login.user))?.missing.length === 0,
      'the port',
      20_000,
    );
    expect(await inside()).toBe('tcp 127.0.0.1 8080-8082 8000-8002\nudp 127.0.0.1 8084 8000\n');
  });

  /** Real mosh, begun as the script mosh(1) does: whatever mosh-server says is what the client is given. */
  const mosh = async (who = login): Promise<{ readonly client: Running; readonly port: number }> => {
    const begun = await who.ssh(
      `SSH_CONNECTION='${addresses.gateway.v4} 1 ${addresses.host.v4} 22' LANG=C.UTF-8 mosh-server new -s -p 60000:60010`,
    );
    const [, port = '', key = ''] = /MOSH CONNECT (\d+) (\S+)/.exec(begun.stdout.toString()) ?? [];
    expect(Number(port), describeFinished(begun)).toBeGreaterThanOrEqual(60_000);
    const command = `stty rows 24 columns 80; exec mosh-client ${addresses.host.v4} ${port}`;
    const client = new Running(...internet.internet.command('script', ['-qefc', command, '/dev/null']), {
      stdio: 'pipe',
      env: { MOSH_KEY: key, LANG: 'C.UTF-8', TERM: 'xterm', PATH: '/usr/bin:/bin' },
    });
    await waitUntil(() => client.stdout.toString().length > 200, 'the session');
    return { client, port: Number(port) };
  };
  const says = async (client: Running, number: number): Promise<void> => {
    client.process.stdin?.write(`echo "here is $((${number} + 2))"\r`);
    await waitUntil(() => client.stdout.toString().includes(`here is ${number + 2}`), 'what the shell says');
  };
  const exits = async (client: Running): Promise<void> => {
    client.process.stdin?.write('exit\r');
    expect((await client.finished(20_000)).code).toBe(0);
  };

  it.each(everyMode)(
    'carry a session of mosh, whatever the address that sshd was reached at, as %s',
    async (mode) => {
      await policy({ mosh_ports: '60000-60010', background: 'keep' });
      const { client, port } = await mosh(world.login(mode));
      await using _ = client;
      expect(port).toBe(60_000);
      await says(client, 40);
      await exits(client);
    },
  );

  it('carry a session of mosh where other programs of the host have its first ports', async () => {
    await stopAll();
    const others: Running[] = [];
    for (const [address, port] of [
      ['0.0.0.0', '60000'],
      ['::', '60001'],
      [addresses.host.v4, '60002'],
    ] as const) {
      const other = stack.use(internet.host.start(python, [program, 'echo', address, port]));
      others.push(other);
      await other.waitForOutput('ready');
    }
    await policy({ mosh_ports: '60000-60010', background: 'keep' });
    const { client, port } = await mosh();
    await using _ = client;
    expect(port).toBe(60_003);
    await says(client, 50);
    await exits(client);
    for (const other of others) await other[Symbol.asyncDispose]();
  });

  it('carry a session of mosh on, when its client has another address', async () => {
    await policy({ mosh_ports: '60000-60010', background: 'keep' });
    const { client } = await mosh();
    await using _ = client;
    await says(client, 70);
    // The client's own address goes, as with another network; what it sends now comes from the other.
    const { gateway } = addresses;
    const move = async (from: string, to: string): Promise<void> => {
      await internet.internet.ok('ip', 'address', 'del', `${from}/24`, 'dev', 'isp0');
      await internet.internet.ok('ip', 'address', 'add', `${to}/24`, 'dev', 'isp0');
    };
    await move(gateway.v4, '203.0.113.77');
    await says(client, 80);
    await move('203.0.113.77', gateway.v4);
    await says(client, 90);
    await exits(client);
  });
});
