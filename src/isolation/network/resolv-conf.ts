// Follows the host's /etc/resolv.conf, wherever links lead and however it is replaced: for the search list and options that
// sandboxes have from there. Looked at once a second; whom the host asks is followed by the relay (native/relay/follow.c).

import { readFileSync, statSync } from 'node:fs';
import { hasErrno } from '../../lib/errors.ts';

const file = '/etc/resolv.conf';
const lookEveryMs = 1_000;
/** Of any use to somebody; what is longer is cut. */
const mostBytes = 64 * 1024;

export class HostResolvConf implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #seen: string;
  #text: string;

  /** `changed` hears of another text. */
  constructor(changed: () => void) {
    this.#seen = look();
    this.#text = read();
    this.#timer = setInterval(() => {
      const seen = look();
      if (seen === this.#seen) return;
      this.#seen = seen;
      const before = this.#text;
      this.#text = read();
      if (this.#text !== before) changed();
    }, lookEveryMs).unref();
  }

  get text(): string {
    return this.#text;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function look(): string {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stats === undefined
    ? ''
    : `${stats.dev}.${stats.ino}.${stats.size}.${stats.mtimeNs}.${stats.ctimeNs}`;
}

function read(): string {
  try {
    return readFileSync(file, 'utf8').slice(0, mostBytes);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error; // a host without it, or between two of them
    return '';
  }
}
