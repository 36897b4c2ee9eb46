// Writes the audit trail: lines that are chained (lib/audit/chain.ts), each on disk as far as a process can have it there
// before anything goes on, so that no end of this process loses one. A file that has grown is finished and another begun;
// the oldest are removed when they are too old, or all of them are too large.

import {
  closeSync,
  fdatasync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { emptyHead, type Head, linkOf, nextLine, sumOf } from '../../lib/audit/chain.ts';
import { currentName, finishedName, isFinishedName } from '../../lib/audit/files.ts';
import { readIfThere } from '../../lib/if-there.ts';
import type { Logger } from '../../lib/log.ts';
import { type AbsolutePath, below } from '../../lib/values/absolute-path.ts';

/** Of one file. Searched through at the daemon's start, which takes some 30 ms then. */
const usualFileBytes = 16 * 1024 * 1024;
const syncMs = 1000;
/** How often the log is told where the trail stands, and that it can't be written. */
const tellMs = 3_600_000;
const complainMs = 60_000;

export interface Retention {
  readonly keepMs: number;
  readonly mostBytes: number;
}

export interface TrailParts {
  readonly folder: AbsolutePath;
  readonly retention: () => Retention;
  readonly log: Logger;
  /** Of the line that says that a daemon has begun. */
  readonly facts?: object;
  readonly fileBytes?: number;
}

export class Trail implements Disposable {
  readonly #folder: AbsolutePath;
  readonly #retention: () => Retention;
  readonly #log: Logger;
  readonly #fileBytes: number;
  #fd = -1;
  #bytes = 0;
  #head: Head = emptyHead;
  #firstSeq = 1;
  /** Sessions and connections that are there, for the first line of the next file. */
  readonly #open = new Set<string>();
  /** Lines that could not be written, since when. */
  #lost: { count: number; since: string } | undefined;
  #complainedAt = Number.NEGATIVE_INFINITY;
  #sync: NodeJS.Timeout | undefined;
  readonly #tell: NodeJS.Timeout;

  private constructor({ folder, retention, log, fileBytes = usualFileBytes }: TrailParts) {
    this.#folder = folder;
    this.#retention = retention;
    this.#log = log;
    this.#fileBytes = fileBytes;
    this.#tell = setInterval(() => this.#tellHead(), tellMs).unref();
  }

  /** Goes on where an earlier one has ended. Never throws: what can't be written is told to the log. */
  static open({ facts = {}, ...parts }: TrailParts): Trail {
    const trail = new Trail(parts);
    trail.#attempt(() => trail.#begin(facts));
    return trail;
  }

  /** Ids of sessions and connections whose end nobody has written. */
  get openIds(): readonly string[] {
    return [...this.#open];
  }

  /** False: it could not be written. A line with `begins` or `ends` is about that session or connection. */
  add(event: string, facts: object, about: { begins?: string; ends?: string } = {}): boolean {
    return this.#attempt(() => {
      if (this.#fd < 0) this.#begin({});
      if (this.#lost !== undefined) {
        const { count, since } = this.#lost;
        this.#lost = undefined;
        this.#write('audit-gap', { lines: count, since });
      }
      this.#write(event, facts);
      if (about.begins !== undefined) this.#open.add(about.begins);
      if (about.ends !== undefined) this.#open.delete(about.ends);
      this.#rotateWhenGrown();
    });
  }

  #attempt(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#lost ??= { count: 0, since: new Date().toISOString() };
      this.#lost.count += 1;
      this.#complain(error);
      return false;
    }
  }

  #complain(error: unknown): void {
    const now = performance.now();
    if (now - this.#complainedAt <= complainMs) return;
    this.#complainedAt = now;
    this.#log.error({ err: error, folder: this.#folder }, 'the audit trail cannot be written');
  }

  #begin(facts: object): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const torn = this.#openLast();
    this.#write('audit-began', { ...facts, ...(torn > 0 ? { torn } : {}), open: [...this.#open] });
  }

  /** Opens the last file, or a first one, and learns from it. Returns how many bytes of half a line it has lost. */
  #openLast(): number {
    const file = below(this.#folder, currentName);
    const isNew = !this.#learn(currentName);
    const finished = isNew ? this.#finished().at(-1) : undefined;
    if (finished !== undefined) this.#learn(finished);
    this.#fd = openSync(file, 'a', 0o600);
    if (isNew) {
      this.#bytes = 0;
      this.#firstSeq = this.#head.seq + 1;
    }
    const torn = fstatSync(this.#fd).size - this.#bytes;
    if (torn > 0) ftruncateSync(this.#fd, this.#bytes);
    return torn;
  }

  /** False: there is no such file, or no line in it. What follows the last line that is whole is not counted. */
  #learn(name: string): boolean {
    const text = readIfThere(below(this.#folder, name), 'latin1') ?? ''; // bytes as characters
    const last = lastLine(text);
    if (last === undefined) return false;
    this.#bytes = last.end;
    this.#head = last.head;
    this.#firstSeq = linkOf(text.slice(0, text.indexOf('\n')))?.seq ?? last.head.seq;
    this.#open.clear();
    for (const id of stillOpen(text)) this.#open.add(id);
    return true;
  }

  #write(event: string, facts: object): void {
    const { line, head } = nextLine(this.#head, new Date().toISOString(), event, facts);
    const bytes = Buffer.from(`${line}\n`);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
    } catch (error) {
      if (written > 0) ftruncateSync(this.#fd, this.#bytes); // half a line, of a full disk
      throw error;
    }
    this.#bytes += bytes.length;
    this.#head = head;
    this.#sync ??= setTimeout(() => {
      this.#sync = undefined;
      if (this.#fd >= 0) fdatasync(this.#fd, () => {}); // what fails is told by a later write
    }, syncMs).unref();
  }

  #rotateWhenGrown(): void {
    if (this.#bytes < this.#fileBytes) return;
    closeSync(this.#fd);
    this.#fd = -1;
    try {
      renameSync(below(this.#folder, currentName), below(this.#folder, finishedName(this.#firstSeq)));
      this.#tellHead();
      this.#removeOld();
      this.#begin({});
    } catch (error) {
      this.#complain(error); // the next line begins where this one has failed
    }
  }

  #finished(): string[] {
    return readdirSync(this.#folder).filter(isFinishedName).sort();
  }

  #removeOld(): void {
    const { keepMs, mostBytes } = this.#retention();
    const files = this.#finished().map((name) => {
      const { size, mtimeMs } = statSync(below(this.#folder, name));
      return { name, size, mtimeMs };
    });
    let total = files.reduce((sum, { size }) => sum + size, this.#fileBytes);
    for (const { name, size, mtimeMs } of files) {
      if (total <= mostBytes && Date.now() - mtimeMs <= keepMs) break;
      rmSync(below(this.#folder, name));
      total -= size;
    }
  }

  /** Where it stands, in another book: who writes the trail anew can't make it fit. */
  #tellHead(): void {
    const { seq, sum } = this.#head;
    this.#log.info({ seq, sum }, `the audit trail stands at line ${seq}, SHA-256 ${sum}`);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#tell);
    clearTimeout(this.#sync);
    if (this.#fd < 0) return;
    this.#tellHead();
    closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** The last line that is one, and the place behind it: a power cut leaves half lines, and zeros. */
function lastLine(text: string): { head: Head; end: number } | undefined {
  for (let end = text.lastIndexOf('\n'); end >= 0; end = text.lastIndexOf('\n', end - 1)) {
    const line = Buffer.from(text.slice(text.lastIndexOf('\n', end - 1) + 1, end), 'latin1');
    const link = linkOf(line.toString('utf8'));
    if (link !== undefined) return { head: { seq: link.seq, sum: sumOf(line) }, end: end + 1 };
    if (end === 0) break;
  }
  return undefined;
}

/** What an event does to the set of those that are there. */
const beginnings = 'login|connection-opened';
const ends = 'login-refused|session-closed|connection-closed|connection-failed';
// No text of anybody's can look like this: quotes in it are escaped.
const changes = new RegExp(`"event":"(?:(${beginnings})|(?:${ends}))","session":"([0-9a-f]+)"`, 'g');

/** Ids that begin and do not end in a file, which says first which there were before. */
function stillOpen(text: string): Set<string> {
  const first = text.slice(0, text.indexOf('\n'));
  const before = /"open":\[([^\]]*)\]/.exec(first)?.[1] ?? '';
  const open = new Set(before.match(/[0-9a-f]+/g) ?? []);
  for (const [, begins, id = ''] of text.matchAll(changes)) {
    if (begins === undefined) open.delete(id);
    else open.add(id);
  }
  return open;
}
