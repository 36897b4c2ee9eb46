// Runs the launcher, the small process that forks for the daemon (native/supervisor/launcher.c): forking the daemon
// itself would take milliseconds and stop its event loop. Started when it is first needed, and again when it has
// gone.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OwnedFd } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import type { Uid } from '../../lib/values/uid.ts';
import { WireWriter, withFdCount } from '../../lib/wire.ts';
import { addon } from '../addon.ts';
import { ClientConnection, type Disposer, isPeerGone } from '../socket/client-connection.ts';
import { SeqpacketConnection } from '../socket/seqpacket.ts';
import { Bins } from './bins.ts';

export interface LauncherOptions {
  /** dockersh-supervisor and dockersh-init; only root can change them (checked by the caller). */
  readonly supervisorProgram: string;
  readonly initProgram: string;
  /** What shows kept terminals (src/screen), for our own Node to run. */
  readonly screenProgram?: string;
  readonly log: Logger;
  /** Hears of each process, before it is asked for anything. */
  readonly started?: (pid: number) => void;
}

const letGo = new WireWriter('letGo').finish();

export class Launcher implements Disposer, Disposable {
  readonly #options: LauncherOptions;
  readonly #bins: Bins;
  #running: { readonly socket: SeqpacketConnection; readonly process: ChildProcess } | undefined;
  #telling: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#bins = new Bins((uid, bin) => this.#carry(uid, bin));
  }

  /** Takes the descriptor, unless it throws. `undelivered` has it back where the process ended before it heard of it. */
  send(message: Buffer, fd: OwnedFd, undelivered?: (fds: readonly OwnedFd[]) => void): void {
    try {
      (this.#running?.socket ?? this.#start()).send(message, [fd], undelivered);
    } catch (error) {
      if (!isPeerGone(error)) throw error;
      this.#lost(); // before we have heard that it ended
      this.#start().send(message, [fd], undelivered);
    }
  }

  dispose(message: Buffer, connection: OwnedFd, uid: Uid): void {
    // The launcher passes on what it gets, but for the number of descriptors.
    this.send(withFdCount(message, 1), connection, ([fd]) => {
      // It had them waiting when it ended. The next one is asked.
      if (fd !== undefined && !this.#closed) new ClientConnection(fd, uid).refuse(this, message);
    });
    this.#tellLater();
  }

  discard(uid: Uid, connection: OwnedFd): void {
    this.#bins.put(uid, connection);
  }

  #carry(uid: Uid, bin: OwnedFd): void {
    const message = new WireWriter('discard').u32('uid', uid).finish(1);
    this.send(message, bin, ([fd]) => {
      if (fd !== undefined && !this.#closed) this.#bins.put(uid, fd);
    });
    this.#tellLater();
  }

  /** That our copies of what has been sent are closed, which its children wait for: ours must not be the last ones. */
  #tellLater(): void {
    this.#telling ??= setImmediate(() => {
      this.#telling = undefined;
      try {
        this.#running?.socket.send(letGo);
      } catch (error) {
        if (!isPeerGone(error)) throw error; // it has ended, with all that it had
      }
    });
  }

  #start(): SeqpacketConnection {
    const { supervisorProgram, initProgram, screenProgram, log, started } = this.#options;
    const screen = screenProgram === undefined ? [] : [process.execPath, screenProgram];
    const [ours, theirs] = addon().socketPair();
    using end = new OwnedFd(theirs);
    using parts = new DisposableStack();
    const socket = parts.use(new SeqpacketConnection(new OwnedFd(ours)));
    const child = spawn(supervisorProgram, [initProgram, ...screen], {
      stdio: ['ignore', 'ignore', 'inherit', end.borrow()],
      env: {},
      cwd: '/',
    });
    child.on('error', (error) => log.error({ err: error }, 'the supervisor launcher failed'));
    child.on('exit', (code, signal) => {
      if (this.#closed) return;
      log.error({ code, signal }, 'the supervisor launcher ended; the next login starts it again');
      if (this.#running?.socket === socket) this.#lost();
    });
    child.unref();
    if (child.pid !== undefined) started?.(child.pid);
    parts.move();
    this.#running = { socket, process: child };
    return socket;
  }

  #lost(): void {
    const running = this.#running;
    this.#running = undefined;
    running?.socket[Symbol.dispose]();
  }

  /** Lets it do what it was asked for, then ends it; gives up after `mostMs`. */
  async finish(mostMs: number): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const deadline = Date.now() + mostMs;
    while (running.socket.queued > 0 && Date.now() < deadline) await sleep(1);
    const gone = once(running.process, 'exit');
    this[Symbol.dispose]();
    await Promise.race([gone, sleep(Math.max(0, deadline - Date.now()))]);
  }

  /** It ends when its connection does. */
  [Symbol.dispose](): void {
    this.#closed = true;
    clearImmediate(this.#telling);
    this.#running?.socket[Symbol.dispose]();
  }
}
