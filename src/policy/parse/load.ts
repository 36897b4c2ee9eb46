// Reads the policy for dockershd (root) and for "dockershctl policy": the main file and those of conf.d beside
// it. They decide what users may do, so nobody but root may be able to change any of them.

import { type BigIntStats, statSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { inParallel } from '../../lib/async/parallel.ts';
import { type ErrorCode, errorCatalogue, hasErrno, nativeFailureOf } from '../../lib/errors.ts';
import {
  checkTrustedPath,
  type Refusal,
  readTrustedFile,
  type TrustOptions,
} from '../../lib/trusted-path.ts';
import type { Problem } from '../problem.ts';
import { assemble, type ParsedPolicy } from './assemble.ts';
import { type ParsedFile, parseFile } from './file.ts';

/** Far above any file that a person maintains; keeps a wrong --config from being read into memory. */
const largestFileBytes = 1024 * 1024;
const mostFiles = 4096;
/** Files that are read at once. */
const readers = 16;
/** The clock of a file system may stand still this long: two edits within it look the same. */
const clockTickMs = 20;

export interface LoadOptions extends TrustOptions {
  /** That others can change a file is only a warning: a draft may lie anywhere. */
  readonly draft?: boolean;
}

export interface LoadedPolicy extends ParsedPolicy {
  /** What was read, the main file first; also what could not be. */
  readonly files: readonly string[];
  /** What stampOf said before anything was read. */
  readonly stamp: string;
  /** False: an edit may hide behind this stamp. */
  readonly settled: boolean;
  /** What was read, as it was written. */
  readonly texts: readonly { readonly file: string; readonly text: string }[];
}

/** The folder of further files that belongs to a main file. */
export function confFolderOf(main: string): string {
  return path.join(path.dirname(main), 'conf.d');
}

interface ReadFile {
  readonly text: string;
  readonly parsed: ParsedFile;
}

/** One policy on the disk. Remembers files that have not changed: of hundreds, an edit concerns one. */
export class PolicyFiles {
  readonly #main: string;
  readonly #options: LoadOptions;
  readonly #remembered = new Map<string, { readonly stamp: string; readonly read: ReadFile }>();

  constructor(main: string, options: LoadOptions = {}) {
    this.#main = main;
    this.#options = options;
  }

  async load(): Promise<LoadedPolicy> {
    const startedMs = Date.now();
    const folder = folderStamp(this.#main); // first: what comes while it is listed must look like a change
    const listed = await this.#list();
    const files = [this.#main, ...listed.files];
    const stamp = [folder, ...files.map(stampOfOne)].join('|');
    const read = await inParallel(files, readers, undefined, (file) => this.#tryToRead(file));
    const parsed = read.map((one) => one.parsed);
    for (const known of this.#remembered.keys()) if (!files.includes(known)) this.#remembered.delete(known);
    const all =
      listed.fault === undefined ? parsed : [broken(confFolderOf(this.#main), listed.fault), ...parsed];
    const newest = newestMs(stamp);
    // A time in the future is a clock that was wrong, not an edit of just now.
    const settled = newest < startedMs - clockTickMs || newest > Date.now() + clockTickMs;
    const texts = read.map(({ text, parsed: { file } }) => ({ file, text }));
    return { ...assemble(all, this.#main), files, stamp, settled, texts };
  }

  /** The files of conf.d by name. A folder that others can change is refused, even an empty one. */
  async #list(): Promise<{ readonly files: string[]; readonly fault?: Refusal }> {
    const folder = confFolderOf(this.#main);
    let names: string[];
    try {
      names = await readdir(folder);
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return { files: [] }; // it need not be there
      return { files: [], fault: unreadable(folder, error) };
    }
    const trust = await checkTrustedPath(folder, this.#options);
    if (!trust.ok && this.#options.draft !== true) return { files: [], fault: trust };
    const files = names.filter((name) => /^[^.].*\.ini$/.test(name)).sort();
    if (files.length <= mostFiles) return { files: files.map((name) => path.join(folder, name)) };
    return { files: [], fault: { ok: false, path: folder, reason: `holds more than ${mostFiles} files` } };
  }

  /** What the disk or the administrator has made unreadable is broken as other mistakes are. */
  async #tryToRead(file: string): Promise<ReadFile> {
    try {
      return await this.#read(file);
    } catch (error) {
      return { text: '', parsed: broken(file, unreadable(file, error)) };
    }
  }

  async #read(file: string): Promise<ReadFile> {
    const before = await stat(file, { bigint: true }).catch(() => undefined); // the reading below says why
    const stamp = before === undefined ? 'missing' : fileStamp(before);
    const known = this.#remembered.get(file);
    const trust = known?.stamp === stamp ? await checkTrustedPath(file, this.#options) : undefined;
    if (known !== undefined && trust?.ok === true) return known.read;
    const trusted = await readTrustedFile(file, largestFileBytes, this.#options);
    if (!trusted.ok) return { text: '', parsed: await this.#untrusted(file, trusted) };
    const { text } = trusted;
    const read = { text, parsed: parseFile(text, file) };
    // What was changed a moment ago may change again without looking different.
    if (before !== undefined && Number(before.ctimeMs) < Date.now() - clockTickMs)
      this.#remembered.set(file, { stamp, read });
    return read;
  }

  async #untrusted(file: string, refusal: Refusal): Promise<ParsedFile> {
    const refused = broken(file, refusal);
    if (this.#options.draft !== true || refusal.code !== 'E_UNTRUSTED_PATH') return refused;
    const parsed = parseFile(await readFile(file, 'utf8'), file);
    const warnings = refused.problems.map((problem) => ({ ...problem, severity: 'warning' as const }));
    return { ...parsed, problems: [...warnings, ...parsed.problems] };
  }
}

/** Only failures of the system: anything else is ours. */
function unreadable(at: string, error: unknown): Refusal {
  const native = nativeFailureOf(error);
  if (native === undefined) throw error;
  return { ok: false, path: at, reason: `cannot be read (${native.syscall}: ${native.errno})` };
}

/** A file or folder that is missing or that others can change is a problem of line 0, with its code. */
function broken(file: string, { path: at, reason, code: refused }: Refusal): ParsedFile {
  const code: ErrorCode = refused ?? 'E_POLICY_INVALID';
  const { adminHint: hint } = errorCatalogue[code];
  const message = at === file ? reason : `${at} ${reason}`;
  const problem: Problem = { severity: 'error', file, line: 0, message, hint, code };
  return { file, sections: [], images: {}, host: {}, gateway: {}, problems: [problem] };
}

/** Reads a policy once. */
export async function loadPolicyFile(file: string, options: LoadOptions = {}): Promise<LoadedPolicy> {
  return await new PolicyFiles(file, options).load();
}

interface Identity {
  readonly ino: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly size: bigint;
}

const fileStamp = ({ ino, mtimeNs, ctimeNs, size }: Identity): string =>
  `${ino}:${mtimeNs}:${ctimeNs}:${size}`;

/** What changes when any of the files does, or comes, or goes. `files`: those that were there. */
export function stampOf(main: string, files: readonly string[]): string {
  return [folderStamp(main), ...files.map(stampOfOne)].join('|');
}

function folderStamp(main: string): string {
  // Of the main file's folder, only whose it is: editors leave files of their own in it.
  const above = statOrErrno(path.dirname(main));
  const whose = typeof above === 'string' ? above : `${above.ino}:${above.mode}:${above.uid}`;
  return `${whose}|${stampOfOne(confFolderOf(main))}`;
}

function stampOfOne(file: string): string {
  const info = statOrErrno(file);
  return typeof info === 'string' ? info : fileStamp(info);
}

function statOrErrno(file: string): BigIntStats | string {
  try {
    return statSync(file, { bigint: true });
  } catch (error) {
    const native = nativeFailureOf(error);
    if (native === undefined) throw error;
    return native.errno;
  }
}

function newestMs(stamp: string): number {
  const times = stamp
    .split('|')
    .map((entry) => entry.split(':'))
    .filter((fields) => fields.length === 4);
  return Math.max(0, ...times.map(([, , ctimeNs]) => Number(ctimeNs) / 1e6));
}
