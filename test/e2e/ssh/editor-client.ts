// The client's half of an editor that works by ssh: uploads its server, has it started by a script on the standard input of a shell,
// and talks to it through a forward.

import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Login } from '../../fixtures/login.ts';
import { nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, type Running, waitUntil, within } from '../../fixtures/process.ts';
import type { ServerState } from './editor-server.ts';

/** Where the server is kept inside. */
export const folder = '.editor';

export async function upload(login: Login, how: 'scp' | 'sftp'): Promise<void> {
  const files = [nodeProgram, join(import.meta.dirname, 'editor-server.ts')];
  const result =
    how === 'scp'
      ? await login.script(
          `$SSH $HOST mkdir -p ${folder} && scp -q -F $SSH_CONFIG "$@" $HOST:${folder}/`,
          files,
        )
      : await login.script('sftp -q -b - -F $SSH_CONFIG $HOST', [], {
          input: [`-mkdir ${folder}`, ...files.map((file) => `put -p "${file}" ${folder}/`), ''].join('\n'),
        });
  if (result.code !== 0) throw new Error(describeFinished(result));
}

/**
 * For a shell's standard input: starts the server, unless it runs already, apart from the connection, and says where it listens.
 * `place` as the server has it, in the shell's words.
 */
export const startScript = (place: string, further = ''): string => `
cd ~/${folder} || exit 1
if ! grep -qs editor-server "/proc/$(cat pid 2>/dev/null)/cmdline"; then
    : >log
    nohup ./node --disable-warning=ExperimentalWarning editor-server.ts ${place} ${further} </dev/null >log 2>&1 &
    echo $! >pid
    until grep -q '^listening on ' log; do
        kill -0 "$(cat pid)" 2>/dev/null || { cat log; exit 1; }
        sleep 0.1
    done
fi
echo "== $(tail -1 log) with $(cat pid) =="
`;

/** Runs a script in a shell whose input stays open, as long as the editor's window does. */
export async function connection(
  login: Login,
  shell: 'sh' | 'bash',
  options: readonly string[],
  script: string,
): Promise<{ ssh: Running; place: string; pid: number }> {
  const ssh = login.start(shell, ['-T', ...options]);
  ssh.process.stdin?.write(script);
  await ssh.waitForOutput(/^== .* ==$/m, 120_000);
  const [, place = '', pid] = /^== listening on (\S+) with (\d+) ==$/m.exec(ssh.stdout.toString()) ?? [];
  return { ssh, place, pid: Number(pid) };
}

/** A way to the server. */
export type Route = () => Promise<Duplex>;

async function opened(port: number): Promise<Socket> {
  return await new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

/** By a port of the client's own (`ssh -L`). */
export const byPort =
  (port: number): Route =>
  async () =>
    await opened(port);

/** By a proxy at a port of the client's (`ssh -D`): RFC 1928. */
export const byProxy =
  (proxy: number, port: number): Route =>
  async () => {
    const socket = await opened(proxy);
    const reads = async (length: number): Promise<Buffer> => {
      let got = Buffer.alloc(0);
      while (got.length < length) got = Buffer.concat([got, await received(socket)]);
      return got;
    };
    socket.write(Buffer.from([5, 1, 0]));
    await reads(2);
    socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]));
    const [, status] = await reads(10);
    if (status !== 0) {
      socket.destroy();
      throw new Error(`the proxy says ${String(status)}`);
    }
    return socket;
  };

/** With TLS inside of another way; the certificate is one that the client has made. */
export const byTls =
  (way: Route, ca: string): Route =>
  async () => {
    const plain = await way();
    return await new Promise((resolve, reject) => {
      const socket = connectTls({ socket: plain, ca, servername: 'localhost' });
      socket.once('error', reject);
      socket.once('secureConnect', () => resolve(socket));
    });
  };

async function received(socket: Duplex): Promise<Buffer> {
  return await within(
    new Promise<Buffer>((resolve, reject) => {
      const done = (act: () => void) => {
        socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('error');
        act();
      };
      socket.once('data', (bytes: Buffer) => done(() => resolve(bytes)));
      socket.once('close', () => done(() => reject(new Error('the server has closed the connection'))));
      socket.once('error', (error) => done(() => reject(error)));
    }),
    60_000,
    () => 'the server says nothing',
  );
}

/** What the server answers to `GET /WORD?VALUE`. */
export async function ask(way: Route, word: string, value: string | number = ''): Promise<unknown> {
  const socket = await way();
  try {
    socket.write(
      `GET /${word}?${encodeURIComponent(value)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    let text = '';
    for (;;) {
      const [head, body] = text.split('\r\n\r\n');
      const length = /^content-length: (\d+)$/im.exec(head ?? '')?.[1];
      if (body !== undefined && length !== undefined && body.length >= Number(length))
        return JSON.parse(body);
      text += (await received(socket)).toString();
    }
  } finally {
    socket.destroy();
  }
}

export const stateOf = async (way: Route): Promise<ServerState> => (await ask(way, 'state')) as ServerState;

/** A window: a websocket that stays open. */
export class Window implements AsyncDisposable {
  readonly #socket: Duplex;

  private constructor(socket: Duplex) {
    this.#socket = socket;
  }

  static async open(way: Route): Promise<Window> {
    const socket = await way();
    socket.write(
      `GET /window HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
    );
    const head = (await received(socket)).toString();
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head);
    return new Window(socket);
  }

  async say(text: string): Promise<string> {
    const mask = randomBytes(4);
    const masked = Buffer.from(text).map((byte, index) => byte ^ (mask[index % 4] ?? 0));
    this.#socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | masked.length]), mask, masked]));
    return (await received(this.#socket)).subarray(2).toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.on('error', () => undefined);
    this.#socket.destroy();
  }
}

/** The connection's client dies without a word. */
export async function cut(ssh: Running): Promise<void> {
  ssh.kill('SIGKILL');
  await ssh.finished();
}

export async function answers(way: Route): Promise<void> {
  await waitUntil(
    async () =>
      await ask(way, 'state').then(
        () => true,
        () => false,
      ),
    'the server to answer',
    60_000,
  );
}
