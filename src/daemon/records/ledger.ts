// Keeps the last logins in a file of the state, so that "dockershctl logins" outlives the daemon: one JSON object a line,
// appended; of the same login the last line counts. When the file has grown, it is written anew from what is remembered,
// which holds the rules of who may push out whom (login/history.ts). What a kill takes with it are the lines of
// a few milliseconds; those of running sessions their supervisors know.

import {
  appendFileSync,
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hasErrno } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';

const mostBytes = 4 * 1024 * 1024;
const delayMs = 20;

export class Ledger implements Disposable {
  readonly #file: string;
  readonly #log: Logger;
  readonly #all: () => readonly object[];
  #pending: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #bytes = 0;
  #isWarned = false;

  /** `all`: what the file is to hold, whole. */
  constructor(file: string, all: () => readonly object[], log: Logger) {
    this.#file = file;
    this.#all = all;
    this.#log = log;
  }

  /** Oldest first; a line that is no JSON (the last one of a power cut) is passed over. */
  read(): unknown[] {
    let text: string;
    try {
      if (statSync(this.#file).size > 2 * mostBytes) return []; // nobody's but a stranger's
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return [];
      throw error;
    }
    return text.split('\n').flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line) as unknown];
      } catch {
        return [];
      }
    });
  }

  /** Written a moment later, with what else there is by then: no login waits for the disk. */
  add(entry: object): void {
    this.#pending.push(`${JSON.stringify(entry)}\n`);
    this.#timer ??= setTimeout(() => this.flush(), delayMs).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#pending.join('');
    this.#pending = [];
    try {
      if (this.#bytes + text.length > mostBytes) this.#writeAnew();
      else if (text !== '') this.#append(text);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!this.#isWarned) this.#log.warn({ err: error }, 'the last logins are not kept for the next daemon');
    this.#isWarned = true; // a full disk is no reason to refuse anybody
  }

  #append(text: string): void {
    appendFileSync(this.#file, text, { mode: 0o600 });
    this.#bytes += Buffer.byteLength(text);
  }

  /** Writes the whole file anew. */
  rewrite(): void {
    try {
      this.#writeAnew();
    } catch (error) {
      this.#failed(error);
    }
  }

  #writeAnew(): void {
    const fresh = `${this.#file}.new`;
    rmSync(fresh, { force: true });
    const text = this.#all()
      .map((entry) => `${JSON.stringify(entry)}\n`)
      .join('');
    writeFileSync(fresh, text, { mode: 0o600 });
    chmodSync(fresh, 0o600);
    renameSync(fresh, this.#file);
    this.#bytes = Buffer.byteLength(text);
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}
