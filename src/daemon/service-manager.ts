// Talks to systemd: sockets that were opened for us (sd_listen_fds(3)), that we are ready, alive or stopping
// (sd_notify(3)). Started by hand, there is nobody to talk to, and nothing happens.

import path from 'node:path';
import { type InheritedSocket, inheritSocket, sendDatagram } from '../isolation/socket/service-socket.ts';
import { DockershError } from '../lib/errors.ts';
import type { OwnedFd } from '../lib/fd.ts';
import type { Logger } from '../lib/log.ts';

/** The first descriptor that is passed on (SD_LISTEN_FDS_START). */
const firstFd = 3;
const mostFds = 64;

const socketNames = ['login', 'admin', 'exec', 'join', 'gateway'] as const;
export type SocketName = (typeof socketNames)[number];
export type InheritedSockets = ReadonlyMap<SocketName, OwnedFd>;

export interface ServiceEnvironment {
  readonly listenFds: number;
  readonly notifySocket: string | undefined;
  /** How often a sign of life is due; undefined: never. */
  readonly watchdogMs: number | undefined;
}

/** Reads the variables and takes them away: none of our own programs is meant by them. */
export function takeServiceEnvironment(env: NodeJS.ProcessEnv, pid: number): ServiceEnvironment {
  const taken = (name: string): string | undefined => {
    const value = env[name];
    delete env[name];
    return value === '' ? undefined : value;
  };
  const forUs = (name: string, otherwise: boolean): boolean => {
    const value = taken(name);
    return value === undefined ? otherwise : value === String(pid);
  };
  const natural = (text: string | undefined): number => (/^\d{1,15}$/.test(text ?? '') ? Number(text) : 0);
  const listenFds = natural(taken('LISTEN_FDS'));
  const watchdogUs = natural(taken('WATCHDOG_USEC'));
  taken('LISTEN_FDNAMES'); // where a socket listens tells more than what somebody called it
  return {
    listenFds: forUs('LISTEN_PID', false) ? Math.min(listenFds, mostFds) : 0,
    notifySocket: taken('NOTIFY_SOCKET'),
    watchdogMs: forUs('WATCHDOG_PID', true) && watchdogUs > 0 ? watchdogUs / 1000 : undefined,
  };
}

/**
 * The sockets that were opened for us, by what they are for. Throws E_USAGE for one that is not ours: then the
 * service manager's units and this daemon's --run do not fit.
 */
export function inheritSockets(
  { listenFds }: ServiceEnvironment,
  run: string,
  inherit: (fd: number) => InheritedSocket = inheritSocket,
): InheritedSockets {
  const sockets = new Map<SocketName, OwnedFd>();
  for (let number = firstFd; number < firstFd + listenFds; number += 1) {
    const socket = inherit(number);
    const name = socketNames.find((candidate) => socket.path === path.join(run, `${candidate}.sock`));
    if (name === undefined || socket.seqpacket !== (name !== 'admin') || sockets.has(name)) {
      throw new DockershError('E_USAGE', {
        what: `descriptor ${number} of the service manager is no socket of this daemon`,
        why: socket.path === '' ? 'it has no path' : `it listens at ${socket.path}`,
        hint: `Sockets for a daemon with --run ${run} are ${socketNames.map((each) => `${each}.sock`).join(', ')} there.`,
      });
    }
    sockets.set(name, socket.fd);
  }
  return sockets;
}

export class ServiceManager implements Disposable {
  readonly #environment: ServiceEnvironment;
  readonly #log: Logger;
  readonly #send: (path: string, data: Buffer) => void;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(environment: ServiceEnvironment, log: Logger, send = sendDatagram) {
    this.#environment = environment;
    this.#log = log;
    this.#send = send;
  }

  /** Logins are accepted. From now on it hears that we live as often as it wants to. */
  ready(status: string): void {
    this.#notify(`READY=1\nSTATUS=${status}`);
    const { watchdogMs } = this.#environment;
    // The event loop says it, so that a daemon that is stuck falls silent. Twice as often as it must.
    if (watchdogMs !== undefined)
      this.#watchdog = setInterval(() => this.#notify('WATCHDOG=1'), watchdogMs / 2);
  }

  /** One line, which "systemctl status" shows. */
  status(status: string): void {
    this.#notify(`STATUS=${status}`);
  }

  stopping(): void {
    this.#notify('STOPPING=1\nSTATUS=Stopping; sandboxes go on');
  }

  #notify(state: string): void {
    const { notifySocket } = this.#environment;
    if (notifySocket === undefined) return;
    try {
      this.#send(notifySocket, Buffer.from(state));
    } catch (error) {
      this.#log.warn({ err: error, state }, 'the service manager does not listen');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
  }
}
