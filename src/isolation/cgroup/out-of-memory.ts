// Hears from the kernel's log (kmsg) which processes were ended for want of memory, and in whose sandbox. The kernel has lines for ten
// of them in five seconds, of all cgroups together: cgroups count them all.

import { constants, openSync, readSync } from 'node:fs';
import { hasErrno } from '../../lib/errors.ts';
import { OwnedFd } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { Uid } from '../../lib/values/uid.ts';
import { addon } from '../addon.ts';

/** A process of a sandbox that the kernel has ended. */
export interface OutOfMemory {
  readonly uid: Uid;
  /** Its name, which is the user's to choose; as the kernel escapes it. */
  readonly process: string;
  /** Whether the sandbox's own limit did it, and not one that the user has set inside. */
  readonly bySandbox: boolean;
}

const file = '/dev/kmsg';
/** Above the largest record (PRINTKRB_RECORD_MAX). */
const buffer = Buffer.alloc(8192);
/** Records read in one turn of the event loop. */
const mostAtOnce = 200;

/**
 * A record: "PRIORITY,NUMBER,MICROSECONDS,FLAGS;TEXT" (Documentation/ABI/testing/dev-kmsg). Undefined: it is about something else.
 * `folder`: the last name of the path of our cgroups.
 */
export function parseOutOfMemory(record: string, folder: string): OutOfMemory | undefined {
  const text = /^\d+,\d+,\d+,[^;]*;(oom-kill:[^\n]*)/.exec(record)?.[1];
  if (text === undefined) return undefined;
  const memory = /,oom_memcg=([^,]*),task_memcg=/.exec(text)?.[1]?.split('/') ?? [];
  const process = /,task=(.*),pid=\d+,uid=\d+$/.exec(text)?.[1];
  // The first one: below a sandbox's own, its user may make groups of whatever name.
  const at = memory.indexOf(folder);
  const uid = Uid.safeParse(Number(/^u(\d+)-/.exec(memory[at + 1] ?? '')?.[1]));
  if (at < 0 || !uid.success || process === undefined) return undefined;
  return { uid: uid.data, process, bySandbox: memory.length === at + 2 };
}

export class OutOfMemoryWatch implements Disposable {
  readonly #fd: OwnedFd;
  readonly #stop: () => void;

  private constructor(fd: OwnedFd, stop: () => void) {
    this.#fd = fd;
    this.#stop = stop;
  }

  /** Undefined where the kernel's log can't be read: nobody is told of single processes then. */
  static start(
    folder: string,
    ended: (event: OutOfMemory) => void,
    log: Logger,
  ): OutOfMemoryWatch | undefined {
    let fd: number;
    try {
      fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      log.warn({ err: error }, "the kernel's log can't be read: who runs out of memory is not told of it");
      return undefined;
    }
    // What is there already, an earlier daemon has heard.
    let isPast = true;
    const look = (): void => {
      for (let count = 0; count < mostAtOnce; count += 1) {
        const record = read(fd);
        if (record === undefined) isPast = false;
        if (record === undefined) return;
        const event = isPast ? undefined : parseOutOfMemory(record, folder);
        if (event !== undefined) ended(event);
      }
    };
    return new OutOfMemoryWatch(new OwnedFd(fd), addon().poll(fd, look));
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#fd[Symbol.dispose]();
  }
}

/** Undefined: there is no more now. "": it has been overwritten meanwhile, or is too long to be about this. */
function read(fd: number): string | undefined {
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer));
  } catch (error) {
    if (hasErrno(error, 'EAGAIN')) return undefined;
    if (hasErrno(error, 'EPIPE', 'EINVAL')) return '';
    throw error;
  }
}
