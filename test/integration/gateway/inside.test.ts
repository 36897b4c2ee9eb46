// Asks what stands in the gateway's monitor's place for sessions, connections and sockets, as the connection process does.

import { createServer, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { OwnedFd } from '../../../src/lib/fd.ts';
import { WireWriter } from '../../../src/lib/wire.ts';
import type { AdminGatewaySession, AdminLogin } from '../../../src/protocol/admin.ts';
import { useDaemonAndUser } from '../../fixtures/gateway/daemon.ts';
import type { Host } from '../../fixtures/host.ts';
import { control } from '../../fixtures/machine.ts';
import { run, waitUntil } from '../../fixtures/process.ts';
import type { TestUser } from '../../fixtures/users.ts';
import { Insider } from './insider.ts';

describe.skipIf(control)('after a login at the gateway', () => {
  let host: Host;
  let user: TestUser;
  let insider: Insider;

  useDaemonAndUser(async (made) => {
    ({ host, user } = made);
    insider = made.parts.use(Insider.start(host, user));
  });

  it('runs a command in the sandbox, with its streams and its exit status', async () => {
    const command = 'cat; echo err >&2; id -un; test -e /run/dockersh/self-service && echo inside; exit 7';
    const ended = await insider.run(command, { input: 'in\n' });
    expect(ended).toMatchObject({
      out: `in\n${user.name}\ninside\n`,
      error: 'err\n',
      kind: 'exit',
      code: 7,
    });
  });

  it('says which signal has ended a command', async () => {
    expect(await insider.run('kill -TERM $$')).toMatchObject({ kind: 'signal', signal: 'TERM' });
  });

  it('passes signals on', async () => {
    const session = await insider.start({
      command: 'trap "echo got; exit 3" USR1; echo ready; while :; do sleep 0.1; done',
    });
    await waitUntil(() => session.out.includes('ready'), 'the command to be ready', 10_000);
    session.tell((writer) => writer.text('kind', 'signal').u32('signal', 10));
    expect(await session.finish()).toMatchObject({ out: 'ready\ngot\n', code: 3 });
  });

  it('gives a terminal with its kind, size and modes, and changes its size', async () => {
    const modes = Buffer.from([53, 0, 0, 0, 0, 3, 0, 0, 0, 8, 0]); // no echo, another erase
    const session = await insider.start({
      term: 'vt220',
      size: [91, 37, 0, 0],
      modes,
      command:
        'echo $TERM; stty size; stty -a | tr ";" "\\n" | grep -E "erase|[ -]echo "; read line; until [ "$(stty size)" = "40 100" ]; do sleep 0.05; done; tty',
    });
    expect(session.isTerminal).toBe(true);
    await waitUntil(() => /erase/.test(session.out), 'the first lines', 10_000);
    session.resize(100, 40);
    session.write('\n');
    const ended = await session.finish();
    expect(ended).toMatchObject({ kind: 'exit', code: 0 });
    const lines = ended.out.replaceAll('\r', '');
    expect(lines).toContain('vt220\n37 91\n');
    expect(lines).toMatch(/erase = \^H/);
    expect(lines).toMatch(/-echo /);
    expect(lines).toMatch(/^\/dev\/pts\/\d+$/m);
  });

  it('begins a login shell where nothing is asked for', async () => {
    const session = await insider.start({});
    session.write('shopt -q login_shell && echo login; exit 5\n');
    expect(await session.finish()).toMatchObject({ out: 'login\n', code: 5 });
  });

  it('hangs a session up whose streams, or whose terminal, nobody has any more', async () => {
    for (const term of [undefined, 'xterm']) {
      const session = await insider.start({
        command: 'echo $$; sleep 300',
        ...(term === undefined ? {} : { term }),
      });
      await waitUntil(() => session.out.includes('\n'), 'its pid', 10_000);
      session.close();
      expect((await session.ended()).code).not.toBe(0);
    }
  });

  it('says where the connection comes from, and passes on what the client sends as the policy has it', async () => {
    const env = [
      'LANG=C.UTF-8',
      'FOO=bar',
      'SSH_CONNECTION=made up',
      'HOME=/',
      'PATH=/',
      'DISPLAY=:0',
      '1X=2',
    ];
    const ended = await insider.run('env | sort', { env });
    expect(ended.out).toMatch(/^SSH_CONNECTION=192\.0\.2\.7 40000 192\.0\.2\.1 22$/m);
    expect(ended.out).toMatch(/^SSH_CLIENT=192\.0\.2\.7 40000 22$/m);
    expect(ended.out).toMatch(/^LANG=C\.UTF-8$/m);
    expect(ended.out).not.toMatch(/FOO|made up|^HOME=\/$|^PATH=\/$|^DISPLAY|1X|DOCKERSH/m);
  });

  it('serves sftp, and no other subsystem', async () => {
    const session = await insider.start({ kind: 'subsystem', command: 'sftp' });
    session.streams[0]?.write(Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3])); // SSH_FXP_INIT
    await waitUntil(() => session.out.length >= 9, 'its version', 10_000);
    expect(session.out.charCodeAt(4)).toBe(2);
    await session.finish();
    expect((await insider.start({ kind: 'subsystem', command: 'netconf' })).code).toBe(2); // ENOENT
  });

  it('connects and listens in the sandbox alone', async () => {
    const server = createServer((socket) => socket.end('host'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const outside = await insider.opened('gwConnect', 'tcp', '127.0.0.1', port);
    expect(outside.code).toBe(111); // ECONNREFUSED
    server.close();
    const both = ['127.0.0.1', '::1'];
    for (const [name, addresses] of [
      ['localhost', both],
      ['*', both],
      ['', both],
      ['0.0.0.0', both],
      ['127.0.0.1', ['127.0.0.1']],
      ['::1', ['::1']],
    ] as const) {
      const { code, port, fds } = await insider.opened('gwListen', 'tcp', name, 0);
      expect({ name, code, sockets: fds.length }).toEqual({ name, code: 0, sockets: addresses.length });
      const servers = fds.map((fd) => createServer((socket) => socket.end('inside')).listen({ fd }));
      for (const address of both) {
        const connected = await insider.opened('gwConnect', 'tcp', address, port);
        const listens = (addresses as readonly string[]).includes(address);
        expect({ name, address, code: connected.code }).toEqual({ name, address, code: listens ? 0 : 111 });
        if (!listens) continue;
        expect(await textOfSocket(connected.fd)).toBe('inside');
        const command = `exec 3<>/dev/tcp/${address}/${port}; cat <&3`;
        expect((await insider.run(command)).out).toBe('inside');
      }
      for (const server of servers) server.close();
    }
  });

  it('listens at one loopback address where the other has the port already, and at none where both have', async () => {
    const six = await insider.opened('gwListen', 'tcp', '::1', 0);
    const four = await insider.opened('gwListen', 'tcp', 'localhost', six.port);
    expect(four).toMatchObject({ code: 0, port: six.port });
    expect(four.fds).toHaveLength(1);
    expect(await insider.opened('gwListen', 'tcp', 'localhost', six.port)).toMatchObject({ code: 98 }); // EADDRINUSE
    for (const { fd } of [six, four]) new OwnedFd(fd)[Symbol.dispose]();
  });

  it('says why a connection can’t be made', async () => {
    expect((await insider.opened('gwConnect', 'tcp', 'no-such-host.invalid', 80)).code).not.toBe(0);
    expect(await insider.opened('gwConnect', 'unix', '/tmp/nothing')).toMatchObject({ code: 2 });
    expect(await insider.opened('gwConnect', 'unix', '/run/dbus/system_bus_socket')).toMatchObject({
      code: 2,
    });
  });

  it('listens at paths, and takes them away again', async () => {
    const path = `${user.home}/forwarded`;
    const listening = await insider.opened('gwListen', 'unix', path);
    expect(listening.code).toBe(0);
    expect((await insider.run(`stat -c %a:%U ${path}`)).out).toBe(`600:${user.name}\n`);
    expect((await insider.opened('gwListen', 'unix', path)).code).toBe(98); // EADDRINUSE
    new OwnedFd(listening.fd)[Symbol.dispose]();
    const again = await insider.opened('gwListen', 'unix', path); // nobody is at the old one any more
    expect(again.code).toBe(0);
    insider.say(new WireWriter('gwClose').u32('slot', again.slot).finish());
    await waitUntil(async () => (await insider.run(`test -e ${path}`)).code === 1, 'the path to go', 10_000);
    new OwnedFd(again.fd)[Symbol.dispose]();
  });

  it('has an agent and a display, which sessions are told of', async () => {
    const agent = await insider.opened('gwListen', 'agent');
    expect(agent.text).toMatch(/^\/tmp\/ssh-\w{10}\/agent\.\d+$/);
    const server = createServer((socket) => socket.end('agent'));
    server.listen({ fd: agent.fd });
    const display = await insider.opened('gwListen', 'x11');
    expect(display.port).toBeGreaterThanOrEqual(10);
    const x11 = `MIT-MAGIC-COOKIE-1 00112233445566778899aabbccddeeff 0 ${display.port}`;
    const ended = await insider.run('echo $DISPLAY; ls -l "$SSH_AUTH_SOCK"; xauth -n list 2>/dev/null', {
      agent: true,
      x11,
    });
    expect(ended.out).toContain(`localhost:${display.port}.0\n`);
    expect(ended.out).toMatch(/dockersh-agent|agent\.\d+/);
    server.close();
    for (const fd of display.fds) new OwnedFd(fd)[Symbol.dispose]();
    insider.say(new WireWriter('gwClose').u32('slot', agent.slot).finish());
  });

  it('is listed as a connection of the gateway, and ended when an administrator wants that', async () => {
    await using one = Insider.start(host, user);
    await one.run('true');
    const { logins } = (await host.ctlOk('logins')) as { logins: AdminLogin[] };
    const connection = logins.find(({ what, outcome }) => what === 'connection' && outcome === 'running');
    expect(connection).toMatchObject({
      ...{ entry: 'gateway', user: user.name, from: '192.0.2.7', auth: 'password' },
    });
    const { sessions } = (await host.ctlOk('gateway', 'sessions')) as { sessions: AdminGatewaySession[] };
    expect(sessions.map(({ id }) => id)).toContain(connection?.id);
    await host.ctlOk('gateway', 'kick', connection?.id ?? '');
    await waitUntil(() => one.hasEnded, 'the connection to end', 10_000);
    expect((await insider.run('echo there')).out).toBe('there\n');
  });
});

async function textOfSocket(fd: number): Promise<string> {
  const socket = new Socket({ fd });
  let text = '';
  for await (const data of socket) text += String(data);
  return text;
}

describe.skipIf(control)('rights of a key at the gateway', () => {
  let host: Host;
  let user: TestUser;

  useDaemonAndUser(async (made) => {
    ({ host, user } = made);
  });

  it('bound what runs, and what is forwarded', async () => {
    const words = [
      'command=echo "forced: $SSH_ORIGINAL_COMMAND"',
      'permit-open=localhost:80',
      'permit-listen=8022',
    ];
    await using insider = Insider.start(host, user, 'no-terminal', 'no-agent', 'no-x11', ...words);
    const session = await insider.start({ command: 'id', term: 'xterm' });
    expect(session.isTerminal).toBe(false);
    expect((await session.finish()).out).toBe('forced: id\n');
    const refused = { code: 13, fd: -1 }; // EACCES
    expect(await insider.opened('gwListen', 'agent')).toMatchObject(refused);
    expect(await insider.opened('gwListen', 'x11')).toMatchObject(refused);
    expect(await insider.opened('gwConnect', 'tcp', 'localhost', 81)).toMatchObject(refused);
    expect(await insider.opened('gwConnect', 'unix', '/tmp/any')).toMatchObject(refused);
    expect(await insider.opened('gwListen', 'tcp', 'localhost', 8023)).toMatchObject(refused);
    expect(await insider.opened('gwListen', 'unix', '/tmp/any')).toMatchObject(refused);
    expect((await insider.opened('gwConnect', 'tcp', 'localhost', 80)).code).toBe(111); // ECONNREFUSED
  });

  it('leave a refused connection nothing but the reason', async () => {
    await host.setPolicy('[defaults]\nimage = host\nmaintenance = back at noon\n');
    await using insider = Insider.start(host, user);
    expect(await insider.run('id')).toMatchObject({
      out: '',
      error: expect.stringMatching(/back at noon/),
      code: 254,
    });
    const session = await insider.start({ term: 'xterm' });
    expect(await session.finish()).toMatchObject({ out: expect.stringMatching(/back at noon/), code: 254 });
    expect((await insider.opened('gwConnect', 'tcp', 'localhost', 22)).code).toBe(13);
    await host.setPolicy('[defaults]\nimage = host\nexempt = yes\n');
    await using exempt = Insider.start(host, user);
    expect(await exempt.run('id')).toMatchObject({
      out: '',
      error: expect.stringMatching(/E_EXEMPT/),
      code: 254,
    });
    // Nor is one had where the policy has changed under a connection.
    const { uid, gid } = user;
    const outside = await run(host.client, ['-c', 'id'], { uid, gid, env: { DOCKERSH_NEVER_OUTSIDE: '1' } });
    expect(outside).toMatchObject({ code: 125, stdout: Buffer.alloc(0) });
  });
});
