// Connections of sshd's that pam_dockersh.so joins to the sandbox: what sshd itself opens for them is inside.

import { createConnection, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../fixtures/free-port.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { type Running, waitUntil } from '../../fixtures/process.ts';
import { everyMode, useWorld } from '../../fixtures/world.ts';

const world = useWorld({
  modes: everyMode,
  module: true,
  policy: { defaults: { image: 'host', linger: '10s' } },
});

/** A listener inside that says a word to whoever connects; ends with its session. */
async function listenInside(login: Login, port: number, word: string): Promise<Running> {
  const listening = login.start(
    `python3 -c '
import socket
s = socket.create_server(("127.0.0.1", ${port}))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b"${word}")
    c.close()'`,
  );
  await listening.waitForOutput('ready');
  return listening;
}

/** What a listener of the host's says, or why nothing. */
async function ask(port: number, host = '127.0.0.1'): Promise<string> {
  return await new Promise((resolve) => {
    const socket = createConnection({ port, host });
    let text = '';
    socket.on('data', (data) => {
      text += data.toString();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.on('close', () => resolve(text));
  });
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.unref().on('connect', () => socket.destroy());
  });
}

/** A listener on the host's loopback. */
async function listenOutside(word: string): Promise<AsyncDisposable & { port: number; asked: () => number }> {
  let asked = 0;
  const server = createServer((socket) => {
    asked += 1;
    socket.on('error', () => undefined);
    socket.end(word);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    asked: () => asked,
    [Symbol.asyncDispose]: async () => {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A connection with options and without a session. */
async function forwarding(login: Login, options: readonly string[]): Promise<Running> {
  return login.start(undefined, ['-N', '-o', 'ExitOnForwardFailure=yes', ...options]);
}

describe.skipIf(control).each(everyMode)('as %s', (mode) => {
  it('runs commands, and counts as a connection', async () => {
    const login = world().login(mode);
    const result = await login.ssh('id -un; exit 7');
    expect(result.stderr.toString()).toBe('');
    expect(result.stdout.toString()).toBe(`${login.user.name}\n`);
    expect(result.code).toBe(7);
    await using session = login.start('echo here; sleep 60');
    await session.waitForOutput('here');
    const sandbox = await world().host.sandboxOf(login.user);
    expect(sandbox?.sessions.length).toBe(1);
    expect(sandbox?.connections).toEqual([
      expect.objectContaining({
        from: '127.0.0.1',
        auth: expect.stringMatching(/^publickey SHA256:[\w+/]{43}$/),
      }),
    ]);
    session.kill('SIGKILL');
    await waitUntil(
      async () => (await world().host.sandboxOf(login.user))?.connections.length === 0,
      'the connection to end',
    );
  });

  it('-L reaches a port inside, and no port of the host', async () => {
    const login = world().login(mode);
    await using outside = await listenOutside('host');
    const [inside, one, two] = [await freePort(), await freePort(), await freePort()];
    await using _listener = await listenInside(login, inside, 'inside');
    await using _forward = await forwarding(login, [
      `-L${one}:127.0.0.1:${inside}`,
      `-L${two}:127.0.0.1:${outside.port}`,
    ]);
    await waitUntil(async () => (await ask(one)) === 'inside', 'the forward to be there');
    expect(await ask(two)).not.toBe('host');
    expect(outside.asked()).toBe(0);
  });

  it('-R listens inside, and not on the host', async () => {
    const login = world().login(mode);
    await using outside = await listenOutside('the client’s own');
    const port = await freePort();
    await using forward = await forwarding(login, [`-R${port}:127.0.0.1:${outside.port}`, '-v']);
    await waitUntil(() => forward.stderr.includes('remote forward success'), 'the forward', 30_000);
    expect(await ask(port)).toBe('ECONNREFUSED');
    const result = await login.ssh(`python3 -c '
import socket
c = socket.create_connection(("127.0.0.1", ${port}))
print(c.recv(100).decode())'`);
    expect(result.stdout.toString()).toBe('the client’s own\n');
  });

  it('-D and -W reach inside', async () => {
    const login = world().login(mode);
    await using outside = await listenOutside('host');
    const [inside, socks] = [await freePort(), await freePort()];
    await using _listener = await listenInside(login, inside, 'inside');
    const direct = await login.ssh(undefined, { options: ['-W', `127.0.0.1:${inside}`] });
    expect(direct.stdout.toString()).toBe('inside');
    const refused = await login.ssh(undefined, { options: ['-W', `127.0.0.1:${outside.port}`] });
    expect(refused.stdout.toString()).toBe('');
    await using _forward = await forwarding(login, [`-D${socks}`]);
    await waitUntil(async () => await accepts(socks), 'the forward', 30_000);
    const words = await login.script(
      `for port in ${inside} ${outside.port}; do curl -s --http0.9 --socks5-hostname 127.0.0.1:${socks} http://127.0.0.1:$port; echo; done`,
    );
    expect(words.stdout.toString()).toBe('inside\n\n');
    expect(outside.asked()).toBe(0);
  });
});

describe.skipIf(control)('a connection without a session', () => {
  it('keeps the sandbox, which lingers from its end on', async () => {
    const login = await world().addLogin('shell');
    await login.ssh('true');
    const port = await freePort();
    const forward = await forwarding(login, [`-R${port}:127.0.0.1:${port}`]);
    await waitUntil(
      async () => (await world().host.sandboxOf(login.user))?.connections.length === 1,
      'the connection to be there',
    );
    expect((await world().host.sandboxOf(login.user))?.lingerUntil).toBeNull();
    forward.kill('SIGKILL');
    await waitUntil(
      async () => (await world().host.sandboxOf(login.user))?.lingerUntil !== null,
      'the sandbox to linger',
    );
  });
});
