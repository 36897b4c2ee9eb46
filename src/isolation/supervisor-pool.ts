// Supervisors that wait for a sandbox. Starting one takes a moment (and on cgroup v1 moving a process into a
// cgroup takes 7 to 20 ms), so a few are always ready. They are forked by a small launcher process, because
// forking the daemon itself would take milliseconds and stop its event loop.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeAll, OwnedFd } from '../lib/fd.ts';
import type { Logger } from '../lib/log.ts';
import { parseWire, textOf, WireWriter } from '../lib/wire.ts';
import { addon } from './addon.ts';
import type { CgroupHost } from './cgroup-host.ts';
import { SeqpacketConnection } from './seqpacket.ts';

const readyCount = 4;

export interface PoolOptions {
  /** dockersh-supervisor and dockersh-init; only root can change them (checked by the caller). */
  readonly supervisorProgram: string;
  readonly initProgram: string;
  readonly cgroups: CgroupHost;
  readonly log: Logger;
}

export class SupervisorPool implements Disposable {
  readonly #options: PoolOptions;
  readonly #ready: SeqpacketConnection[] = [];
  readonly #prepare: Buffer;
  #launcher: { socket: SeqpacketConnection; process: ChildProcess } | undefined;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    const message = new WireWriter('prepare').u32('cgroupKind', options.cgroups.version);
    for (const parent of options.cgroups.parents) message.text('cgroup', parent);
    this.#prepare = message.finish();
    this.#refill();
  }

  #startLauncher(): SeqpacketConnection {
    const [ours, theirs] = addon().socketPair();
    using end = new OwnedFd(theirs);
    const child = spawn(this.#options.supervisorProgram, [this.#options.initProgram], {
      stdio: ['ignore', 'ignore', 'inherit', end.borrow()],
      env: {},
      cwd: '/',
    });
    const socket = new SeqpacketConnection(new OwnedFd(ours));
    this.#launcher = { socket, process: child };
    child.on('error', (error) => this.#options.log.error({ err: error }, 'the supervisor launcher failed'));
    child.on('exit', (code, signal) => {
      if (this.#closed) return;
      this.#options.log.error(
        { code, signal },
        'the supervisor launcher ended; the next login starts it again',
      );
      socket[Symbol.dispose]();
      this.#launcher = undefined;
    });
    child.unref();
    if (child.pid !== undefined) this.#options.cgroups.placeLauncher(child.pid);
    return socket;
  }

  #fork(): SeqpacketConnection {
    const launcher = this.#launcher?.socket ?? this.#startLauncher();
    const [ours, theirs] = addon().socketPair();
    const connection = new SeqpacketConnection(new OwnedFd(ours));
    using end = new OwnedFd(theirs);
    try {
      launcher.send(new WireWriter('fork').finish(1), [end]);
      connection.send(this.#prepare);
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
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
  }

  /** Takes a client's connection, tells the client why it was refused, and closes it: in another process. */
  dispose(message: Buffer, connection: OwnedFd): void {
    const launcher = this.#launcher?.socket ?? this.#startLauncher();
    // The launcher passes on what it gets, but for the number of descriptors.
    const answer = Buffer.from(message);
    answer.writeUInt16LE(1, 6);
    launcher.send(answer, [connection]);
  }

  /** A supervisor that has no sandbox yet; the caller owns the connection. */
  take(): SeqpacketConnection {
    const taken = this.#ready.shift() ?? this.#fork();
    taken.pause();
    // After the login that is waiting has been served.
    setImmediate(() => {
      try {
        this.#refill();
      } catch (error) {
        this.#options.log.error({ err: error }, 'no supervisor could be started ahead of time');
      }
    });
    return taken;
  }

  /** Waiting supervisors end when their connection does; the launcher too. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const connection of this.#ready) connection[Symbol.dispose]();
    this.#launcher?.socket[Symbol.dispose]();
  }
}

function failureOf(data: Buffer): string {
  const message = parseWire(data);
  return message === undefined ? 'not understood' : (textOf(message, 'text') ?? message.type);
}
