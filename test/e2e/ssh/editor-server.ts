// A server such as an editor leaves on the machine that it edits on: http and websockets, on the loopback or on a socket, with or
// without TLS, that keeps a state and starts programs. Its client uploads it, with the Node that runs it.
//
//   node editor-server.ts PLACE [FOLDER]      PLACE: a port (0: any), or the path of a socket; FOLDER: has cert.pem and key.pem

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';

const [place = '0', folder] = process.argv.slice(2);
const state = { pid: process.pid, opened: 0, windows: 0, notes: [] as string[] };
export type ServerState = typeof state;
const children: ChildProcess[] = [];
const held: Buffer[] = [];

/** What a window asks for besides its socket: `GET /WORD?VALUE`. */
const actions: Record<string, (value: string) => Promise<unknown> | unknown> = {
  state: () => state,
  note: (value) => state.notes.push(value),
  /** Starts so many programs; how many could be. */
  start: async (value) => {
    const before = children.length;
    for (let count = 0; count < Number(value); count++) {
      const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
      const began = await new Promise((resolve) => {
        child.once('spawn', () => resolve(true));
        child.once('error', () => resolve(false));
      });
      if (began) children.push(child);
    }
    return children.length - before;
  },
  end: () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  },
  /** Takes so many MiB. */
  hold: (value) => held.push(Buffer.alloc(Number(value) * 1024 ** 2, 1)),
  agent: async () =>
    await new Promise((resolve) => {
      execFile('/usr/bin/ssh-add', ['-l'], (_error, stdout, stderr) => resolve(stdout + stderr));
    }),
};

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [word = '', value = ''] = (request.url ?? '').slice(1).split('?');
  const action = actions[word];
  response.statusCode = action === undefined ? 404 : 200;
  response.end(JSON.stringify((await action?.(decodeURIComponent(value))) ?? null));
}

/** RFC 6455, for texts of up to 125 bytes: each comes back in capitals. */
function open(request: IncomingMessage, socket: Duplex): void {
  const key = `${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${createHash('sha1').update(key).digest('base64')}\r\n\r\n`,
  );
  state.opened += 1;
  state.windows += 1;
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  socket.on('close', () => {
    state.windows -= 1;
  });
  let rest = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      const length = (rest[1] ?? 0) & 0x7f;
      if (rest.length < 6 + length) return;
      const [kind = 0, mask, text] = [rest[0], rest.subarray(2, 6), rest.subarray(6, 6 + length)];
      rest = rest.subarray(6 + length);
      if ((kind & 0xf) === 8) return void socket.end();
      const plain = Buffer.from(text.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
      const said = Buffer.from(plain.toString().toUpperCase());
      socket.write(Buffer.concat([Buffer.from([0x81, said.length]), said]));
    }
  });
}

const listener = (request: IncomingMessage, response: ServerResponse): void => {
  void answer(request, response);
};
const read = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8');
const server =
  folder === undefined
    ? createServer(listener)
    : createTlsServer({ cert: read('cert.pem'), key: read('key.pem') }, listener);
server.on('upgrade', open);
const isPort = /^\d+$/.test(place);
if (!isPort) rmSync(place, { force: true });
server.listen(isPort ? { port: Number(place), host: '127.0.0.1' } : { path: place }, () => {
  const address = server.address();
  process.stdout.write(`listening on ${typeof address === 'string' ? address : address?.port}\n`);
});
