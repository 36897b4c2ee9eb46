// Connections that are cut in the midst of a transfer, an editor's session, a tmux: by packets that no longer pass, and by an sshd
// that is killed or stopped. What the user wants to keep goes on inside, and nothing else is left.

import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { addresses, Internet } from '../../fixtures/network/internet.ts';
import { describeFinished, type Running, run, waitUntil } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';
import { connection, startScript, upload } from './editor-client.ts';
import type { ServerState } from './editor-server.ts';
import { childrenOfSshd, monitors, processesOfSshd } from './peers.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const defaults = {
  image: 'host',
  linger: '1h',
  background: 'keep',
  stop_grace: '0',
  disk: '512M',
  disk_backend: 'image',
};

describe.skipIf(control)('connections that are cut', () => {
  const everything = new AsyncDisposableStack();
  let internet: Internet;
  let world: World;
  let login: Login;

  beforeAll(async () => {
    internet = everything.use(await Internet.create());
    const { v4, v6 } = addresses.host;
    world = everything.use(
      await internet.world({
        module: true,
        policy: { defaults },
        sshdLines: [
          `ListenAddress ${v4}`,
          `ListenAddress ${v6}`,
          `Match LocalAddress ${v4}`,
          'ClientAliveInterval 1',
          'ClientAliveCountMax 3',
          'Match all',
        ],
      }),
    );
    login = world.login('shell');
    await upload(login, 'scp');
  });
  afterAll(async () => {
    await everything.disposeAsync();
  });

  const signal = async (which: string, name: NodeJS.Signals): Promise<void> => {
    const found = await processesOfSshd(login, which);
    expect(found.length).toBeGreaterThan(0);
    for (const pid of found) process.kill(pid, name);
  };
  const inside = (): string[] =>
    world.host
      .processes()
      .filter(({ uid, exe }) => uid === login.user.uid && !/^sshd|zombie/.test(exe))
      .map(({ command }) => command)
      .filter((command) => !/systemd --user|sd-pam/.test(command)) // the host's own, for each login
      .sort();

  /** Everything at a time, each on a connection from beyond the uplink. */
  async function work(address: string): Promise<{ clients: Running[]; remote: number } & AsyncDisposable> {
    await using own = new AsyncDisposableStack();
    const far = (program: string, options: string[], ...words: string[]): Running =>
      own.use(
        internet.internet.start(program, [
          ...['-F', login.configFile, '-o', `HostName=${address}`],
          ...options,
          ...words,
        ]),
      );
    const big = join(world.host.folder, 'big');
    await writeFile(big, '');
    await truncate(big, 300_000_000);
    const remote = await freePort();
    const up = far('scp', ['-q', '-l', '8000'], big, `${login.target}:big`);
    const down = far('ssh', [], login.target, 'while head -c 20000 /dev/urandom; do sleep 0.05; done');
    const tmux = far('ssh', ['-tt'], login.target, 'tmux new-session -A -s work');
    const forward = far('ssh', ['-N', `-R${remote}:127.0.0.1:9`], login.target);
    const proxy = await freePort();
    const editor = far('ssh', ['-T', '-D', `127.0.0.1:${proxy}`], login.target, 'bash');
    editor.process.stdin?.write(startScript('0'));
    await editor.waitForOutput(/^== .* ==$/m, 60_000);
    const place = /^== listening on (\S+) /m.exec(editor.stdout.toString())?.[1];
    const server = `http://127.0.0.1:${place}`;
    await internet.internet.ok('curl', '-sS', '--socks5', `127.0.0.1:${proxy}`, `${server}/note?before`);
    await waitUntil(
      () => down.stdout.length > 100_000,
      'the transfer',
      60_000,
      () => down.stderr.toString(),
    );
    await tmux.waitForOutput('[work]', 60_000);
    await waitUntil(
      async () => (await shell('stat -c %s big 2>/dev/null || echo 0')) > '0',
      'the copy',
      60_000,
    );
    await waitUntil(async () => await listens(remote), 'the forward', 60_000);
    const all = own.move();
    return {
      clients: [up, down, tmux, forward, editor],
      remote,
      [Symbol.asyncDispose]: async () => await all.disposeAsync(),
    };
  }

  async function shell(command: string): Promise<string> {
    const result = await login.ssh(command);
    if (result.code !== 0) throw new Error(describeFinished(result));
    return result.stdout.toString().trim();
  }
  const listens = async (port: number): Promise<boolean> =>
    (await shell(`ss -Hltn sport = :${port}`)).includes(`:${port}`);

  /** The next connection of the editor finds the server, with what the one that was cut has written there. */
  async function expectEditor(): Promise<void> {
    const { ssh, place } = await connection(login, 'bash', [], startScript('0'));
    await using _ssh = ssh;
    const state = JSON.parse(await shell(`curl -sS http://127.0.0.1:${place}/state`)) as ServerState;
    expect(state.notes).toEqual(['before']);
  }

  async function expectNobody(): Promise<void> {
    await waitUntil(
      async () => {
        const sandbox = await world.host.sandboxOf(login.user);
        return sandbox?.connections.length === 0 && sandbox.sessions.length === 0;
      },
      'connections and sessions to end',
      60_000,
      () => world.report(),
    );
    await waitUntil(async () => (await processesOfSshd(login)).length === 0, 'sshd to end', 20_000);
    // What goes on by itself, and nothing that a connection had started.
    await waitUntil(
      () => inside().every((command) => /editor-server|tmux|bash/.test(command)),
      'the rest to end',
      20_000,
      () => inside().join('\n'),
    );
    expect(inside().filter((command) => /tmux new-session -A/.test(command))).toHaveLength(1); // its server
    // But tmux, whose windows stay.
    await waitUntil(async () => (await shell('who | grep -v tmux || :')) === '', 'the books to be cleared');
  }

  const disk = async (): Promise<string> =>
    (
      await run('losetup', ['-j', join(world.host.stateFolder, `users/${login.user.uid}/disk.img`)], {})
    ).stdout
      .toString()
      .trim();

  async function expectNothingAfterStop(): Promise<void> {
    await world.host.ctlOk('stop', login.user.name);
    // A name space, a mount or a process that is still there would keep it.
    await waitUntil(async () => (await disk()) === '', 'the disk to be free', 20_000);
    expect(inside()).toEqual([]);
  }

  it.each([
    ['ClientAliveInterval ends them', addresses.host.v4, []],
    [
      'without it, the kernel’s own bounds do',
      addresses.host.v6,
      ['tcp_keepalive_time=2', 'tcp_keepalive_intvl=1', 'tcp_keepalive_probes=2', 'tcp_retries2=3'],
    ],
  ] as const)('by packets that do not pass: %s', async (_, address, settings) => {
    for (const setting of settings) await internet.host.ok('sysctl', '-qw', `net.ipv4.${setting}`);
    await using busy = await work(address);
    await internet.withoutPackets(async () => {
      await expectNobody();
      // The next connection gets what the cut one had.
      expect(await listens(busy.remote)).toBe(false);
      await expectEditor();
      expect(await shell('tmux has-session -t work && echo there')).toBe('there');
    });
    await expectNothingAfterStop();
  });

  it.each([
    ['sshd’s monitors', monitors],
    ['sshd’s children', childrenOfSshd],
  ])('by a kill of %s', async (_, what) => {
    await using busy = await work(addresses.host.v4);
    await signal(what, 'SIGKILL');
    for (const client of busy.clients) client.kill('SIGKILL');
    await expectNobody();
    await expectEditor();
    await expectNothingAfterStop();
  });

  it('under monitors that stand still: they count until they end, and keep nothing when the sandbox stops', async () => {
    await using busy = await work(addresses.host.v4);
    let before: number[] = [];
    // Those of logins that have just ended close their PAM sessions still.
    await waitUntil(async () => {
      before = await processesOfSshd(login, monitors);
      return before.length === busy.clients.length;
    }, 'a monitor for each client');
    try {
      await signal(monitors, 'SIGSTOP');
      for (const client of busy.clients) client.kill('SIGKILL');
      // Their children ask them before they end.
      expect((await world.host.sandboxOf(login.user))?.connections).toHaveLength(before.length);
      await expectNothingAfterStop();
      // And the next sandbox has nothing to do with them.
      expect(await shell('echo anew')).toBe('anew');
      expect(await processesOfSshd(login, monitors)).toEqual(expect.arrayContaining(before));
    } finally {
      await signal(monitors, 'SIGCONT');
    }
    await waitUntil(async () => (await processesOfSshd(login)).length === 0, 'sshd to end', 20_000);
  });
});
