// One visit at the page's terminal, on one WebSocket: a login, then a session, whose bytes go both ways no faster than they are
// taken. The WebSocket's end hangs the session up, as the end of an ssh connection does.

import type { RawData, WebSocket } from 'ws';
import {
  aliveMs,
  type FromPage,
  fromPage,
  type Size,
  type ToPage,
} from '../../lib/terminal/page-messages.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { WebLogin } from './login.ts';
import { WebSession } from './session.ts';

export interface VisitParts {
  readonly monitor: Monitor;
  readonly methods: string;
  readonly banner: string | undefined;
}

const violation = 1008;
const normal = 1000;
/** A browser answers by itself; one that has not three times is gone. */
const mostUnanswered = 3;

/** As ws hands messages over where nothing else is asked for. */
const bytesOf = (data: RawData): Buffer => (data instanceof Buffer ? data : Buffer.alloc(0));

export class Visit {
  readonly #socket: WebSocket;
  readonly #parts: VisitParts;
  readonly #login: WebLogin;
  readonly #alive: NodeJS.Timeout;
  #session: WebSession | undefined;
  #size: Size = [80, 24];
  #unanswered = 0;

  constructor(socket: WebSocket, parts: VisitParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#login = new WebLogin({
      monitor: parts.monitor,
      methods: parts.methods,
      say: (message) => this.#say(message),
      done: () => this.#begin(),
    });
    socket.on('message', (data, isBinary) => this.#hear(bytesOf(data), isBinary));
    socket.on('pong', () => {
      this.#unanswered = 0;
    });
    // What is too long, or no message at all: ws has ended it.
    socket.on('error', () => socket.terminate());
    socket.once('close', () => this.#end());
    this.#alive = setInterval(() => this.#ask(), aliveMs);
    if (parts.banner !== undefined) this.#say({ kind: 'say', text: parts.banner, wrong: false });
  }

  #say(message: ToPage): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(JSON.stringify(message));
    if (message.kind === 'over') this.#socket.close(normal);
  }

  #ask(): void {
    // While what is typed is held back, its answers are as well.
    if (!this.#socket.isPaused) this.#unanswered += 1;
    if (this.#unanswered > mostUnanswered) {
      this.#socket.terminate();
      return;
    }
    this.#socket.ping();
    this.#say({ kind: 'alive' });
  }

  #hear(data: Buffer, isBinary: boolean): void {
    const message = isBinary ? undefined : fromPage(data.toString('utf8'));
    const isFine = isBinary ? this.#session?.type(data) : message !== undefined && this.#take(message);
    if (isFine !== true) this.#socket.close(violation);
  }

  /** Whether it may come now. */
  #take(message: FromPage): boolean {
    switch (message.kind) {
      case 'login':
        this.#size = message.size;
        return this.#login.begin(message.user);
      case 'answers':
        return this.#login.answer(message.answers);
      case 'size':
        this.#size = message.size;
        this.#session?.resize(message.size);
        return true;
      case 'shown':
        return this.#session?.shown(message.bytes) === true;
    }
  }

  #begin(): void {
    const socket = this.#socket;
    this.#session = new WebSession(this.#parts.monitor, this.#size, {
      send: (bytes) => socket.send(bytes),
      started: () => this.#say({ kind: 'started' }),
      over: (text) => this.#say({ kind: 'over', text }),
      hold: (held) => (held ? socket.pause() : socket.resume()),
    });
  }

  #end(): void {
    clearInterval(this.#alive);
    this.#session?.close();
  }
}
