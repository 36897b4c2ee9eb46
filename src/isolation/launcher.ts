// The small process that forks for the daemon (native/supervisor/launcher.c): forking the daemon itself would take
// milliseconds and stop its event loop. Started when it is first needed, and again when it has gone.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { OwnedFd } from '../lib/fd.ts';
import type { Logger } from '../lib/log.ts';
import { addon } from './addon.ts';
import type { Disposer } from './client-connection.ts';
import { SeqpacketConnection } from './seqpacket.ts';

export interface LauncherOptions {
  /** dockersh-supervisor and dockersh-init; only root can change them (checked by the caller). */
  readonly supervisorProgram: string;
  readonly initProgram: string;
  readonly log: Logger;
  /** Hears of each process, before it is asked for anything. */
  readonly started?: (pid: number) => void;
}

export class Launcher implements Disposer, Disposable {
  readonly #options: LauncherOptions;
  #running: { readonly socket: SeqpacketConnection; readonly process: ChildProcess } | undefined;
  #closed = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
  }

  send(message: Buffer, fd: OwnedFd): void {
    (this.#running?.socket ?? this.#start()).send(message, [fd]);
  }

  /** Takes a client's connection, tells the client why it was refused, and closes it: in another process. */
  dispose(message: Buffer, connection: OwnedFd): void {
    // The launcher passes on what it gets, but for the number of descriptors.
    const answer = Buffer.from(message);
    answer.writeUInt16LE(1, 6);
    this.send(answer, connection);
  }

  #start(): SeqpacketConnection {
    const { supervisorProgram, initProgram, log, started } = this.#options;
    const [ours, theirs] = addon().socketPair();
    using end = new OwnedFd(theirs);
    const child = spawn(supervisorProgram, [initProgram], {
      stdio: ['ignore', 'ignore', 'inherit', end.borrow()],
      env: {},
      cwd: '/',
    });
    const socket = new SeqpacketConnection(new OwnedFd(ours));
    this.#running = { socket, process: child };
    child.on('error', (error) => log.error({ err: error }, 'the supervisor launcher failed'));
    child.on('exit', (code, signal) => {
      if (this.#closed) return;
      log.error({ code, signal }, 'the supervisor launcher ended; the next login starts it again');
      socket[Symbol.dispose]();
      this.#running = undefined;
    });
    child.unref();
    if (child.pid !== undefined) started?.(child.pid);
    return socket;
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
    this.#running?.socket[Symbol.dispose]();
  }
}
