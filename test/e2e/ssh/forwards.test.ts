// Every kind of forward of sshd's, with its connections joined to sandboxes: each lands inside, and none reaches the host or
// another user's sandbox.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';
import { askInside, askOutside, clientFolder, forwarding, listenInside, listenOutside } from './peers.ts';

const world = useWorld({
  modes: everyMode,
  module: true,
  policy: { defaults: { image: 'host', linger: '5m', stop_grace: '0' } },
  sshdLines: [
    'AllowTcpForwarding yes',
    'AllowStreamLocalForwarding yes',
    'AllowAgentForwarding yes',
    'X11Forwarding yes',
    'StreamLocalBindUnlink yes',
    'Match all', // of two lines the first one counts, but for those of a match
    'PasswordAuthentication yes',
    'KbdInteractiveAuthentication yes',
  ],
});

const name = `dockersh-test-${process.pid}`;
/** Where each sandbox has a folder of its own, and the host another one. */
const placesOf = ({ user }: Login, socket: string): string[] =>
  [user.home, '/tmp', '/var/tmp', '/dev/shm', `/run/user/${user.uid}`].map((folder) => join(folder, socket));

describe.skipIf(control).each(everyMode)('as %s', (mode) => {
  let login: Login;
  beforeAll(async () => {
    login = world().login(mode);
    await login.ssh('true');
  });

  it('-L reaches the sandbox’s sockets, by whatever name', async () => {
    const socket = `${name}-${mode}-l`;
    await using folder = await clientFolder();
    const places = placesOf(login, socket);
    await using _listener = await listenInside(login, 'inside', places);
    await login.ssh(`ln -sf ${places[2]} /tmp/${socket}-link; ln -sfn /var /tmp/${socket}-var`);
    const named = [
      ...places,
      `/tmp/${socket}-link`,
      `/tmp/../home/${login.user.name}/${socket}`,
      `/tmp/${socket}-var/tmp/${socket}`,
    ];
    const own = named.map((_, index) => join(folder.path, `${index}`));
    await using _forward = await forwarding(
      login,
      named.map((place, index) => `-L${own[index]}:${place}`),
    );
    expect(await askOutside(own)).toEqual(named.map(() => 'inside'));
  });

  it('-L reaches no socket of the host’s, and none through a process of the user’s there', async () => {
    const socket = `${name}-${mode}-h`;
    await using folder = await clientFolder();
    const { uid, gid } = login.user;
    await using process_ = new Running('sleep', ['300'], { uid, gid, cwd: '/' });
    const host = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/srv'].map((place) => join(place, socket));
    await using _listener = await listenOutside('host', host);
    await login.ssh(
      `ln -sfn /run /tmp/${socket}-run; ln -sfn /proc/${process_.pid}/root /tmp/${socket}-root; ln -sfn / /tmp/${socket}-all`,
    );
    const attempts = [
      ...host,
      ...[
        '/var/run',
        `/tmp/${socket}-run`,
        `/tmp/${socket}-root/run`,
        `/tmp/${socket}-all/run`,
        '/tmp/../run',
        '/usr/../run',
      ],
      ...['root/run', 'root/tmp', 'cwd/run', 'root/../run'].map((rest) => `/proc/${process_.pid}/${rest}`),
      ...['/proc/1/root/run', '/proc/self/root/run', '/proc/self/cwd/run', '/.etc/../run'],
      '/run/systemd/private',
      '/run/dbus/system_bus_socket',
    ].map((place) => (place.endsWith(socket) || place.startsWith('/run/') ? place : join(place, socket)));
    const own = attempts.map((_, index) => join(folder.path, `${index}`));
    await using _forward = await forwarding(
      login,
      attempts.map((place, index) => `-L${own[index]}:${place}`),
    );
    expect(await askOutside(own)).toEqual(attempts.map(() => 'nothing'));
    // Without the sandbox, the user would reach them.
    expect(
      await askOutside([host[0] ?? '', `/proc/${process_.pid}/root/run/${socket}`], { uid, gid }),
    ).toEqual(['host', 'host']);
  });

  it('-R makes sockets and ports inside, and none on the host', async () => {
    const socket = `${name}-${mode}-r`;
    await using folder = await clientFolder();
    const target = join(folder.path, 'target');
    await using _listener = await listenOutside('client', [target]);
    const places = placesOf(login, socket);
    const port = await freePort();
    await using _forward = await forwarding(login, [
      ...places.map((place) => `-R${place}:${target}`),
      `-R${port}:${target}`,
    ]);
    await waitUntil(
      async () => (await askInside(login, [`${port}`]))[0] === 'client',
      'the forwards',
      30_000,
    );
    expect(await askInside(login, places)).toEqual(places.map(() => 'client'));
    expect(places.filter((place) => existsSync(place))).toEqual([]);
    expect(await askOutside([`${port}`])).toEqual(['ECONNREFUSED']);
    // Not where the host's are.
    await using refused = await forwarding(
      login,
      ['/run', '/srv', '/usr', '/'].map((place) => `-R${join(place, socket)}:${target}`),
    );
    await waitUntil(
      () =>
        refused.stderr.toString().split('remote port forwarding failed').length === 5 ||
        refused.stderr.toString().split('failed for').length >= 5,
      'the refusals',
      20_000,
      () => refused.stderr.toString().slice(-1500),
    );
    expect(['/run', '/srv', '/usr', '/'].filter((place) => existsSync(join(place, socket)))).toEqual([]);
  });

  it('an agent is inside', async () => {
    await using folder = await clientFolder();
    const agent = join(folder.path, 'agent');
    await using _agent = new Running('ssh-agent', ['-D', '-a', agent], {});
    await waitUntil(() => existsSync(agent), 'the agent');
    const env = { PATH: '/usr/bin:/bin', SSH_AUTH_SOCK: agent };
    await runOk('ssh-add', ['-q', login.sshd.identity], { env });
    const before = new Set(readdirSync('/tmp'));
    const result = await login.ssh(
      'SSH_AUTH_SOCK=$(ls -t /tmp/ssh-*/agent.* ~/.ssh/agent/* 2>/dev/null | head -1) ssh-add -l; stat -c %u /tmp/ssh-*',
      { options: ['-A', '-o', `IdentityAgent=${agent}`] },
    );
    expect(result.stdout.toString(), describeFinished(result)).toContain('(ED25519)');
    expect(readdirSync('/tmp').filter((entry) => entry.startsWith('ssh-') && !before.has(entry))).toEqual([]);
  });

  it.each(['-X', '-Y'])('a display is inside with %s', async (option) => {
    await using display = await startDisplay();
    const script = `export DISPLAY=\${DISPLAY:-localhost:10.0}; xdpyinfo | grep 'number of screens'; xauth list | wc -l`;
    const result = await run(
      ...login.host.command('ssh', ['-F', login.configFile, option, login.target, '--', script]),
      {
        env: {
          PATH: '/usr/bin:/bin',
          HOME: display.home,
          DISPLAY: display.name,
          XAUTHORITY: display.authority,
        },
      },
    );
    expect(result.stdout.toString(), describeFinished(result)).toMatch(/number of screens: +1\n[1-9]/);
    expect(existsSync(join(login.user.home, '.Xauthority'))).toBe(false); // of the host's
  });

  it('a master carries sessions and forwards', async () => {
    await using folder = await clientFolder();
    const path = join(folder.path, 'master');
    const socket = join('/tmp', `${name}-${mode}-m`);
    await using _master = await forwarding(login, ['-M', '-S', path]);
    const through = async (...words: string[]): Promise<string> => {
      const result = await login.ssh(words.join(' '), { options: ['-S', path] });
      return result.stdout.toString().trim();
    };
    expect(await Promise.all(['a', 'b', 'c'].map(async (word) => await through('echo', word)))).toEqual([
      'a',
      'b',
      'c',
    ]);
    await using _listener = await listenInside(login, 'inside', [socket]);
    const own = join(folder.path, 'own');
    await login.ssh(undefined, { options: ['-S', path, '-O', 'forward', `-L${own}:${socket}`] });
    expect(await askOutside([own])).toEqual(['inside']);
    const sandbox = await world().host.sandboxOf(login.user);
    expect(sandbox?.connections.length).toBeGreaterThanOrEqual(1);
  });

  it('a jump goes by the sandbox', async () => {
    const port = await freePort();
    const folder = `/tmp/${name}-${mode}-j`;
    await using sshd = login.start(
      `mkdir -p ${folder} && ssh-keygen -q -t ed25519 -N '' -f ${folder}/key && ssh-keygen -yf ${folder}/key >/dev/null && echo ready && exec /usr/sbin/sshd -D -e -f /dev/null -h ${folder}/key -p ${port} -o ListenAddress=127.0.0.1 -o UsePAM=no -o StrictModes=no -o PidFile=none`,
    );
    await sshd.waitForOutput('ready');
    await waitUntil(
      () => sshd.stderr.includes(`port ${port}`),
      'sshd inside',
      20_000,
      () => sshd.stderr.toString(),
    );
    const jump = await login.ssh(undefined, { options: ['-W', `127.0.0.1:${port}`], input: 'no ssh\n' });
    expect(jump.stdout.toString()).toMatch(/^SSH-2\.0-/);
    const host = await login.ssh(undefined, {
      options: ['-W', `127.0.0.1:${login.sshd.port}`],
      input: 'no ssh\n',
    });
    expect(host.stdout.toString()).toBe('');
  });

  it.each(['password', 'keyboard-interactive'])('logs in by %s, and forwards inside', async (method) => {
    await runOk('chpasswd', [], { input: `${login.user.name}:a test's own\n` });
    await using folder = await clientFolder();
    const socket = `/tmp/${name}-${mode}-${method}`;
    await using _listener = await listenInside(login, 'inside', [socket]);
    const own = join(folder.path, 'own');
    const askpass = join(folder.path, 'askpass');
    await runOk('sh', [
      '-c',
      `printf '#!/bin/sh\\necho "a test'"'"'s own"\\n' >${askpass}; chmod +x ${askpass}`,
    ]);
    await using forward = new Running(
      ...login.host.command('ssh', [
        ...['-F', login.configFile, '-N', '-o', 'BatchMode=no', '-o', 'LogLevel=DEBUG1'],
        ...[
          '-o',
          `PreferredAuthentications=${method}`,
          '-o',
          'PubkeyAuthentication=no',
          `-L${own}:${socket}`,
          login.target,
        ],
      ]),
      {
        env: { PATH: '/usr/bin:/bin', SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':none' },
      },
    );
    await waitUntil(
      () => forward.stderr.includes('Entering interactive session'),
      'the login',
      60_000,
      () => forward.stderr.toString().slice(-1000),
    );
    expect(await askOutside([own])).toEqual(['inside']);
    const sandbox = await world().host.sandboxOf(login.user);
    const methods = sandbox?.connections.map(({ auth }) => auth?.split(/[ /]/)[0]);
    expect(methods).toContain(method);
  });
});

