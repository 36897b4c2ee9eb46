// The pool of supervisors that wait for a sandbox. Starting one takes a moment (and on cgroup v1 moving a process
// into a cgroup takes 7 to 20 ms), so a few are always ready. They are forked by the launcher.

import { closeAll, OwnedFd } from '../../lib/fd.ts';
import { parseWire, textOf, WireWriter } from '../../lib/wire.ts';
import { addon } from '../addon.ts';
import type { CgroupHost } from '../cgroup/host.ts';
import { removeOfKilled } from '../cgroup/removal.ts';
import type { Disposer } from '../socket/client-connection.ts';
import { SeqpacketConnection } from '../socket/seqpacket.ts';
import { Figures, type LxcfsPlace } from './figures.ts';
import { Launcher, type LauncherOptions } from './launcher.ts';

export const readyCount = 4;
/** While so many are ready, the next one is not started beside the login that took one: it has the processors. */
const enoughReady = 2;
const refillLaterMs = 20;
/** Until it is tried again where one could not be started. */
const refillAgainMs = 1000;

export interface PoolOptions extends Omit<LauncherOptions, 'started'> {
  readonly cgroups: CgroupHost;
  readonly lxcfs: LxcfsPlace;
  /** For all supervisors that have a sandbox. */
  readonly figuresAre: (message: Buffer) => void;
}

export class SupervisorPool implements Disposable {
  readonly #options: PoolOptions;
  readonly #ready: SeqpacketConnection[] = [];
  readonly #prepare: Buffer;
  readonly #launcher: Launcher;
  readonly figures: Figures;
  #closed = false;
  #later: NodeJS.Timeout | undefined;
  #clearing = Promise.resolve();

  private constructor(options: PoolOptions, prepare: Buffer, launcher: Launcher) {
    this.#options = options;
    this.#prepare = prepare;
    this.#launcher = launcher;
    this.figures = new Figures({
      place: options.lxcfs,
      launch: (message, fd) => launcher.send(message, fd),
      changed: options.figuresAre,
      log: options.log,
    });
  }

  /** Has the first ones forked. */
  static start(options: PoolOptions): SupervisorPool {
    const message = new WireWriter('prepare').u32('cgroupKind', options.cgroups.version);
    for (const parent of options.cgroups.parents) message.text('cgroup', parent);
    const launcher = new Launcher({ ...options, started: (pid) => options.cgroups.placeLauncher(pid) });
    const pool = new SupervisorPool(options, message.finish(), launcher);
    pool.clearAfterKilled();
    pool.#refill();
    pool.figures.watch();
    return pool;
  }

  #fork(): SeqpacketConnection {
    const [ours, theirs] = addon().socketPair();
    using end = new OwnedFd(theirs);
    using parts = new DisposableStack();
    const connection = parts.use(new SeqpacketConnection(new OwnedFd(ours)));
    connection.send(this.#prepare);
    // Takes the descriptor, which waits with the message where the launcher is behind with refusals: last of all.
    this.#launcher.send(new WireWriter('fork').finish(1), end);
    parts.move();
    return connection;
  }

  #refill(): void {
    while (!this.#closed && this.#ready.length < readyCount) {
      const connection = this.#fork();
      this.#ready.push(connection);
      connection.listen({
        message: ({ data, fds }) => {
          closeAll(fds);
          this.#options.log.error({ failure: failureOf(data) }, 'a supervisor could not get ready');
        },
        end: () => this.#lost(connection),
      });
    }
  }

  /** One that ended before it was wanted; the next login takes another. */
  #lost(connection: SeqpacketConnection): void {
    const index = this.#ready.indexOf(connection);
    if (index >= 0) this.#ready.splice(index, 1);
    connection[Symbol.dispose]();
    this.clearAfterKilled();
  }

  /** Takes away what supervisors have left that were killed before they had a sandbox. */
  clearAfterKilled(): void {
    const { cgroups, log } = this.#options;
    if (cgroups.version === 2) return;
    this.#clearing = this.#clearing
      .then(() => removeOfKilled(cgroups.parents))
      .catch((error: unknown) => log.error({ err: error }, 'clean-up failed'));
  }

  /** Who takes clients' connections off our hands. */
  get disposer(): Disposer {
    return this.#launcher;
  }

  /** A supervisor that has no sandbox yet; the caller owns the connection. */
  take(): SeqpacketConnection {
    const taken = this.#ready.shift() ?? this.#fork();
    taken.pause();
    if (this.#ready.length < enoughReady) setImmediate(() => this.#tryRefill());
    else this.#later ??= setTimeout(() => this.#tryRefill(), refillLaterMs);
    return taken;
  }

  #tryRefill(): void {
    clearTimeout(this.#later);
    this.#later = undefined;
    try {
      this.#refill();
    } catch (error) {
      this.#options.log.error({ err: error }, 'no supervisor could be started ahead of time');
      this.#later = setTimeout(() => this.#tryRefill(), refillAgainMs).unref();
    }
  }

  /** Waiting supervisors end when their connection does; the launcher too. */
  [Symbol.dispose](): void {
    this.#closed = true;
    this.figures[Symbol.dispose]();
    clearTimeout(this.#later);
    for (const connection of this.#ready) connection[Symbol.dispose]();
    this.#launcher[Symbol.dispose]();
  }
}

function failureOf(data: Buffer): string {
  const message = parseWire(data);
  return message === undefined ? 'not understood' : (textOf(message, 'text') ?? message.type);
}
