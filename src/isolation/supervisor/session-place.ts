// Completes a requested session with what depends on its sandbox: its ids, its folder, its environment, and its
// banner. Pure.

import { DockershError } from '../../lib/errors.ts';
import { type ByteString, byteStringOf } from '../../lib/wire.ts';
import type { SessionIdentity, SessionSpec } from '../engine.ts';
import type { SandboxRecord } from '../sandbox/record.ts';
import { noteOf, type SessionPlace } from './session-message.ts';
import { bytesOf, mostSpareBytes, sessionMaxBytes } from './session-size.ts';

/** Whose ids the session gets; undefined: the user's own. Throws E_SESSION_START where nobody can say. */
export function identityIn({ imageUser }: SandboxRecord, session: SessionSpec): SessionIdentity | undefined {
  if (!session.asImageUser || imageUser === undefined) return undefined;
  if (!('why' in imageUser)) return imageUser;
  throw new DockershError('E_SESSION_START', { why: imageUser.why, userDetail: imageUser.why });
}

/** The session as it is in this sandbox. `identity`: what identityIn() has said. */
export function sessionIn(
  record: SandboxRecord,
  session: SessionSpec,
  identity: SessionIdentity | undefined,
): { readonly session: SessionSpec; readonly place: SessionPlace } {
  const note = noteOf(session);
  const banner = joined(session.banner, record.notice);
  const ofImage = record.env.map(byteStringOf);
  const own = [...sparesFor(session, ofImage), ...session.env.slice(session.spareVariables)];
  const env = environmentIn(record, { ...session, env: own }, identity);
  const cwd = folderIn(record, session, identity);
  const ofLogin = session.env.slice(session.spareVariables, session.sentVariables);
  const place = { cwd, identity, note, ofLogin, ofImage };
  return { session: { ...session, env, banner }, place };
}

/** Beside a session's strings: its texts and numbers. */
const otherBytes = 8 * 1024;

/** As many as there is room for, so that none makes a session too large. */
function sparesFor(session: SessionSpec, ofImage: readonly ByteString[]): ByteString[] {
  if (session.spareVariables === 0) return [];
  const others = [...session.args, ...session.env.slice(session.spareVariables), ...ofImage];
  let room = Math.min(sessionMaxBytes - otherBytes - bytesOf(others), mostSpareBytes);
  return session.env.slice(0, session.spareVariables).filter((entry) => {
    const bytes = bytesOf([entry]);
    if (bytes > room) return false;
    room -= bytes;
    return true;
  });
}

const joined = (banner: string | null, notice: string | undefined): string | null =>
  banner === null || notice === undefined ? (notice ?? banner) : `${banner}\n${notice}`;

/** A login starts at home, whatever the image says; a command starts where the image's commands do. */
function folderIn(
  { home, workingDir }: SandboxRecord,
  { program }: SessionSpec,
  identity: SessionIdentity | undefined,
): string {
  if (identity !== undefined) return workingDir ?? '/';
  return program.kind === 'direct' ? (workingDir ?? home) : home;
}

function environmentIn(
  { env, home }: SandboxRecord,
  session: SessionSpec,
  identity: SessionIdentity | undefined,
): ByteString[] {
  const image = env.map(byteStringOf);
  if (identity === undefined) return mergeEnvironment(image, [byteStringOf(`HOME=${home}`)], session.env);
  return mergeEnvironment(image, session.env.filter(isNobodysOwn), environmentOf(identity));
}

/** Every name once; the later list wins. */
export function mergeEnvironment(...lists: readonly (readonly ByteString[])[]): ByteString[] {
  const assignments = lists.flat().filter((entry) => entry.includes('=')); // an image may hold bare names
  return [...new Map(assignments.map((entry) => [entry.slice(0, entry.indexOf('=')), entry])).values()];
}

/** The user's run folder is the user's alone. */
const isNobodysOwn = (entry: ByteString): boolean => !entry.startsWith('XDG_RUNTIME_DIR=');

function environmentOf({ name, home }: SessionIdentity): ByteString[] {
  return [`HOME=${home}`, `USER=${name}`, `LOGNAME=${name}`].map(byteStringOf);
}