describe.skipIf(control)('two users', () => {
  it('do not reach each other', async () => {
    const one = world().login('shell');
    const other = await world().addLogin('shell');
    const socket = `${name}-two`;
    const port = await freePort();
    await using folder = await clientFolder();
    const places = ['/tmp', '/var/tmp', '/dev/shm', one.user.home, `/run/user/${one.user.uid}`].map((place) =>
      join(place, socket),
    );
    await using _listener = await listenInside(one, 'one', [`${port}`, ...places]);
    const target = join(folder.path, 'target');
    await using _target = await listenOutside('client of one', [target]);
    const remote = await freePort();
    await using _remote = await forwarding(one, [
      `-R${remote}:${target}`,
      `-R/tmp/${socket}-remote:${target}`,
    ]);
    const attempts = [`127.0.0.1:${port}`, `127.0.0.1:${remote}`, ...places, `/tmp/${socket}-remote`];
    const own = attempts.map((_, index) => join(folder.path, `${index}`));
    await using _forward = await forwarding(
      other,
      attempts.map((place, index) => `-L${own[index]}:${place}`),
    );
    expect(await askOutside(own)).toEqual(attempts.map(() => 'nothing'));
    // And at the same names they do not meet.
    await using _same = await listenInside(other, 'other', [`/tmp/${socket}`, `${port}`]);
    expect(await askInside(one, [`/tmp/${socket}`, `${port}`])).toEqual(['one', 'one']);
    expect((await askOutside(own)).slice(0, 3)).toEqual(['other', 'nothing', 'other']);
  });
});

interface Display extends AsyncDisposable {
  readonly name: string;
  readonly home: string;
  readonly authority: string;
}

/** An X server at the client's end, which asks for a cookie. */
async function startDisplay(): Promise<Display> {
  const folder = await clientFolder();
  const authority = join(folder.path, 'authority');
  const cookie = '0123456789abcdef0123456789abcdef';
  await runOk('xauth', ['-q', '-f', authority, 'add', ':0', '.', cookie]);
  const server = new Running(
    'Xvfb',
    ['-displayfd', '1', '-auth', authority, '-nolisten', 'tcp', '+extension', 'SECURITY'],
    {},
  );
  await server.waitForOutput(/^\d+\n/, 30_000);
  const number = server.stdout.toString().trim();
  await runOk('xauth', ['-q', '-f', authority, 'add', `:${number}`, '.', cookie]);
  return {
    name: `:${number}`,
    home: folder.path,
    authority,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
