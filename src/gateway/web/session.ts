// The session behind a page's terminal: has the monitor start a shell, and joins what comes back, the master of a terminal,
// to the page.

import { closeAll, type OwnedFd } from '../../lib/fd.ts';
import { mostUnshown, type Size } from '../../lib/terminal/page-messages.ts';
import { textOf, u32Of, WireWriter } from '../../lib/wire.ts';
import type { Monitor, SessionEnd } from '../monitor/monitor.ts';
import { TerminalStream } from '../streams/terminal-stream.ts';

export interface SessionEnds {
  readonly send: (bytes: Buffer) => void;
  readonly started: () => void;
  /** Nothing comes any more; the text says how it has ended. */
  readonly over: (text: string) => void;
  /** Whether what is typed is to be held back for now. */
  readonly hold: (held: boolean) => void;
}

/** Erasing takes a character, not a byte (RFC 8160); the list ends with a zero (RFC 4254, section 8). */
const iutf8 = 42;
const endOfModes = 0;
/** Typed, and not taken by the terminal yet. */
const mostUntaken = 256 * 1024;
/** For what a session has said last. */
const lastMs = 5000;

const endText = (end: SessionEnd): string =>
  end.kind === 'signal'
    ? `The session was ended by the signal ${end.name}.`
    : `The session has ended with status ${end.status}.`;

export class WebSession {
  readonly #monitor: Monitor;
  readonly #ends: SessionEnds;
  readonly #slot: number;
  #terminal: TerminalStream | undefined;
  #size: Size;
  #unshown = 0;
  #untaken = 0;
  #readsNothing = false;
  #ended: string | undefined;
  #atEnd = false;
  #closed = false;
  #last: NodeJS.Timeout | undefined;

  constructor(monitor: Monitor, size: Size, ends: SessionEnds) {
    this.#monitor = monitor;
    this.#ends = ends;
    this.#size = size;
    this.#slot = monitor.slot();
    monitor.whenEnded(this.#slot, (end) => this.#whenEnded(endText(end)));
    void this.#start();
  }

  async #start(): Promise<void> {
    const asked = new WireWriter('gwSession')
      .u32('slot', this.#slot)
      .text('kind', 'shell')
      .text('env', 'LANG=C.UTF-8')
      .text('env', 'COLORTERM=truecolor')
      .text('gwTerm', 'xterm-256color')
      .u32('gwSize', ...this.#size, 0, 0)
      .bytes('gwModes', Buffer.of(iutf8, 0, 0, 0, 1, endOfModes));
    const { message, fds } = await this.#monitor.ask(this.#slot, asked);
    const [master] = fds;
    if (u32Of(message, 'code') !== 0 || master === undefined || fds.length !== 1 || this.#closed) {
      closeAll(fds);
      const reason = textOf(message, 'text') ?? '';
      this.#finish(reason === '' ? 'The session can’t be started.' : reason);
      return;
    }
    this.#join(master);
  }

  #join(master: OwnedFd): void {
    const terminal = new TerminalStream(master);
    this.#terminal = terminal;
    this.#ends.started();
    this.resize(this.#size);
    terminal.read(
      (bytes) => this.#show(bytes),
      () => {
        this.#atEnd = true;
        this.#finishIfDone();
      },
    );
  }

  // ---- to the page

  #show(bytes: Buffer): void {
    this.#unshown += bytes.length;
    this.#ends.send(bytes);
    if (this.#unshown >= mostUnshown && !this.#readsNothing) {
      this.#readsNothing = true;
      this.#terminal?.pause();
    }
  }

  /** The page has shown so much. False: more than it was sent. */
  shown(bytes: number): boolean {
    if (bytes > this.#unshown) return false;
    this.#unshown -= bytes;
    if (this.#readsNothing && this.#unshown < mostUnshown / 2) {
      this.#readsNothing = false;
      this.#terminal?.resume();
    }
    return true;
  }

  // ---- from the page

  /** False: there is no terminal yet. */
  type(bytes: Buffer): boolean {
    const terminal = this.#terminal;
    if (terminal === undefined) return false;
    this.#untaken += bytes.length;
    if (this.#untaken > mostUntaken) this.#ends.hold(true);
    terminal.write(bytes, () => {
      const before = this.#untaken;
      this.#untaken -= bytes.length;
      if (before > mostUntaken && this.#untaken <= mostUntaken) this.#ends.hold(false);
    });
    return true;
  }

  resize(size: Size): void {
    this.#size = size;
    this.#terminal?.resize([...size, 0, 0]);
  }

  // ---- the end

  #whenEnded(text: string): void {
    this.#ended = text;
    // Another program may have the terminal open still.
    this.#last = setTimeout(() => this.#finish(text), lastMs);
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#ended !== undefined && this.#atEnd) this.#finish(this.#ended);
  }

  #finish(text: string): void {
    if (this.#closed) return;
    this.close();
    this.#ends.over(text);
  }

  /** Hangs the session up. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#last);
    this.#terminal?.close();
  }
}
