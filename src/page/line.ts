// The page's connection to the gateway: one WebSocket for one login and its session.

import { aliveMs, type FromPage, type ToPage, webPath, webProtocol } from '../lib/terminal/page-messages.ts';

export interface LineEnds {
  readonly open: () => void;
  readonly said: (message: ToPage) => void;
  readonly shown: (bytes: Uint8Array) => void;
  /** Once; nothing is heard afterwards. */
  readonly cut: () => void;
}

/** Nothing that long: the line is dead, whatever the network says. */
const silenceMs = 4 * aliveMs;
/** A longer paste goes in several messages. */
const pieceBytes = 16 * 1024;

export class Line {
  readonly #socket: WebSocket;
  readonly #ends: LineEnds;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(ends: LineEnds) {
    this.#ends = ends;
    const socket = new WebSocket(`wss://${location.host}${webPath}`, webProtocol);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => ends.open());
    socket.addEventListener('message', ({ data }) => this.#hear(data));
    socket.addEventListener('close', () => this.#cut());
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#cut(), silenceMs);
  }

  #hear(data: unknown): void {
    if (this.#over) return;
    this.#wait();
    if (data instanceof ArrayBuffer) this.#ends.shown(new Uint8Array(data));
    else this.#ends.said(JSON.parse(String(data)) as ToPage);
  }

  #cut(): void {
    if (this.#over) return;
    this.close();
    this.#ends.cut();
  }

  say(message: FromPage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  type(bytes: Uint8Array<ArrayBuffer>): void {
    for (let at = 0; at < bytes.length && this.#socket.readyState === WebSocket.OPEN; at += pieceBytes)
      this.#socket.send(bytes.subarray(at, at + pieceBytes));
  }

  /** Nothing is heard of it any more. */
  close(): void {
    this.#over = true;
    clearTimeout(this.#silence);
    this.#socket.close();
  }
}
