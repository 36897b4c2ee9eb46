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
import type { World } from '../../fixtures/world.ts';

const python = '/usr/bin/python3';
const program = join(import.meta.dirname, '../../fixtures/network/published.py');

describe.skipIf(control)('published ports', () => {
  let internet: Internet;
  let world: World;
  let login: Login;
  const stack = new AsyncDisposableStack();

  const policy = async (settings: Record<string, string>): Promise<void> => {
    await world.host.ctl('stop', login.user.name);
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
    world = stack.use(await internet.world({ policy: { defaults: { image: 'host', network: 'private' } } }));
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

  it('carry a session of mosh, whatever the address that sshd was reached at', async () => {
    await policy({ mosh_ports: '60000-60010', background: 'keep' });
    const begun = await login.ssh(
      `SSH_CONNECTION='${addresses.gateway.v4} 1 ${addresses.host.v4} 22' LANG=C.UTF-8 mosh-server new -s -p 60000:60010`,
    );
    const [, port = '', key = ''] = /MOSH CONNECT (\d+) (\S+)/.exec(begun.stdout.toString()) ?? [];
    expect(Number(port), describeFinished(begun)).toBeGreaterThanOrEqual(60_000);
    const command = `stty rows 24 columns 80; exec mosh-client ${addresses.host.v4} ${port}`;
    await using client = new Running(
      ...internet.internet.command('script', ['-qefc', command, '/dev/null']),
      {
        stdio: 'pipe',
        env: { MOSH_KEY: key, LANG: 'C.UTF-8', TERM: 'xterm', PATH: '/usr/bin:/bin' },
      },
    );
    const shown = (): string => client.stdout.toString();
    await waitUntil(() => shown().length > 200, 'the session');
    client.process.stdin?.write('echo "here is $((40 + 2))"\r');
    await waitUntil(() => shown().includes('here is 42'), 'what the shell says');
    client.process.stdin?.write('exit\r');
    const { code } = await client.finished(20_000);
    expect(code).toBe(0);
  });
});
