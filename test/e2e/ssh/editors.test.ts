// Editors that work by ssh: what VS Code (by a proxy, by a socket, by one below XDG_RUNTIME_DIR) and JetBrains' Gateway do, against a
// server that is uploaded, keeps its state and outlives connections. docs/editors.md.

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import { Running, runOk, waitUntil } from '../../fixtures/process.ts';
import { modes, useWorld } from '../../fixtures/world.ts';
import {
  answers,
  ask,
  byPort,
  byProxy,
  byTls,
  connection,
  cut,
  folder,
  startScript,
  stateOf,
  upload,
  Window,
} from './editor-client.ts';
import { askInside, clientFolder, forwarding, listenOutside } from './peers.ts';

const world = useWorld({
  module: true,
  policy: {
    defaults: {
      image: 'host',
      background: 'keep',
      linger: '1h',
      stop_grace: '0',
      hangup_grace: '1s',
      memory: '512M',
      pids: 100,
    },
  },
});

const end = async (login: Login): Promise<void> =>
  void (await login.ssh(`kill "$(cat ~/${folder}/pid)"; rm -f ~/${folder}/pid`));

describe.skipIf(control).each(modes)('as %s', (mode) => {
  let login: Login;
  beforeAll(async () => {
    login = world().login(mode);
    await upload(login, mode === 'shell' ? 'scp' : 'sftp');
  });
  beforeEach(async () => {
    await end(login);
  });

  it('a proxy (VS Code): windows share a connection, and the next one finds the server with its state', async () => {
    const proxy = await freePort();
    const options = ['-D', `127.0.0.1:${proxy}`];
    const first = await connection(login, 'bash', options, startScript('0'));
    await using _first = first.ssh;
    const way = byProxy(proxy, Number(first.place));
    {
      await using one = await Window.open(way);
      await using two = await Window.open(way);
      expect(await Promise.all([one.say('from one'), two.say('from two')])).toEqual(['FROM ONE', 'FROM TWO']);
      await ask(way, 'note', 'kept');
      expect(await stateOf(way)).toMatchObject({ windows: 2, notes: ['kept'] });
      // Nothing of it is the host's.
      await expect(byPort(Number(first.place))()).rejects.toThrow('ECONNREFUSED');
      await expect(byProxy(proxy, login.sshd.port)()).rejects.toThrow();
      await cut(first.ssh);
    }
    await sleep(1_500); // the grace is over, and with it whatever the connection's end would have killed
    const again = await freePort();
    const second = await connection(login, 'bash', ['-D', `127.0.0.1:${again}`], startScript('0'));
    await using _second = second.ssh;
    expect([second.place, second.pid]).toEqual([first.place, first.pid]);
    const wayBack = byProxy(again, Number(second.place));
    await waitUntil(async () => (await stateOf(wayBack)).windows === 0, 'the windows to be closed');
    expect(await stateOf(wayBack)).toMatchObject({ opened: 2, notes: ['kept'] });
    await using window = await Window.open(wayBack);
    expect(await window.say('again')).toBe('AGAIN');
  });

  it.each(['/tmp', '$XDG_RUNTIME_DIR'])('a socket in %s (VS Code): likewise', async (place) => {
    const name = `code-${randomUUID()}`;
    const path = `${place}/${name}`.replace('$XDG_RUNTIME_DIR', `/run/user/${login.user.uid}`);
    const states: unknown[] = [];
    for (const word of ['first', 'second']) {
      const port = await freePort();
      // The forward is there before what it leads to.
      const { ssh, pid } = await connection(
        login,
        'sh',
        ['-L', `127.0.0.1:${port}:${path}`],
        startScript(`${place}/${name}`),
      );
      await using _ssh = ssh;
      const way = byPort(port);
      await using window = await Window.open(way);
      expect(await window.say(word)).toBe(word.toUpperCase());
      await ask(way, 'note', word);
      const state = await stateOf(way);
      expect(state).toMatchObject({ windows: 1 });
      states.push(state.notes);
      expect(pid).toBeGreaterThan(0);
      expect(existsSync(path)).toBe(false); // of the host's
      await cut(ssh);
    }
    expect(states).toEqual([['first'], ['first', 'second']]);
  });

  it('a port and TLS (JetBrains): the backend is found again', async () => {
    await using own = await clientFolder();
    const [key, cert] = [join(own.path, 'key.pem'), join(own.path, 'cert.pem')];
    await runOk('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
    ]);
    await login.script(`scp -q -F $SSH_CONFIG "$1" "$2" $HOST:${folder}/`, [key, cert]);
    expect((await login.ssh('uname -sm; echo $HOME')).stdout.toString()).toBe(
      `Linux x86_64\n${login.user.home}\n`.replace('x86_64', await arch()),
    );
    const started = await connection(login, 'sh', [], startScript('0', '.'));
    await cut(started.ssh);
    for (const count of [1, 2]) {
      const port = await freePort();
      await using _forward = await forwarding(login, [`-L127.0.0.1:${port}:127.0.0.1:${started.place}`]);
      const way = byTls(byPort(port), await readFile(cert, 'utf8'));
      await using window = await Window.open(way);
      expect(await window.say(`round ${count}`)).toBe(`ROUND ${count}`);
      expect(await stateOf(way)).toMatchObject({ pid: started.pid, opened: count });
    }
  });

  it('the server has the agent of the newest connection', async () => {
    await using own = await clientFolder();
    const keys = ['one', 'two'];
    const port = await freePort();
    let place = '';
    for (const name of keys) {
      const agent = join(own.path, name);
      await using _agent = new Running('ssh-agent', ['-D', '-a', agent], {});
      await waitUntil(() => existsSync(agent), 'the agent');
      await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `key-${name}`, '-f', `${agent}-key`]);
      await runOk('ssh-add', ['-q', `${agent}-key`], {
        env: { PATH: '/usr/bin:/bin', SSH_AUTH_SOCK: agent },
      });
      const options = ['-A', '-o', `IdentityAgent=${agent}`, '-D', `127.0.0.1:${port}`];
      const { ssh, place: at } = await connection(login, 'sh', options, startScript('0'));
      await using _ssh = ssh;
      expect(place === '' || place === at).toBe(true);
      place = at;
      await waitUntil(
        async () => String(await ask(byProxy(port, Number(at)), 'agent')).includes(`key-${name}`),
        `the key ${name}`,
      );
      await cut(ssh);
    }
  });

  it('-R of a client that was killed gives way to the next one’s', async () => {
    await using own = await clientFolder();
    const target = join(own.path, 'target');
    await using _listener = await listenOutside('client', [target]);
    const port = await freePort();
    const socket = `/tmp/editor-${process.pid}-${mode}`;
    for (let round = 0; round < 3; round++) {
      const options = [
        '-o',
        'ExitOnForwardFailure=yes',
        `-R${port}:${target}`,
        `-R${socket}-${round}:${target}`,
      ];
      let forward: Running | undefined;
      await waitUntil(async () => {
        // As editors do: again, until the one before has let go.
        forward = await forwarding(login, options);
        return (await askInside(login, [`${port}`]))[0] === 'client' && !forward.exited;
      }, 'the port');
      if (forward !== undefined) await cut(forward);
    }
  });
});

