// Serves the admin socket: one request for each connection, one handler for each verb (src/protocol/admin.ts). The
// socket's mode lets only root connect.

import { once } from 'node:events';
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { DockershError, toDockershError } from '../../lib/errors.ts';
import type { OwnedFd } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { printable } from '../../lib/text/printable.ts';
import {
  type AdminAnswer,
  type AdminPart,
  type AdminProgress,
  type AdminRequest,
  type AdminVerb,
  adminMaxAnswerBytes,
  adminMaxLineBytes,
  adminRequest,
} from '../../protocol/admin.ts';
import { handlersOf } from './handlers.ts';
import { clientHasGone, typed } from './operations.ts';
import type { AdminParts, Handlers } from './parts.ts';
import { perform } from './perform.ts';

/** A long verb says something at least this often: whoever waits knows that we live. */
const heartbeatMs = 15_000;

/** Listens at a path, or on a socket that listens already. */
export async function serveAdmin(where: string | OwnedFd, parts: AdminParts): Promise<Server> {
  const handlers = handlersOf(parts);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    serve(socket, handlers, parts).catch((error: unknown) => {
      parts.log.error({ err: error }, "a request of the administrator's could not be served");
      socket.destroy();
    });
  });
  if (typeof where === 'string') await listenAt(server, where);
  else await listening(server, () => where.handOver((fd) => server.listen({ fd })));
  server.on('error', (error) => parts.log.error({ err: error }, 'the admin socket failed'));
  return server;
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', resolve);
    listen();
  });
}

async function listenAt(server: Server, path: string): Promise<void> {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  const mask = process.umask(0o177); // nobody else connects before the mode is set
  try {
    await listening(server, () => server.listen(fresh));
  } finally {
    process.umask(mask);
  }
  chmodSync(fresh, 0o600);
  renameSync(fresh, path); // in the place of what a killed daemon left, at once
}

async function serve(
  socket: Socket,
  handlers: Handlers,
  { policy, audit, operations, log }: AdminParts,
): Promise<void> {
  const abort = new AbortController();
  socket.on('error', (error) => log.debug({ err: error }, 'admin client'));
  const write = (answer: AdminAnswer): boolean =>
    socket.writable ? socket.write(`${JSON.stringify(answer)}\n`) : true;
  const part = async (piece: AdminPart<AdminVerb>): Promise<void> => {
    if (!write({ part: piece })) await once(socket, 'drain', { signal: abort.signal });
  };
  let request: AdminRequest | undefined;
  try {
    const asked = requestOf(await readLine(socket));
    request = asked;
    whenGone(socket, () => abort.abort(clientHasGone(asked.verb)));
    tellRequest(log, request);
    await policy.refresh(); // as with logins, an edit counts for whatever comes after it
    // What a client has not read yet tells it that we live.
    using alive = heartbeat((progress) => void (socket.writableNeedDrain || write({ progress })));
    const result = await perform({ handlers, operations }, asked, {
      gone: abort.signal,
      part,
      progress: (step) => {
        if (asked.detach !== true) alive.tell(step);
      },
      begun: (id) => {
        if (asked.detach !== true) return;
        write({ detached: { id } });
        socket.end();
      },
    });
    const line = `${JSON.stringify({ ok: true, result } satisfies AdminAnswer)}\n`;
    if (Buffer.byteLength(line) > adminMaxAnswerBytes) throw tooLong(request.verb);
    audit.asked(asked, undefined);
    if (socket.writable) socket.write(line);
  } catch (error) {
    const { code, message, hint, exitCode, cause } = toDockershError(error);
    if (request !== undefined) audit.asked(request, code);
    log.warn({ code, err: cause ?? error }, `a request of the administrator's failed: ${message}`);
    write({ ok: false, error: { code, message, hint, exitCode } });
  }
  socket.end();
}

/**
 * Calls `gone` when the client has closed its connection, or shut its side of it: that alone is heard at once of one that
 * was killed, because nobody waits for a socket that has been read to its end.
 */
function whenGone(socket: Socket, gone: () => void): void {
  if (socket.readableEnded || socket.destroyed) gone();
  socket.once('end', gone);
  socket.once('close', gone);
}

/** With the user whom it is about, so that their log has it. */
function tellRequest(log: Logger, request: AdminRequest): void {
  const { verb, by, params } = request;
  const user = 'user' in params && typeof params.user === 'string' ? params.user : undefined;
  const about = user === undefined ? '' : ` ${user}`;
  log.info({ verb, by, user, params }, printable(`${by ?? 'root'} asked for "${typed(verb)}${about}"`));
}

function tooLong(verb: AdminVerb): DockershError {
  return new DockershError('E_PROTOCOL', {
    what: `the answer to ${verb}`,
    why: `it has more than ${adminMaxAnswerBytes} bytes`,
  });
}

/** Says again what was said last when nothing new has come up for a while. */
function heartbeat(
  write: (progress: AdminProgress) => void,
): Disposable & { readonly tell: (progress: AdminProgress) => void } {
  let last: AdminProgress = { step: 'working' };
  const timer = setInterval(() => write(last), heartbeatMs);
  return {
    tell: (progress) => {
      last = progress;
      timer.refresh();
      write(progress);
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function requestOf(line: string): AdminRequest {
  let value: unknown;
  try {
    value = parseBoundedJson(Buffer.from(line));
  } catch (error) {
    throw new DockershError('E_PROTOCOL', { why: 'the request is no JSON', cause: error });
  }
  const parsed = adminRequest.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DockershError('E_PROTOCOL', { why: parsed.error.message });
}

function readLine(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(10_000, () => reject(new DockershError('E_PROTOCOL', { why: 'no request came' })));
  const settle = (): void => {
    socket.off('data', take);
    socket.resume(); // what else the client says is nothing to us
  };
  const take = (chunk: string): void => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end >= 0) {
      socket.setTimeout(0);
      resolve(text.slice(0, end));
      settle();
    } else if (text.length > adminMaxLineBytes) {
      reject(new DockershError('E_PROTOCOL', { why: 'the request is too long' }));
      settle();
    }
  };
  socket.on('data', take);
  socket.on('end', () => reject(new DockershError('E_PROTOCOL', { why: 'the request is incomplete' })));
  return promise;
}
