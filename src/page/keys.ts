// The keys that a telephone's keyboard does not have, as buttons.

import { element } from './dialog.ts';

const sent: Readonly<Record<string, string>> = {
  escape: '\x1b',
  tab: '\t',
  left: '\x1b[D',
  up: '\x1b[A',
  down: '\x1b[B',
  right: '\x1b[C',
};

export interface KeyEnds {
  readonly typed: (text: string) => void;
  readonly copy: () => void;
  readonly paste: () => void;
  readonly focus: () => void;
}

/** A letter with the control key: "c" is 3. */
const controlled = (letter: string): string => String.fromCharCode(letter.toUpperCase().charCodeAt(0) & 0x1f);

export class Keys {
  readonly #place = element('keys', HTMLDivElement);
  #control: HTMLElement | undefined;

  constructor({ typed, copy, paste, focus }: KeyEnds) {
    this.#place.addEventListener('click', ({ target }) => {
      const button = target instanceof HTMLElement ? target : undefined;
      const key = button?.dataset['key'] ?? '';
      if (key === 'copy') copy();
      else if (key === 'paste') paste();
      else if (key === 'control' && button !== undefined)
        this.#press(this.#control === undefined ? button : undefined);
      else typed(sent[key] ?? '');
      focus();
    });
  }

  show(): void {
    this.#place.hidden = false;
  }

  #press(button: HTMLElement | undefined): void {
    (this.#control ?? button)?.setAttribute('aria-pressed', String(button !== undefined));
    this.#control = button;
  }

  /** What was typed, with the control key where that was pressed before. */
  typed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const [byte = 0] = bytes;
    const isLetter = bytes.length === 1 && byte >= 0x40 && byte < 0x7f;
    if (this.#control === undefined || !isLetter) return bytes;
    this.#press(undefined);
    return new TextEncoder().encode(controlled(String.fromCharCode(byte)));
  }
}
