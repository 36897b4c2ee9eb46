// Live connections of sshd's whose sandbox, client, sshd, supervisor or daemon goes: they end, or go on, and nothing is left of
// them; least of all the user's disk, twice.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, Running, run, waitUntil } from '../../fixtures/process.ts';
import { supervisorOf } from '../../fixtures/supervisor.ts';
import { useWorld } from '../../fixtures/world.ts';
import {
  askOutside,
  childrenOfSshd,
  clientFolder,
  forwarding,
  listenOutside,
  monitors,
  processesOfSshd,
} from './peers.ts';

const defaults = { image: 'host', linger: '5m', stop_grace: '1s', disk: '64M', disk_backend: 'image' };
const world = useWorld({ module: true, modes: ['shell'], policy: { defaults } });

/** Everything that can be open at a time, on three connections: sockets of sshd's in the home among it. */
interface Live extends AsyncDisposable {
  readonly clients: readonly Running[];
  readonly own: string;
}

async function goLive(login: Login): Promise<Live> {
  await login.ssh('rm -f ~/remote.sock /tmp/remote.sock');
  const folder = await clientFolder();
  const [target, own, master] = ['target', 'own', 'master'].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  const listener = await listenOutside('client', [target]);
  const home = join(login.user.home, 'remote.sock');
  const forwards = await forwarding(login, [
    `-R${home}:${target}`,
    `-R/tmp/remote.sock:${target}`,
    `-L${own}:${home}`,
  ]);
  const terminal = login.start('tty; echo on a terminal; sleep 1000', ['-tt']);
  await terminal.waitForOutput('on a terminal', 60_000);
  const shared = await forwarding(login, ['-M', '-S', master]);
  const session = login.start('echo through the master; sleep 1000', ['-S', master]);
  await session.waitForOutput('through the master', 60_000);
  await waitUntil(async () => (await askOutside([own]))[0] === 'client', 'the forward', 30_000);
  const clients = [forwards, terminal, shared, session];
  return {
    clients,
    own,
    [Symbol.asyncDispose]: async () => {
      for (const one of [...clients, listener]) await one[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const loopDevices = async (login: Login): Promise<string[]> => {
  const image = join(world().host.stateFolder, `users/${login.user.uid}/disk.img`);
  const all = await run('losetup', ['-j', image], {});
  return all.stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '');
};

async function expectAllEnded(login: Login, live: Live): Promise<void> {
  await waitUntil(() => live.clients.every(({ exited }) => exited), 'the clients to end', 20_000);
  await waitUntil(
    async () => (await processesOfSshd(login)).length === 0,
    'sshd to end',
    20_000,
    () => world().report(),
  );
}

const settings = async (login: Login, own: Record<string, string>): Promise<void> =>
  await world().host.setPolicy({ defaults, users: { [login.user.name]: own } });

/** Of the host's, for this user: a name space, a mount or a process that is still there would keep the disk. */
async function expectNothingLeft(login: Login): Promise<void> {
  await waitUntil(async () => (await loopDevices(login)).length === 0, 'the disk to be free', 20_000);
  expect(await world().host.sandboxOf(login.user)).toBeUndefined();
}

describe.skipIf(control)('with live connections', () => {
  const login = (): Login => world().login('shell');
  afterEach(async () => {
    await world().host.ctl('stop', login().user.name);
  });

  const killSupervisor = async (): Promise<void> => {
    const init = readFileSync(
      `/proc/${(await world().host.sandboxOf(login().user))?.initPid}/status`,
      'utf8',
    );
    process.kill(Number(/^PPid:\t(\d+)$/m.exec(init)?.[1]), 'SIGKILL');
  };

  const ends: Record<string, () => Promise<void>> = {
    'a sandbox that is stopped': async () => void (await world().host.ctlOk('stop', login().user.name)),
    'a sandbox that ends by itself': async () =>
      void process.kill((await world().host.sandboxOf(login().user))?.initPid ?? 0, 'SIGKILL'),
    'a supervisor that is killed': killSupervisor,
    'a daemon and a supervisor that are killed': async () => {
      await world()
        .host.sandboxOf(login().user)
        .then(async () => {
          const { supervisor } = { supervisor: (await world().host.sandboxOf(login().user))?.initPid ?? 0 };
          const status = readFileSync(`/proc/${supervisor}/status`, 'utf8');
          await world().host.killDaemon();
          process.kill(Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]), 'SIGKILL');
        });
      await world().host.startDaemon();
    },
    'a disk that becomes another one': async () => {
      await settings(login(), { disk: '96M' });
      await world().host.ctlOk('stop', login().user.name);
    },
  };

  it.each(Object.entries(ends))('%s ends them', async (_, end) => {
    await login().ssh('date +%s%N >~/kept');
    const kept = (await login().ssh('cat ~/kept')).stdout.toString();
    await using live = await goLive(login());
    expect(await loopDevices(login())).toHaveLength(1);
    await end();
    await expectAllEnded(login(), live);
    await expectNothingLeft(login());
    const again = await login().ssh('cat ~/kept; test ! -e ~/remote.sock || rm ~/remote.sock');
    expect(again.stdout.toString(), describeFinished(again)).toBe(kept);
    expect(await loopDevices(login())).toHaveLength(1);
    await settings(login(), {});
  });

  it('a stop tells sessions why, and with which status', async () => {
    await login().ssh('true');
    const session = login().start('trap "exit 7" TERM; echo here; while :; do sleep 0.1; done');
    await session.waitForOutput('here', 30_000);
    await world().host.ctlOk('stop', '--message', 'New disks at noon.', login().user.name);
    const result = await session.finished();
    expect(result.stderr.toString()).toContain('New disks at noon.');
    expect(result.code).toBe(7);
  });

  it('a daemon that is started anew finds them, and they go on', async () => {
    await using live = await goLive(login());
    await world().host.killDaemon();
    expect(await askOutside([live.own])).toEqual(['client']);
    await world().host.startDaemon();
    await waitUntil(
      async () => (await world().host.sandboxOf(login().user))?.connections.length === 3,
      'them to be found',
    );
    expect(await askOutside([live.own])).toEqual(['client']);
    expect(live.clients.map(({ exited }) => exited)).toEqual([false, false, false, false]);
  });

  const killAll = async (which?: string): Promise<void> => {
    const found = await processesOfSshd(login(), which);
    expect(found.length).toBeGreaterThan(0);
    for (const pid of found) process.kill(pid, 'SIGKILL');
  };
  const cuts: Record<string, (live: Live) => Promise<void>> = {
    'clients that are killed': async (live) => {
      for (const one of live.clients) one.kill('SIGKILL');
    },
    'sshd’s monitors that are killed': async () => {
      await killAll(monitors);
    },
    'sshd’s children that are killed': async () => {
      await killAll(childrenOfSshd);
    },
    'all of sshd’s that is killed': async () => {
      await killAll();
    },
  };

  it.each(Object.entries(cuts))('%s leave nothing', async (_, cut) => {
    const live = await goLive(login());
    await cut(live);
    for (const one of live.clients) one.kill('SIGKILL');
    await live[Symbol.asyncDispose]();
    const { host } = world();
    await waitUntil(
      async () => (await host.sandboxOf(login().user))?.connections.length === 0,
      'them to be gone',
      20_000,
    );
    await waitUntil(
      async () => (await host.sandboxOf(login().user))?.sessions.length === 0,
      'the sessions to end',
      20_000,
    );
    // Its monitors have more to close than our module.
    await waitUntil(async () => (await processesOfSshd(login())).length === 0, 'sshd to end', 20_000);
    const init = (await host.sandboxOf(login().user))?.initPid;
    expect(supervisorOf(init).spawner).toBeGreaterThan(0);
    await host.ctlOk('stop', login().user.name);
    await expectNothingLeft(login());
  });

  it('a monitor that is root never follows a path of the sandbox’s', async () => {
    const trace = join(world().host.folder, 'trace');
    await login().ssh('ln -sfn /etc/passwd ~/.hushlogin; mkdir -p ~/.ssh; echo "echo rc" >~/.ssh/rc');
    await using strace = new Running(
      'strace',
      [
        '-f',
        '-qq',
        '-s',
        '300',
        '-e',
        'trace=%file,setns',
        '-p',
        `${world().sshd('shell').pid}`,
        '-o',
        trace,
      ],
      {},
    );
    await waitUntil(() => existsSync(trace), 'strace');
    await using folder = await clientFolder();
    const agent = join(folder.path, 'agent');
    await using _agent = new Running('ssh-agent', ['-D', '-a', agent], {});
    await waitUntil(() => existsSync(agent), 'the agent');
    const result = await login().ssh('tty', {
      options: ['-tt', '-A', '-o', `IdentityAgent=${agent}`, '-R/tmp/traced.sock:/nothing'],
    });
    expect(result.stdout.toString(), describeFinished(result)).toContain('/dev/pts/');
    await waitUntil(async () => (await processesOfSshd(login())).length === 0, 'sshd to end');
    strace.kill('SIGINT');
    await strace.finished();
    const paths = monitorPaths(readFileSync(trace, 'utf8'));
    expect(paths).toContain('/var/log/wtmp'); // it has seen what it is there for
    expect(paths.filter((path) => /^\/(tmp|home|var\/tmp|dev\/shm|run\/user)\b/.test(path))).toEqual([]);
    expect(paths.filter((path) => path !== '' && !path.startsWith('/'))).toEqual([]);
  });
});

/** What a process walked between going into another mount namespace and coming back, its children's not counted. */
function monitorPaths(trace: string): string[] {
  const away = new Set<string>();
  const paths: string[] = [];
  for (const line of trace.split('\n')) {
    const [pid = ''] = line.split(' ');
    if (/ setns\(\d+, CLONE_NEWNS\) += 0/.test(line)) {
      if (!away.delete(pid)) away.add(pid);
    } else if (away.has(pid)) {
      paths.push(...[...line.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, path = '']) => path));
    }
  }
  return paths;
}
