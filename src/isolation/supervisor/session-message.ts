// A session as the supervisor takes it (MSG_SESSION, docs/protocol.md). Pure.

import * as z from 'zod';
import { type ByteString, WireWriter } from '../../lib/wire.ts';
import type { RecordingSpec, SessionIdentity, SessionKeep, SessionLimits, SessionSpec } from '../engine.ts';
import { keepMsOf } from './kept-messages.ts';
import { bytesOf, sessionMaxBytes, tooLarge } from './session-size.ts';

/** What the daemon wants to know again about a session after a restart; the supervisor keeps it unread. */
export const SessionNote = z.strictObject({
  startedAt: z.string(),
  from: z.string().optional(),
  tcp: z.tuple([z.string(), z.int(), z.string(), z.int()]).readonly().optional(),
});
export type SessionNote = z.infer<typeof SessionNote>;

/** What a sandbox adds to a session that is asked for. */
export interface SessionPlace {
  readonly cwd: string;
  /** Whose ids it gets; undefined: the user's own. */
  readonly identity: SessionIdentity | undefined;
  readonly note: SessionNote;
  /** Where the variables came from, to say what is too large. */
  readonly ofImage: readonly ByteString[];
  readonly ofLogin: readonly ByteString[];
}

/** enum of TAG_KIND (native/supervisor/session/child.c). */
const programKinds = { shell: 0, direct: 1, quietShell: 2 } as const;

type ResourceLimit = readonly [resource: bigint, soft: bigint, hard: bigint];

/** Numbers of getrlimit(2). */
const resources = { cpu: 0n, fileSize: 1n, stack: 3n, core: 4n, files: 7n, locked: 8n } as const;

/** Without limits of their own: the kernel's own habits for files. */
const usualFiles: ResourceLimit = [resources.files, 1024n, 524_288n];
/**
 * No core files. 1 and not 0: with 0 the kernel still hands cores to a program that core_pattern names, and that
 * one runs as root on the host (core(5)).
 */
const noCore: ResourceLimit = [resources.core, 1n, 1n];

function resourceLimits(limits: SessionLimits): ResourceLimit[] {
  const { openFiles, fileSizeBytes, lockedBytes, stackBytes, processTimeMs } = limits;
  const at = (resource: bigint, value: number | null): ResourceLimit[] =>
    value === null ? [] : [[resource, BigInt(value), BigInt(value)]];
  return [
    openFiles === null ? usualFiles : [resources.files, BigInt(openFiles), BigInt(openFiles)],
    noCore,
    ...at(resources.fileSize, fileSizeBytes),
    ...at(resources.locked, lockedBytes),
    ...at(resources.stack, stackBytes),
    ...at(resources.cpu, processTimeMs === null ? null : Math.ceil(processTimeMs / 1000)),
  ];
}

function putKeep(writer: WireWriter, { forMs, most }: SessionKeep): void {
  writer.u32('keeper', 1).u64('keepMs', keepMsOf(forMs));
  if (most !== null) writer.u32('mostKept', most);
}

export const noteOf = ({ from, tcp }: Pick<SessionSpec, 'from' | 'tcp'>): SessionNote => ({
  startedAt: new Date().toISOString(),
  ...(from === undefined ? {} : { from }),
  ...(tcp === undefined ? {} : { tcp }),
});

/** enum record_flag (native/common/wire/numbers.h). */
const recordFlags = { input: 1n, refuses: 2n } as const;

function addRecording(writer: WireWriter, recording: RecordingSpec): void {
  const { version, mostBytes, startedMs, title, term } = recording;
  const flags = (recording.input ? recordFlags.input : 0n) | (recording.refuses ? recordFlags.refuses : 0n);
  writer.u64('record', BigInt(version), flags, BigInt(mostBytes), BigInt(Math.floor(startedMs / 1000)));
  writer.text('recordTitle', title);
  if (term !== '') writer.text('recordTerm', term);
}

/** Throws E_TOO_LARGE. */
export function sessionMessage(
  session: SessionSpec,
  { cwd, identity, note, ofImage, ofLogin }: SessionPlace,
): Buffer {
  const { program, limits } = session;
  const writer = new WireWriter('session').text('id', session.id);
  if (program.kind === 'direct') {
    writer.u32('kind', programKinds.direct).byteString('shell', session.args[0] ?? '');
  } else {
    writer.u32('kind', program.announceFallback ? programKinds.shell : programKinds.quietShell);
    writer.text('shell', program.path);
  }
  for (const argument of session.args) writer.byteString('arg', argument);
  for (const entry of session.env) writer.byteString('env', entry);
  writer.text('cwd', cwd).u32('umask', session.umask);
  if (identity !== undefined) {
    const { uid, gid, groups } = identity;
    writer
      .u32('uid', uid)
      .u32('gid', gid)
      .u32('groups', ...groups);
  }
  for (const limit of resourceLimits(limits)) writer.u64('rlimit', ...limit);
  if (limits.nice > 0) writer.u32('nice', limits.nice);
  if (limits.mostSessions !== null) writer.u32('mostSessions', limits.mostSessions);
  if (limits.sessionTimeMs !== null) writer.u64('sessionMs', BigInt(limits.sessionTimeMs));
  if (limits.idleTimeMs !== null) writer.u64('idleMs', BigInt(limits.idleTimeMs));
  if (session.keep !== null) putKeep(writer, session.keep);
  else if (session.recording !== undefined || session.watchable === true) writer.u32('keeper', 1);
  if (session.offer !== null) {
    writer.text('target', session.offer.target).text('offer', session.offer.question);
    if (session.offer.takes) writer.u32('takes', 1);
  }
  if (session.banner !== null) writer.text('banner', session.banner);
  if (session.recording !== undefined) addRecording(writer, session.recording);
  writer.text('text', JSON.stringify(note));
  if (writer.size > sessionMaxBytes) {
    const size = { command: bytesOf(session.args), variables: bytesOf(ofLogin), image: bytesOf(ofImage) };
    throw tooLarge(writer.size, size);
  }
  return writer.finish(session.recording?.file === undefined ? 1 : 2);
}
