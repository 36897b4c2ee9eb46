// Serves one client from its first byte to its last: authentication first, then channels, on one transport. Everything that
// takes a right is asked of the monitor.

import type { Socket } from 'node:net';
import { Authentication } from './auth/authentication.ts';
import { Channels, type Opener } from './channels/channels.ts';
import { connector } from './forwards/connect.ts';
import { Listeners } from './forwards/listeners.ts';
import { GlobalRequests } from './forwards/requests.ts';
import type { Monitor } from './monitor/monitor.ts';
import { Session } from './sessions/session.ts';
import { message, openFailure } from './ssh/numbers.ts';
import { Writer } from './ssh/writer.ts';
import { Proofs } from './transport/host-key-proofs.ts';
import { hostKeysOf, type Sign } from './transport/host-keys.ts';
import { Transport } from './transport/transport.ts';

export interface ConnectionParts {
  readonly socket: Socket;
  readonly hostKeys: readonly Buffer[];
  readonly methods: string;
  readonly banner: string | undefined;
  readonly monitor: Monitor;
  readonly sign: Sign;
}

/** The client is asked whether it is there after so much silence, and given up after so many questions. */
const aliveMs = 60_000;
const mostUnanswered = 10;

export class Connection {
  readonly #monitor: Monitor;
  readonly #transport: Transport;
  readonly #authentication: Authentication;
  readonly #channels: Channels;
  readonly #listeners: Listeners;
  readonly #requests: GlobalRequests;
  readonly #proofs: Proofs;
  readonly #ended: (why: string) => void;
  #alive: NodeJS.Timeout | undefined;
  #unanswered = 0;
  #authenticated = false;
  #noMoreSessions = false;

  /** `ended`: called once, with a reason for the log. */
  constructor(parts: ConnectionParts, ended: (why: string) => void) {
    const { socket, monitor, methods, banner } = parts;
    this.#monitor = monitor;
    this.#ended = ended;
    this.#transport = new Transport(socket, hostKeysOf(parts.hostKeys, parts.sign), {
      packet: (type, payload) => this.#packet(type, payload),
      writable: () => this.#channels.writable(),
      ended: (why) => this.#end(why),
    });
    this.#authentication = new Authentication(this.#transport, monitor, {
      methods,
      banner,
      done: () => this.#begin(),
    });
    this.#channels = new Channels(this.#transport, this.#openers());
    this.#listeners = new Listeners(monitor, this.#channels);
    this.#proofs = new Proofs(parts.hostKeys, parts.sign);
    this.#requests = new GlobalRequests(this.#transport, {
      listeners: this.#listeners,
      proofs: this.#proofs,
      noMoreSessions: () => {
        this.#noMoreSessions = true;
      },
    });
  }

  start(): void {
    this.#transport.start();
  }

  #openers(): ReadonlyMap<string, Opener> {
    const session: Opener = async (_rest, open) => {
      if (this.#noMoreSessions)
        return { reason: openFailure.administrativelyProhibited, text: 'no more sessions' };
      new Session(open(), this.#monitor, this.#listeners);
      return undefined;
    };
    return new Map([
      ['session', session],
      ['direct-tcpip', connector(this.#monitor, 'tcp')],
      ['direct-streamlocal@openssh.com', connector(this.#monitor, 'unix')],
    ]);
  }

  #packet(type: number, payload: Buffer): void {
    this.#unanswered = 0;
    this.#alive?.refresh();
    if (!this.#authenticated) this.#authentication.packet(type, payload);
    else if (type >= message.channelOpen && type <= message.channelFailure)
      this.#channels.packet(type, payload);
    else if (type === message.globalRequest) this.#requests.packet(payload);
    else if (type === message.requestSuccess || type === message.requestFailure) return;
    // Late requests are ignored (RFC 4252, section 5.1).
    else if (type !== message.userauthRequest) this.#transport.unimplemented();
  }

  #begin(): void {
    this.#authenticated = true;
    this.#transport.send(this.#proofs.announcement());
    this.#alive = setInterval(() => this.#ask(), aliveMs);
  }

  #ask(): void {
    this.#unanswered += 1;
    if (this.#unanswered > mostUnanswered) {
      this.#transport.disconnect(10, 'no answer any more');
      return;
    }
    this.#transport.send(
      new Writer(message.globalRequest).string('keepalive@openssh.com').boolean(true).finish(),
    );
  }

  #end(why: string): void {
    clearInterval(this.#alive);
    this.#listeners.end();
    this.#channels.end();
    this.#ended(why);
  }
}
