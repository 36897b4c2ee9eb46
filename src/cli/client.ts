// dockershctl's end of the admin protocol: one connection, one request, its answers.
//
// Runs as whoever called dockershctl; the daemon's socket is root's, so the kernel decides who gets
// through. What the daemon sends is checked against the protocol's schemas before anything uses it.

import { connect, type Socket } from 'node:net';
import * as z from 'zod';
import { DockershError, hasErrno, sysexits } from '../lib/errors.ts';
import {
  type AdminAnswer,
  type AdminParams,
  type AdminPart,
  type AdminProgress,
  type AdminResult,
  type AdminVerb,
  adminAnswer,
  adminMaxAnswerBytes,
  adminPartOf,
  adminProtocolVersion,
  adminVerbs,
} from '../protocol/admin.ts';
import { answeredFailure, CliFailure } from './failure.ts';
import { whoAsks } from './host/who.ts';

export interface CallOptions<Verb extends AdminVerb = AdminVerb> {
  socketPath: string;
  /** How long the daemon may be silent; every line of it starts the wait anew. */
  silenceMs?: number;
  onProgress?: ((progress: AdminProgress) => void) | undefined;
  /** Hears of a long list piece by piece, in order. */
  onPart?: ((part: AdminPart<Verb>) => void) | undefined;
  /** Lets go of the daemon, which then ends what it was asked for. */
  signal?: AbortSignal | undefined;
}

const defaultSilenceMs = 60_000;

/**
 * Asks the daemon for one thing.
 * Throws CliFailure with what the daemon answered, DockershError E_DAEMON_DOWN or E_PROTOCOL, and
 * CliFailure E_ACCESS where the caller may not use the socket.
 */
export async function callAdmin<Verb extends AdminVerb>(
  verb: Verb,
  params: AdminParams<Verb>,
  options: CallOptions<Verb>,
): Promise<AdminResult<Verb>> {
  return await asked(options, { verb, params }, async (socket) => {
    const answer = await lastAnswer(socket, verb, options);
    if ('result' in answer) return parseResult(verb, answer.result);
    throw new DockershError('E_PROTOCOL', {
      what: `dockershd lets ${verb} run on, which it was not asked to`,
    });
  });
}

/** Asks for a long verb that runs on when the caller has gone; the number of the operation. Throws as callAdmin does. */
export async function detachAdmin<Verb extends AdminVerb>(
  verb: Verb,
  params: AdminParams<Verb>,
  options: CallOptions<Verb>,
): Promise<number> {
  return await asked(options, { verb, params, detach: true }, async (socket) => {
    const answer = await lastAnswer(socket, verb, options);
    if ('detached' in answer) return answer.detached.id;
    throw new DockershError('E_PROTOCOL', { what: `dockershd does not let ${verb} run on` });
  });
}

/** One that shuts its side of the connection has gone, as far as the daemon knows: that stays open until the answer is there. */
async function asked<T>(
  options: Pick<CallOptions, 'socketPath' | 'silenceMs' | 'signal'>,
  request: { readonly verb: AdminVerb; readonly params: unknown; readonly detach?: true },
  answer: (socket: Socket) => Promise<T>,
): Promise<T> {
  const socket = open(options);
  try {
    socket.write(`${JSON.stringify({ version: adminProtocolVersion, by: whoAsks(), ...request })}\n`);
    return await answer(socket);
  } catch (error) {
    throw explain(error, options);
  } finally {
    socket.destroy();
  }
}

function open(options: Pick<CallOptions, 'socketPath' | 'silenceMs' | 'signal'>): Socket {
  const { socketPath, silenceMs = defaultSilenceMs, signal } = options;
  signal?.throwIfAborted();
  const socket = connect({ path: socketPath });
  socket.setTimeout(silenceMs, () => {
    socket.destroy(
      new CliFailure({
        code: 'E_TIMEOUT',
        message: `dockershd has been silent for ${silenceMs / 1000} s`,
        exitCode: sysexits.tempFail,
      }),
    );
  });
  const leave = (): void => void socket.destroy(signal?.reason instanceof Error ? signal.reason : undefined);
  signal?.addEventListener('abort', leave);
  socket.once('close', () => signal?.removeEventListener('abort', leave));
  return socket;
}

type LastAnswer = Extract<AdminAnswer, { readonly ok: true } | { readonly detached: object }>;

async function lastAnswer<Verb extends AdminVerb>(
  socket: Socket,
  verb: Verb,
  options: CallOptions<Verb>,
): Promise<LastAnswer> {
  for await (const line of linesOf(socket)) {
    const answer = parseAnswer(line);
    if ('progress' in answer) {
      options.onProgress?.(answer.progress);
    } else if ('part' in answer) {
      const part = parsePart(verb, answer.part);
      options.onPart?.(part);
    } else if ('detached' in answer || answer.ok) {
      return answer;
    } else {
      throw answeredFailure(answer.error);
    }
  }
  throw goneMeanwhile();
}

/** It answers whatever it is asked: without an answer, it has been killed or restarted. */
function goneMeanwhile(cause?: unknown): DockershError {
  return new DockershError('E_DAEMON_DOWN', {
    what: 'dockershd has gone before it answered',
    why: 'it was stopped, restarted or killed meanwhile',
    hint: 'Look whether what was asked for has been done, and ask again if not: "journalctl -u dockershd" says why it went.',
    cause,
  });
}

async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]).toString();
      parts = [];
      length = 0;
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > adminMaxAnswerBytes) {
      throw new DockershError('E_PROTOCOL', { what: 'dockershd sent a line that is too long' });
    }
  }
}

function parseAnswer(line: string): AdminAnswer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    // SyntaxError is the only thing that JSON.parse throws.
    throw new DockershError('E_PROTOCOL', { what: 'dockershd sent a line that is not JSON', cause });
  }
  return check(adminAnswer, value);
}

function parseResult<Verb extends AdminVerb>(verb: Verb, value: unknown): AdminResult<Verb> {
  // The table's entry for `verb` is this schema; the compiler sees only the union of all of them.
  return check(adminVerbs[verb].result, value) as AdminResult<Verb>;
}

function parsePart<Verb extends AdminVerb>(verb: Verb, value: unknown): AdminPart<Verb> {
  const schema = adminPartOf(verb);
  if (schema === undefined) {
    throw new DockershError('E_PROTOCOL', {
      what: `dockershd answered ${verb} with a list, which it has none`,
    });
  }
  return check(schema, value) as AdminPart<Verb>;
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const why = z.prettifyError(parsed.error);
  throw new DockershError('E_PROTOCOL', { what: "dockershd's answer is not understood", why });
}

function explain(error: unknown, { socketPath }: Pick<CallOptions, 'socketPath'>): unknown {
  if (hasErrno(error, 'ENOENT', 'ECONNREFUSED')) {
    return new DockershError('E_DAEMON_DOWN', {
      what: 'dockershd is not running',
      why: `nothing listens on ${socketPath}`,
      hint: 'Start dockershd, or name its socket with --socket.',
      cause: error,
    });
  }
  if (hasErrno(error, 'EACCES', 'EPERM')) {
    return new CliFailure(
      {
        code: 'E_ACCESS',
        message: `no access to ${socketPath}`,
        hint: 'Run dockershctl as root.',
        exitCode: sysexits.noPerm,
      },
      { cause: error },
    );
  }
  if (hasErrno(error, 'ECONNRESET', 'EPIPE')) {
    return goneMeanwhile(error);
  }
  return error;
}
