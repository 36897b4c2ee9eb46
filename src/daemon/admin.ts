// The admin socket: one request a connection, one handler a verb (src/protocol/admin.ts). The socket's mode
// lets only root connect.

import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { release } from 'node:os';
import type { ImageStore } from '../images/image-store.ts';
import type { CgroupMode } from '../isolation/cgroup-host.ts';
import type { Engine } from '../isolation/engine.ts';
import type { Users } from '../isolation/users.ts';
import { DockershError, toDockershError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { version } from '../lib/version.ts';
import {
  type AdminAnswer,
  type AdminParams,
  type AdminProgress,
  type AdminRequest,
  type AdminResult,
  type AdminVerb,
  adminMaxLineBytes,
  adminRequest,
  adminResults,
} from '../protocol/admin.ts';
import type { LoginHistory } from './login-history.ts';

export interface AdminParts {
  readonly engine: Engine;
  readonly images: ImageStore;
  readonly users: Users;
  readonly history: LoginHistory;
  readonly cgroup: CgroupMode;
  readonly log: Logger;
}

interface Call {
  readonly progress: (progress: AdminProgress) => void;
  /** Aborted when the client goes. */
  readonly signal: AbortSignal;
}

type Handlers = {
  [Verb in AdminVerb]: (params: AdminParams<Verb>, call: Call) => Promise<AdminResult<Verb>>;
};

function handlersOf(parts: AdminParts): Handlers {
  const { engine, images, users, history } = parts;
  return {
    version: async () => ({ version, node: process.version, kernel: release(), cgroup: parts.cgroup }),
    ps: async () => ({ sandboxes: await engine.list() }),
    stop: async ({ user }) => {
      const record = await users.find(/^\d+$/.test(user) ? Number(user) : user);
      if (record === undefined)
        throw new DockershError('E_NOT_FOUND', { what: `user ${user}`, why: 'unknown' });
      return { user: record.name, stopped: await engine.stop(record.uid) };
    },
    'image.import': async ({ name, path }, { progress, signal }) =>
      await images.importRootfs(name, path, { onProgress: progress, signal }),
    'image.ls': async () => ({ images: await images.list() }),
    'image.rm': async ({ name }) => await images.remove(name),
    logins: async ({ id, limit }) => {
      if (id === undefined) return { logins: history.list(limit ?? 20) };
      const login = history.find(id);
      if (login === undefined) {
        throw new DockershError('E_NOT_FOUND', {
          what: `login ${id}`,
          why: 'it is not among the last thousand since dockershd was started',
        });
      }
      return { logins: [login] };
    },
  };
}

/** Listens at `path`. */
export async function serveAdmin(path: string, parts: AdminParts): Promise<Server> {
  const handlers = handlersOf(parts);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    serve(socket, handlers, parts.log).catch((error: unknown) => {
      parts.log.error({ err: error }, 'admin connection');
      socket.destroy();
    });
  });
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  const mask = process.umask(0o177); // nobody else connects before the mode is set
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(fresh, resolve);
    });
  } finally {
    process.umask(mask);
  }
  chmodSync(fresh, 0o600);
  renameSync(fresh, path); // in the place of what a killed daemon left, at once
  server.on('error', (error) => parts.log.error({ err: error }, 'admin socket'));
  return server;
}

async function serve(socket: Socket, handlers: Handlers, log: Logger): Promise<void> {
  const abort = new AbortController();
  socket.on('error', (error) => log.debug({ err: error }, 'admin client'));
  socket.on('close', () => abort.abort(new Error('the client has gone')));
  const write = (answer: AdminAnswer): void => {
    if (socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
  };
  try {
    const request = requestOf(await readLine(socket));
    log.info({ verb: request.verb, params: request.params }, 'admin');
    const progress = (progress: AdminProgress): void => write({ progress });
    write({ ok: true, result: await dispatch(handlers, request, { progress, signal: abort.signal }) });
  } catch (error) {
    const { code, message, hint, exitCode, cause } = toDockershError(error);
    log.warn({ code, err: cause ?? error }, 'admin request failed');
    write({ ok: false, error: { code, message, hint, exitCode } });
  }
  socket.end();
}

function requestOf(line: string): AdminRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new DockershError('E_PROTOCOL', { why: 'the request is no JSON', cause: error });
  }
  const parsed = adminRequest.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DockershError('E_PROTOCOL', { why: parsed.error.message });
}

/** Runs the handler and checks what it returns: a result that does not fit is our fault, not the client's. */
async function dispatch(handlers: Handlers, request: AdminRequest, call: Call): Promise<unknown> {
  const handler = handlers[request.verb] as (params: AdminRequest['params'], call: Call) => Promise<unknown>;
  return adminResults[request.verb].parse(await handler(request.params, call));
}

function readLine(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  socket.setEncoding('utf8');
  socket.setTimeout(10_000, () => reject(new DockershError('E_PROTOCOL', { why: 'no request came' })));
  socket.on('data', (chunk: string) => {
    text += chunk;
    const end = text.indexOf('\n');
    if (end >= 0) {
      socket.setTimeout(0);
      resolve(text.slice(0, end));
    } else if (text.length > adminMaxLineBytes) {
      reject(new DockershError('E_PROTOCOL', { why: 'the request is too long' }));
    }
  });
  socket.on('end', () => reject(new DockershError('E_PROTOCOL', { why: 'the request is incomplete' })));
  return promise;
}
