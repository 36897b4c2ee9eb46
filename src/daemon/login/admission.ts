// Admits logins while the host has room, by the bounds on all sandboxes together ([host]). A place is kept from the
// moment that a login is let in until its sandbox and session are there to be counted, or are not to come.

import { totalmem } from 'node:os';
import type { Load } from '../../isolation/engine.ts';
import { DockershError } from '../../lib/errors.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { HostPolicy } from '../../policy/policy.ts';

/** A login that wants in. */
export interface Arrival {
  readonly id: string;
  readonly uid: Uid;
  /** Sessions and ssh connections are counted apart, by the same bound. */
  readonly what: 'session' | 'connection';
  /** What its sandbox would be promised, if it is not there yet. */
  readonly memoryLimitBytes: number | null;
}

interface Waiting {
  readonly arrival: Arrival;
  readonly enter: () => void;
}

/** What counts now: running sandboxes and their sessions. */
type Loads = () => readonly Load[];

/** The part of [host] that is about room. */
export type Caps = Pick<
  HostPolicy,
  'mostSandboxes' | 'mostSessions' | 'mostMemoryBytes' | 'whenFull' | 'waitMs'
>;

export class Admission {
  readonly #caps: () => Caps;
  readonly #loads: Loads;
  /** Let in, and not counted by the engine yet. */
  readonly #entering = new Set<Arrival>();
  #waiting: Waiting[] = [];

  constructor(caps: () => Caps, loads: Loads) {
    this.#caps = caps;
    this.#loads = loads;
  }

  /** A place for this login. Throws E_FULL. Dispose of it when the login has become a session, or has not. */
  async enter(arrival: Arrival): Promise<Disposable> {
    const caps = this.#caps();
    const full = this.#waiting.length > 0 ? 'others wait already' : this.#fullFor(arrival);
    if (full !== undefined) {
      if (caps.whenFull === 'refuse' || !(await this.#wait(arrival, caps.waitMs)))
        throw new DockershError('E_FULL', { why: full });
    } else {
      this.#entering.add(arrival);
    }
    return {
      [Symbol.dispose]: () => {
        this.#entering.delete(arrival);
        this.changed();
      },
    };
  }

  /** Something has ended, or the policy is another: the first who wait may fit now. */
  changed(): void {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      if (this.#fullFor(first.arrival) !== undefined) return;
      this.#waiting.shift();
      this.#entering.add(first.arrival);
      first.enter();
    }
  }

  /** True when there is room; in turn. */
  #wait(arrival: Arrival, ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting: Waiting = {
        arrival,
        enter: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((one) => one !== waiting);
        resolve(false);
        this.changed(); // whoever came behind it may need less
      }, ms);
      this.#waiting.push(waiting);
    });
  }

  /** What there is no room for; undefined: it fits. */
  #fullFor({ id, uid, what, memoryLimitBytes }: Arrival): string | undefined {
    const { mostSandboxes, mostSessions, mostMemoryBytes } = this.#caps();
    if (mostSandboxes === null && mostSessions === null && mostMemoryBytes === null) return undefined;
    const promised = new Map([...this.#entering].map((one) => [one.uid, promise(one.memoryLimitBytes)]));
    const alike = new Set([...this.#entering].filter((one) => one.what === what).map((one) => one.id));
    for (const load of this.#loads()) {
      promised.set(load.uid, promise(load.memoryLimitBytes));
      for (const one of what === 'session' ? load.sessions : load.connections) alike.add(one);
    }
    const cold = !promised.has(uid);
    const memory = [...promised.values()].reduce((sum, bytes) => sum + bytes, 0);
    const full = [
      ...(mostSessions !== null && alike.size + (alike.has(id) ? 0 : 1) > mostSessions
        ? [what === 'session' ? 'sessions' : 'ssh connections']
        : []),
      ...(cold && mostSandboxes !== null && promised.size + 1 > mostSandboxes ? ['sandboxes'] : []),
      ...(cold && mostMemoryBytes !== null && memory + promise(memoryLimitBytes) > mostMemoryBytes
        ? ['memory']
        : []),
    ];
    return full.length === 0 ? undefined : `[host] allows no more ${full.join(', ')}`;
  }
}

/** Without a limit of its own a sandbox can take all there is. */
function promise(memoryLimitBytes: number | null): number {
  return memoryLimitBytes ?? totalmem();
}
