// Sees to it that the DNS relay runs (native/relay): finds the one that an earlier daemon has started, starts another where
// it has gone or is of another build, and leaves it running when the daemon ends.

import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { hasErrno } from '../../lib/errors.ts';
import { closeAll } from '../../lib/fd.ts';
import type { Logger } from '../../lib/log.ts';
import { parseWire, textOf, WireWriter } from '../../lib/wire.ts';
import { SeqpacketConnection } from '../socket/seqpacket.ts';

export interface RelayOptions {
  /** dockersh-relay; only root can change it (checked by the caller). */
  readonly program: string;
  /** Where it listens. */
  readonly socket: string;
  readonly log: Logger;
  /** Hears of each process, which belongs among the supervisors: it outlives the daemon. */
  readonly started: (pid: number) => void;
}

/** While one that has just been started is on its way; and where it does not come. */
const soonMs = 5;
const laterMs = 1000;
const patienceMs = 2000;
/** What has ended is looked for at once so many times; whoever goes on ending, so often. */
const timesAtOnce = 10;
const lostEachMs = 100;

export class DnsRelay implements Disposable {
  readonly #options: RelayOptions;
  #connection: SeqpacketConnection | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** When a process was started that has not been connected to yet. */
  #startedAt: number | undefined;
  #wanted = false;
  /** When the next loss is due that would be no more than one in `lostEachMs`. */
  #lossDueAt = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  get socket(): string {
    return this.#options.socket;
  }

  /** From the first sandbox on that asks it. Returns at once: what is asked before the relay is there waits. */
  want(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#find();
  }

  #find(): void {
    this.#retry = undefined;
    try {
      this.#connected(this.#connect());
    } catch (error) {
      if (hasErrno(error, 'EPIPE', 'ECONNRESET')) {
        this.#again(); // one that is just ending
        return;
      }
      if (!hasErrno(error, 'ENOENT', 'ECONNREFUSED', 'EAGAIN')) {
        this.#options.log.error({ err: error }, 'the DNS relay can’t be reached');
      } else if (this.#startedAt === undefined) {
        this.#start();
      }
      this.#later();
    }
  }

  /** And asks which build it is. One that is just ending may still take the connection, and not the question. */
  #connect(): SeqpacketConnection {
    const connection = SeqpacketConnection.connect(this.#options.socket);
    try {
      connection.send(new WireWriter('hello').finish());
      return connection;
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
  }

  #later(): void {
    const waits = this.#startedAt !== undefined && performance.now() - this.#startedAt < patienceMs;
    if (!waits) this.#startedAt = undefined;
    this.#retry = setTimeout(() => this.#find(), waits ? soonMs : laterMs);
    this.#retry.unref();
  }

  #connected(connection: SeqpacketConnection): void {
    this.#startedAt = undefined;
    this.#connection = connection;
    connection.listen({
      message: ({ data, fds }) => {
        closeAll(fds);
        this.#compare(connection, data);
      },
      end: () => this.#lost(connection),
    });
  }

  #lost(connection: SeqpacketConnection): void {
    connection[Symbol.dispose]();
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#again();
  }

  /** At once, but for whoever takes connections and ends them, without end. */
  #again(): void {
    const now = performance.now();
    this.#lossDueAt = Math.max(this.#lossDueAt, now - timesAtOnce * lostEachMs) + lostEachMs;
    this.#retry = setTimeout(() => this.#find(), Math.max(0, this.#lossDueAt - now)).unref();
  }

  /** One of another build ends, and hands what it has to the next. */
  #compare(connection: SeqpacketConnection, data: Buffer): void {
    const message = parseWire(data);
    const state = message === undefined ? undefined : textOf(message, 'state');
    if (state === undefined || state === this.#build()) return;
    this.#options.log.info('the DNS relay is of another build; the next one takes its place');
    try {
      connection.send(new WireWriter('stop').finish());
    } catch {
      // It has gone already, and its end is heard.
    }
  }

  /** As native/relay/main.c writes it. */
  #build(): string {
    const { dev, ino, mtimeNs } = statSync(this.#options.program, { bigint: true });
    return `${dev}:${ino}:${mtimeNs}`;
  }

  #start(): void {
    const { program, socket, log, started } = this.#options;
    this.#startedAt = performance.now();
    // What it says on standard error is why it can't start; it closes that when it runs.
    const child = spawn(program, [socket], {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
      env: {},
      cwd: '/',
    });
    child.on('error', (error) => log.error({ err: error }, 'the DNS relay could not be started'));
    child.on('exit', (code, signal) => {
      if (code !== 0) log.error({ code, signal }, 'the DNS relay ended');
    });
    child.unref();
    if (child.pid !== undefined) started(child.pid);
  }

  /** The relay goes on for as long as there are sandboxes, and for the next daemon. */
  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    const connection = this.#connection;
    this.#connection = undefined;
    this.#wanted = true; // and is not looked for any more
    connection?.[Symbol.dispose]();
  }
}