const arch = async (): Promise<string> => (await runOk('uname', ['-m'])).trim();

describe.skipIf(control)('what the policy says of them', () => {
  it.skipIf(unlimited)(
    'servers are counted and limited with the sandbox, and outlive their programs’ end',
    async () => {
      const login = await world().addLogin('shell');
      await upload(login, 'scp');
      const port = await freePort();
      const { ssh, place } = await connection(login, 'sh', ['-D', `127.0.0.1:${port}`], startScript('0'));
      await using _ssh = ssh;
      const way = byProxy(port, Number(place));
      const before = await world().host.sandboxOf(login.user);
      const started = Number(await ask(way, 'start', 150));
      expect(started).toBeGreaterThan(40);
      expect(started).toBeLessThan(100);
      const full = await world().host.sandboxOf(login.user);
      expect(full?.pids).toBeGreaterThan((before?.pids ?? 0) + 40);
      await ask(way, 'end');
      await ask(way, 'hold', 200);
      await waitUntil(
        async () => ((await world().host.sandboxOf(login.user))?.memoryBytes ?? 0) > 200 * 1024 ** 2,
        'the memory to be counted',
      );
      // More than there is ends the server, and nobody else.
      await expect(ask(way, 'hold', 1000)).rejects.toThrow(/closed|ECONNRESET/);
      expect((await login.ssh('echo alive')).stdout.toString()).toBe('alive\n');
      const again = await connection(login, 'sh', [], startScript('0'));
      await using _again = again.ssh;
      expect(again.pid).not.toBe(0);
      await end(login);
    },
  );

  it.each([
    ['background = kill: the server ends with its user’s last session', { background: 'kill' }],
    ['linger = 1s: the server ends with the sandbox', { linger: '1s' }],
  ])('%s, and the next connection starts another', async (_, own) => {
    const login = await world().addLogin('shell');
    await world().host.setPolicy({
      defaults: { image: 'host', background: 'keep', linger: '1h', stop_grace: '0', hangup_grace: '1s' },
      users: { [login.user.name]: own },
    });
    await upload(login, 'scp');
    const first = await connection(login, 'bash', [], startScript('0'));
    await using _first = first.ssh;
    const host = world()
      .host.processes()
      .filter(({ uid }) => uid === login.user.uid);
    expect(host.some(({ exe }) => exe === 'node')).toBe(true);
    await cut(first.ssh);
    await waitUntil(
      () =>
        !world()
          .host.processes()
          .some(({ uid, exe }) => uid === login.user.uid && exe === 'node'),
      'the server to end',
    );
    const port = await freePort();
    const second = await connection(login, 'bash', ['-D', `127.0.0.1:${port}`], startScript('0'));
    await using _second = second.ssh;
    await answers(byProxy(port, Number(second.place)));
  });
});
