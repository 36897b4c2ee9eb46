// Keeps the recordings of sessions: makes the file of each before it begins, knows how much each user has, and removes what is too
// old. What is in them the session's keeper writes (native/supervisor/keeper/record), with a daemon or without.

import { constants, mkdirSync, openSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import type { RecordingSpec, RecordingState } from '../../isolation/engine.ts';
import { hasErrno } from '../../lib/errors.ts';
import { OwnedFd } from '../../lib/fd.ts';
import { ifThere } from '../../lib/if-there.ts';
import type { Logger } from '../../lib/log.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { EffectivePolicy } from '../../policy/policy.ts';
import { fileName, folderName, ownerIn, recordingIn } from './names.ts';
import { makeFile, removeLastSpare } from './spare.ts';

export interface Recording {
  readonly id: string;
  readonly uid: Uid;
  readonly user: string;
  readonly startedAt: string;
  /** Of its last second; null: it goes on. */
  readonly endedAt: string | null;
  readonly sizeBytes: number;
  readonly path: AbsolutePath;
  /** Its session stands still, because there is no room. */
  readonly waits: boolean;
}

export interface RecordingFilter {
  readonly id?: string | undefined;
  readonly uid?: Uid | undefined;
  readonly user?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export type RecordingPolicy = Pick<
  EffectivePolicy,
  'record' | 'recordFormat' | 'recordInput' | 'recordBytes' | 'recordTotalBytes' | 'recordFull'
>;

interface Growing {
  readonly path: AbsolutePath;
  readonly startedMs: number;
  /** How large it may get. */
  readonly mostBytes: number;
  /** Its session has, and a moment later so has it. */
  isEnding: boolean;
}

interface Owned {
  readonly folder: AbsolutePath;
  /** Of those that have ended. */
  bytes: number;
  readonly growing: Map<string, Growing>;
}

/** With less there is no beginning. */
const leastBytes = 64 * 1024;
/** By then a session at a terminal has shown something; what has not is none. */
const silentMs = 5000;
const upkeepMs = 3_600_000;
/** After the end of a session. */
const lastMs = 10_000;

export class Recordings implements Disposable {
  readonly #folder: AbsolutePath;
  readonly #keepMs: () => number;
  readonly #log: Logger;
  readonly #owned = new Map<string, Owned>();
  /** Sessions that stand still, because there is no room. */
  readonly #waiting = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  private constructor(folder: AbsolutePath, keepMs: () => number, log: Logger) {
    this.#folder = folder;
    this.#keepMs = keepMs;
    this.#log = log;
    this.#timer = setInterval(() => void this.upkeep(), upkeepMs).unref();
  }

  /** `keepMs`: how long they are kept. */
  static open(folder: AbsolutePath, keepMs: () => number, log: Logger): Recordings {
    return new Recordings(folder, keepMs, log);
  }

  /** What an earlier daemon has left: recordings of these sessions go on, and what nothing was shown of is none. */
  async settle(running: ReadonlySet<string>): Promise<void> {
    for (const { id, uid, user, startedAt, sizeBytes, path } of await this.#all()) {
      if (running.has(id)) {
        const startedMs = Date.parse(startedAt);
        this.#of(uid, user).growing.set(id, { path, startedMs, mostBytes: sizeBytes, isEnding: false });
      } else if (sizeBytes === 0) {
        await rm(path, { force: true });
      }
    }
    this.#owned.forEach((owned) => {
      owned.bytes = bytesOf(owned);
    });
    await this.upkeep();
  }

  /** For a session that may have a terminal; undefined: the policy wants none. It has a file, or none for lack of room. */
  begin(
    { id, uid, user }: { readonly id: string; readonly uid: Uid; readonly user: string },
    policy: RecordingPolicy,
    shown: Pick<RecordingSpec, 'title' | 'term'>,
  ): RecordingSpec | undefined {
    const { record, recordBytes, recordTotalBytes, recordFormat, recordInput } = policy;
    if (record === 'no') return undefined;
    const refuses = (policy.recordFull ?? (record === 'required' ? 'refuse' : 'unrecorded')) === 'refuse';
    const startedMs = Date.now();
    const settings = {
      version: recordFormat === 'asciicast-3' ? 3 : 2,
      input: recordInput === 'yes',
    } as const;
    const common = { ...settings, refuses, startedMs, ...shown };
    try {
      const owned = this.#of(uid, user);
      const mostBytes = Math.min(recordBytes ?? Number.MAX_SAFE_INTEGER, roomIn(owned, recordTotalBytes));
      if (mostBytes < leastBytes) return { ...common, mostBytes: 0, file: undefined };
      const file = fileName(id, startedMs);
      const path = below(owned.folder, file);
      mkdirSync(owned.folder, { recursive: true, mode: 0o700 });
      const { bavail, bsize } = statfsSync(owned.folder);
      if (bavail * bsize < leastBytes) return { ...common, mostBytes: 0, file: undefined };
      makeFile(owned.folder, path);
      owned.growing.set(id, { path, startedMs, mostBytes, isEnding: false });
      const name = path.slice(this.#folder.length + 1);
      return { ...common, mostBytes, file: { name, open: () => openForAppending(path) } };
    } catch (error) {
      this.#log.error({ err: error, uid, session: id }, 'a recording could not be begun');
      return { ...common, mostBytes: 0, file: undefined };
    }
  }

  /** The session has ended, or came to nothing. */
  ended(id: string, uid: Uid, user: string): void {
    this.#waiting.delete(id);
    const owned = this.#owned.get(folderName(uid, user));
    const growing = owned?.growing.get(id);
    if (owned === undefined || growing === undefined) return;
    growing.isEnding = true;
    // Its keeper writes the last of it once all has been shown.
    setTimeout(() => settle(owned, id), lastMs).unref();
  }

  /** A session stands still for lack of room, or does so no more. */
  changed({ id, state }: { readonly id: string; readonly state: RecordingState }): void {
    if (state === 'waits') this.#waiting.add(id);
    else this.#waiting.delete(id);
  }

  /** How many do. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Newest first. */
  async list(filter: RecordingFilter): Promise<Recording[]> {
    const { id, uid, user, since = '', until = '~' } = filter;
    const all = await this.#all(
      (owner) => uid === owner.uid || (uid === undefined && (user ?? owner.user) === owner.user),
    );
    return all
      .filter((one) => (id ?? one.id) === one.id && one.startedAt >= seconds(since) && one.startedAt < until)
      .filter(({ sizeBytes }) => sizeBytes > 0)
      .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  }

  /** Throws nothing where it is gone already. */
  async remove({ id, uid, user, path, sizeBytes }: Recording): Promise<void> {
    await rm(path, { force: true });
    const owned = this.#owned.get(folderName(uid, user));
    if (owned !== undefined && !owned.growing.delete(id)) owned.bytes = Math.max(0, owned.bytes - sizeBytes);
  }

  /** Removes what is older than it is kept. */
  async upkeep(): Promise<void> {
    try {
      const before = Date.now() - this.#keepMs();
      for (const one of await this.#all()) {
        if (one.endedAt !== null && Date.parse(one.endedAt) < before) await this.remove(one);
      }
      for (const folder of (await ifThere(readdir(this.#folder))) ?? []) {
        await removeLastSpare(below(this.#folder, folder));
        await rmdir(below(this.#folder, folder)).catch((error: unknown) => {
          if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR')) throw error;
        });
      }
    } catch (error) {
      this.#log.warn({ err: error }, 'old recordings stay for now');
    }
  }

  async #all(
    wanted: (owner: { readonly uid: Uid; readonly user: string }) => boolean = () => true,
  ): Promise<Recording[]> {
    const found: Recording[] = [];
    for (const name of (await ifThere(readdir(this.#folder))) ?? []) {
      const owner = ownerIn(name);
      if (owner === undefined || !wanted(owner)) continue;
      const folder = below(this.#folder, name);
      for (const file of (await ifThere(readdir(folder))) ?? []) {
        const recording = recordingIn(file);
        const path = below(folder, file);
        const status = recording && (await ifThere(stat(path)));
        if (recording === undefined || status === undefined) continue;
        const isOpen = this.#owned.get(name)?.growing.get(recording.id)?.isEnding === false;
        const endedAt = isOpen ? null : status.mtime.toISOString();
        const waits = this.#waiting.has(recording.id);
        found.push({ ...recording, ...owner, endedAt, sizeBytes: status.size, path, waits });
      }
    }
    return found;
  }

  #of(uid: Uid, user: string): Owned {
    const name = folderName(uid, user);
    const known = this.#owned.get(name);
    if (known !== undefined) return known;
    const owned: Owned = { folder: below(this.#folder, name), bytes: 0, growing: new Map() };
    owned.bytes = bytesOf(owned);
    this.#owned.set(name, owned);
    return owned;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** What nothing was shown of is none. */
function settle(owned: Owned, id: string): void {
  const growing = owned.growing.get(id);
  if (growing === undefined) return; // removed meanwhile
  owned.growing.delete(id);
  const size = sizeOf(growing.path);
  if (size === 0) rmSync(growing.path, { force: true });
  owned.bytes += size;
}

function openForAppending(path: AbsolutePath): OwnedFd {
  return new OwnedFd(openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW));
}

const seconds = (at: string): string => at.slice(0, 19);

function sizeOf(path: AbsolutePath): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Of those that have ended. */
function bytesOf({ folder, growing }: Owned): number {
  const paths = new Set([...growing.values()].map(({ path }) => path));
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 0;
    throw error;
  }
  const files = names.map((name) => below(folder, name)).filter((path) => !paths.has(path));
  return files.reduce((sum, path) => sum + sizeOf(path), 0);
}

/** What is left of all that the user may have. */
function roomIn({ bytes, growing }: Owned, totalBytes: number | null): number {
  if (totalBytes === null) return Number.MAX_SAFE_INTEGER;
  let taken = bytes;
  for (const { path, startedMs, mostBytes } of growing.values()) {
    const size = sizeOf(path);
    const isSilent = size === 0 && Date.now() - startedMs > silentMs; // scp, for one
    taken += isSilent ? 0 : Math.max(size, mostBytes);
  }
  return totalBytes - taken;
}
