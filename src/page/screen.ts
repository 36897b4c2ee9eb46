// The page's terminal: xterm.js in the size of the window, with what people expect of copying and pasting. Programs can't reach the
// clipboard by it, and the title is a text.

import { FitAddon } from '@xterm/addon-fit';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { Terminal } from '@xterm/xterm';
import type { Size } from '../lib/terminal/page-messages.ts';
import { element } from './dialog.ts';

export interface ScreenEnds {
  readonly typed: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly resized: (size: Size) => void;
}

const longestTitle = 200;
const encoder = new TextEncoder();

/** One byte for each character: what the terminal answers to programs that ask for the mouse in the oldest way. */
const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text, (each) => each.charCodeAt(0));

export class Screen {
  readonly #place = element('terminal', HTMLElement);
  readonly #fit = new FitAddon();
  readonly #terminal = new Terminal({
    allowProposedApi: true,
    cursorBlink: true,
    fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: 15,
    scrollback: 5000,
    theme: { background: '#1c1c1c', foreground: '#e4e4e4' },
  });

  constructor({ typed, resized }: ScreenEnds) {
    const terminal = this.#terminal;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = '11';
    terminal.onData((text) => typed(encoder.encode(text)));
    terminal.onBinary((text) => typed(bytesOf(text)));
    terminal.onResize(({ cols, rows }) => resized([cols, rows]));
    terminal.onTitleChange((title) => {
      document.title = title.replace(/\p{C}/gu, '').slice(0, longestTitle) || 'Terminal';
    });
    terminal.attachCustomKeyEventHandler((event) => this.#key(event));
  }

  /** Makes it visible, once, and says its size. */
  open(): Size {
    this.#place.hidden = false;
    if (this.#terminal.element === undefined) {
      this.#terminal.open(this.#place);
      new ResizeObserver(() => this.#fit.fit()).observe(this.#place);
    }
    this.#fit.fit();
    return [this.#terminal.cols, this.#terminal.rows];
  }

  focus(): void {
    this.#terminal.focus();
  }

  /** `done`: they have been shown. */
  show(bytes: Uint8Array, done: () => void): void {
    this.#terminal.write(bytes, done);
  }

  /** For another session: what the last one has set is forgotten, what it has shown stays above. */
  renew(): void {
    this.#terminal.write('\x1b[!p\x1b[?1049l\x1b[?1000;1002;1003;1006;2004l\x1b[0m\r\n');
    document.title = 'Terminal';
  }

  paste(text: string): void {
    this.#terminal.paste(text);
  }

  /** Puts what is selected into the clipboard. False: nothing is. */
  copy(): boolean {
    const text = this.#terminal.getSelection();
    if (text === '') return false;
    void navigator.clipboard.writeText(text).catch(() => undefined); // the browser has asked, and may not
    return true;
  }

  /** Whether the terminal takes the key. */
  #key(event: KeyboardEvent): boolean {
    const { type, ctrlKey, shiftKey, altKey, code } = event;
    if (!ctrlKey || altKey) return true;
    const copies = (shiftKey && code === 'KeyC') || (!shiftKey && code === 'Insert');
    if (copies) {
      event.preventDefault();
      if (type === 'keydown') this.copy();
      return false;
    }
    // The browser pastes, and the terminal hears of that.
    return !(shiftKey && code === 'KeyV');
  }
}
