// Tells of processes that the kernel has ended for want of memory: those at terminals of the sandbox, the log and the audit trail.

import type { OutOfMemory } from '../isolation/cgroup/out-of-memory.ts';
import type { Engine } from '../isolation/engine.ts';
import { printable } from '../lib/text/printable.ts';
import { formatSize } from '../lib/text/units.ts';
import type { Uid } from '../lib/values/uid.ts';
import type { Records } from './records/records.ts';

/** What is ended in this time after somebody was told is told at its end, with one line. */
const quietMs = 10_000;

export class OutOfMemoryTeller {
  readonly #engine: Pick<Engine, 'loads' | 'say'>;
  readonly #records: Pick<Records, 'outOfMemory'>;
  readonly #nameOf: (uid: Uid) => string | undefined;
  /** Who has been told just now, and what has been ended since. */
  readonly #quiet = new Map<Uid, { last: OutOfMemory; more: number }>();

  constructor(
    engine: Pick<Engine, 'loads' | 'say'>,
    records: Pick<Records, 'outOfMemory'>,
    nameOf: (uid: Uid) => string | undefined,
  ) {
    this.#engine = engine;
    this.#records = records;
    this.#nameOf = nameOf;
  }

  tell(event: OutOfMemory): void {
    const { uid } = event;
    const load = this.#engine.loads().find((one) => one.uid === uid);
    if (load === undefined) return;
    const limitBytes = event.bySandbox ? (load.memoryLimitBytes ?? undefined) : undefined;
    this.#records.outOfMemory({ uid, user: this.#nameOf(uid), process: event.process, limitBytes });
    const quiet = this.#quiet.get(uid);
    if (quiet === undefined) this.#say(event, 0, limitBytes);
    else this.#quiet.set(uid, { last: event, more: quiet.more + 1 });
  }

  #say(event: OutOfMemory, more: number, limitBytes: number | undefined): void {
    const { uid } = event;
    this.#quiet.set(uid, { last: event, more: 0 });
    setTimeout(() => this.#settle(uid, limitBytes), quietMs).unref();
    // Where nobody is there any more, there is nobody to be told.
    this.#engine.say(uid, sentence(event, more, limitBytes)).catch(() => undefined);
  }

  #settle(uid: Uid, limitBytes: number | undefined): void {
    const { last, more } = this.#quiet.get(uid) ?? {};
    this.#quiet.delete(uid);
    if (last !== undefined && more !== undefined && more > 0) this.#say(last, more - 1, limitBytes);
  }
}

function sentence({ process, bySandbox }: OutOfMemory, more: number, limitBytes: number | undefined): string {
  const of = limitBytes === undefined ? '' : ` of ${formatSize(limitBytes)}`;
  const limit = bySandbox
    ? `Your sandbox's memory limit${of}`
    : 'A memory limit that was set in your sandbox';
  const others = more === 0 ? '' : more === 1 ? ' and another process' : ` and ${more} other processes`;
  return printable(`${limit} ended ${process}${others}.`);
}
