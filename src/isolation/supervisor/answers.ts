// Reads what supervisors say in answer to the daemon (docs/protocol.md, "Supervisor"). Pure.

import type { DockershError } from '../../lib/errors.ts';
import { type Failure, failureOf, nativeError } from '../../lib/failures.ts';
import { causeOf } from '../../lib/values/causes.ts';
import {
  fieldOf,
  fieldsOf,
  type Tag,
  textOf,
  u32Of,
  u64sOf,
  type WireMessage,
  WireWriter,
} from '../../lib/wire.ts';
import type { ConnectionEnd, Forward, SessionEnd, Work } from '../engine.ts';
import { ConnectionNote } from './connection-message.ts';
import { type KeptState, keptStateOf } from './kept-messages.ts';
import { SessionNote } from './session-message.ts';

/** Names of the steps in READY, in the order of enum build_step (native/supervisor/shared.h). */
export const buildSteps = ['limits', 'clone', 'rootfs', 'namespaces', 'pivot', 'enter', 'link'] as const;

const mostNames = 5;

export interface SupervisorState extends KeptState {
  readonly stopping: boolean;
  readonly initPid: number;
  /** How long it still stays without sessions; undefined: it has some, or stays for ever. */
  readonly lingerMs: number | undefined;
  readonly sessions: readonly {
    readonly id: string;
    readonly pid: number;
    readonly pts: number;
    readonly note: SessionNote;
  }[];
  readonly connections: readonly { readonly id: string; readonly note: ConnectionNote }[];
}

/** `otherwise`: of a supervisor of another version, which says none that we know. */
export function failureIn(message: WireMessage, otherwise: Failure): Failure {
  return failureOf(u32Of(message, 'failure')) ?? otherwise;
}

/** Each field with this tag. */
export function linesOf(message: WireMessage, tag: Tag): string[] {
  return fieldsOf(message, tag).map((value) => value.toString('utf8'));
}

export function buildFailure(message: WireMessage): DockershError {
  return nativeError(failureIn(message, 'system'), 'E_SANDBOX_START', {
    what: 'the sandbox could not be built',
    why: textOf(message, 'text') ?? '',
  });
}

/** A session's end, as the supervisor tells it. */
export type EndedSession = Omit<SessionEnd, 'uid' | 'user' | 'by' | 'verb'>;

export function sessionEnd(message: WireMessage): EndedSession {
  const why = textOf(message, 'text') ?? '';
  const kind = u32Of(message, 'kind') === 1 ? 'signal' : 'exit';
  // Not all from one of an earlier version.
  const [cpuUs, peakBytes, readBytes, writtenBytes] = u64sOf(message, 'used');
  return {
    id: textOf(message, 'id') ?? '',
    outcome: { kind, code: u32Of(message, 'code') ?? 0 },
    cause: causeOf(u32Of(message, 'cause')) ?? kind,
    failure: why === '' ? undefined : nativeError(failureIn(message, 'system'), 'E_SESSION_START', { why }),
    stepsNs: u64sOf(message, 'steps'),
    work: workIn(message),
    ...(cpuUs === undefined || peakBytes === undefined
      ? {}
      : {
          used: {
            cpuMs: Number(cpuUs / 1000n),
            peakBytes: Number(peakBytes),
            readBytes: readBytes === undefined ? undefined : Number(readBytes),
            writtenBytes: writtenBytes === undefined ? undefined : Number(writtenBytes),
          },
        }),
  };
}

/** What somebody inside asks for, and how they are answered. */
export function askIn(
  message: WireMessage,
  send: (message: Buffer) => unknown,
): [words: Buffer, answer: (message: Buffer) => void] {
  const number = u32Of(message, 'slot') ?? 0;
  const answer = (whole: Buffer): void => {
    send(new WireWriter('answer').u32('slot', number).bytes('answer', whole).finish());
  };
  return [fieldOf(message, 'arg') ?? Buffer.alloc(0), answer];
}

/** Undefined where the message says nothing of it. */
export function workIn(message: WireMessage): Work | undefined {
  const count = u32Of(message, 'work');
  if (count === undefined) return undefined;
  return { count, names: linesOf(message, 'workName').slice(0, mostNames) };
}

export function connectionEnd(message: WireMessage): Omit<ConnectionEnd, 'uid'> {
  const why = textOf(message, 'text') ?? '';
  const id = textOf(message, 'id') ?? '';
  if (why === '') return { id };
  return { id, failure: nativeError(failureIn(message, 'system'), 'E_SESSION_START', { why }) };
}

const protocols = ['tcp', 'unix', 'agent', 'x11'] as const;

export function forwardIn(message: WireMessage): Forward {
  const id = textOf(message, 'id') ?? '';
  const count = u32Of(message, 'count') ?? 1;
  const kind = textOf(message, 'kind');
  const protocol = protocols.find((one) => one === kind);
  if (protocol === undefined) return { id, count };
  const way = u32Of(message, 'forwardListens') === 1 ? 'listen' : 'connect';
  const target = fieldOf(message, 'name')?.toString('utf8') ?? '';
  const port = protocol === 'tcp' ? u32Of(message, 'gwPort') : undefined;
  return { id, count, what: { protocol, way, target, port, errno: u32Of(message, 'code') || undefined } };
}

export function stateOf(message: WireMessage): SupervisorState {
  const sessions = fieldsOf(message, 'session').map((value) => {
    const [id, pid, pts, note] = value.toString('utf8').split('\0');
    const parsed = SessionNote.safeParse(parseNote(note));
    return {
      id: id ?? '',
      pid: Number(pid),
      pts: Number(pts),
      note: parsed.success ? parsed.data : unknownNote(),
    };
  });
  const connections = fieldsOf(message, 'connectionOpen').map((value) => {
    const [id, note] = value.toString('utf8').split('\0');
    const parsed = ConnectionNote.safeParse(parseNote(note));
    return { id: id ?? '', note: parsed.success ? parsed.data : unknownNote() };
  });
  const [lingerMs] = u64sOf(message, 'lingerMs');
  return {
    stopping: textOf(message, 'state') !== 'running',
    initPid: u32Of(message, 'pid') ?? 0,
    lingerMs: lingerMs === undefined ? undefined : Number(lingerMs),
    sessions,
    connections,
    ...keptStateOf(message),
  };
}

const unknownNote = (): { startedAt: string } => ({ startedAt: new Date(0).toISOString() });

function parseNote(note: string | undefined): unknown {
  try {
    return JSON.parse(note ?? '');
  } catch {
    return undefined; // of another version: the session is shown without it
  }
}
