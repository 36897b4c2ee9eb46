// Remembers what sandboxes were refused lately, for whoever asks, and says it in the log at a limited rate: a program
// that tries without end fills neither memory nor log.

import * as z from 'zod';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';

/** As a supervisor says it: "PROTOCOL ADDRESS PORT COUNT". */
const Line = z
  .string()
  .max(120)
  .regex(/^(?:tcp|udp|icmp|other) [0-9a-f.:]{2,45} \d{1,5} \d{1,15}$/);

export interface Refused {
  readonly protocol: string;
  readonly address: string;
  /** 0: there is none. */
  readonly port: number;
  readonly count: number;
  /** When it was refused last. */
  readonly at: Date;
}

/** Destinations of one sandbox: the one that has been refused the longest ago gives way. */
const mostDestinations = 64;
const mostUsers = 10_000;
/** Lines in the log, of one user in a minute. */
const mostLines = 10;
const minuteMs = 60_000;

interface Memory {
  readonly destinations: Map<string, Refused>;
  lines: number;
  sinceMs: number;
  unsaid: number;
}

/** What a supervisor has just said; `count` is since it said so before. */
export type RefusedNow = Omit<Refused, 'at'> & { readonly uid: Uid; readonly user: string };

export class RefusedTraffic {
  readonly #log: Logger;
  readonly #users = new Map<Uid, Memory>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** What has been refused just now; what is none of these lines counts as nothing. */
  add(uid: Uid, user: string, lines: readonly string[], now = new Date()): RefusedNow[] {
    const told: RefusedNow[] = [];
    const memory = this.#memoryOf(uid, now);
    for (const line of lines) {
      if (!Line.safeParse(line).success) continue;
      const [protocol = '', address = '', port, count] = line.split(' ');
      told.push({ uid, user, protocol, address, port: Number(port), count: Number(count) });
      const key = `${protocol} ${address} ${port}`;
      const before = memory.destinations.get(key);
      const refused = {
        protocol,
        address,
        port: Number(port),
        count: Number(count) + (before?.count ?? 0),
        at: now,
      };
      memory.destinations.delete(key); // so that it is the youngest
      memory.destinations.set(key, refused);
      forgetOldest(memory.destinations, mostDestinations);
      this.#say(uid, user, refused, memory, now);
    }
    return told;
  }

  /** The latest first. */
  of(uid: Uid): Refused[] {
    return [...(this.#users.get(uid)?.destinations.values() ?? [])].reverse();
  }

  forget(uid: Uid): void {
    this.#users.delete(uid);
  }

  #memoryOf(uid: Uid, now: Date): Memory {
    const known = this.#users.get(uid);
    const memory = known ?? {
      destinations: new Map<string, Refused>(),
      lines: 0,
      sinceMs: now.getTime(),
      unsaid: 0,
    };
    this.#users.delete(uid);
    this.#users.set(uid, memory);
    forgetOldest(this.#users, mostUsers);
    return memory;
  }

  #say(uid: Uid, user: string, { protocol, address, port, count }: Refused, memory: Memory, now: Date): void {
    if (now.getTime() - memory.sinceMs >= minuteMs) {
      const { unsaid } = memory;
      if (unsaid > 0)
        this.#log.warn({ uid, user, unsaid }, 'more of the network was refused than is said here');
      Object.assign(memory, { lines: 0, sinceMs: now.getTime(), unsaid: 0 });
    }
    if (memory.lines >= mostLines) {
      memory.unsaid += 1;
      return;
    }
    memory.lines += 1;
    const where = `${protocol} ${address}${port > 0 ? ` port ${port}` : ''}`;
    const times = count > 1 ? `, ${count} times` : '';
    const event = 'network-refused';
    this.#log.info(
      { event, uid, user, protocol, address, port, count },
      `the network of ${user}'s sandbox refused ${where}${times}`,
    );
  }
}

function forgetOldest<K>(map: Map<K, unknown>, most: number): void {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
