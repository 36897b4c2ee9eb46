// Follows what terminals know and the emulator does not: keyboard protocols, some private modes and
// colours of the palette. A redraw says of these only what the session
// has said: what it never touched is left as the user has it.

import type { Params, Parser } from './internals.ts';
import { BoundedString } from './strings.ts';

/** The kitty keyboard protocol keeps flags, and those to go back to, for each of the two screens. */
export interface KeyFlags {
  flags: number;
  stack: number[];
}

export interface ExtrasState {
  keyboard: { used: boolean; main: KeyFlags; alternate: KeyFlags };
  /** xterm's modifyOtherKeys and its kin: value by resource. */
  otherKeys: Record<string, number>;
  /** Private modes by number, as they were set last. */
  modes: Record<string, boolean>;
  /** Colour by what it is the colour of (`4;7` or `11`); '' where it was taken back. */
  colours: Record<string, string>;
  /** As mode 12 was set last. */
  blink: boolean | null;
}

const STACK = 16;
/** Private modes that are followed here. Left out is what makes a terminal send something as it is set. */
const followed: readonly number[] = [5, 8, 67, 1005, 1007, 1015, 1034, 1036, 1039, 2027, 2031];
const setAtReset: readonly number[] = [8];
const colourSpec = /^[A-Za-z0-9#:/., -]{1,64}$/;
/** Colours that one sequence may set one after the other: text, background, cursor, and of what is selected. */
const special: readonly number[] = [10, 11, 12, 17, 19];

export function noExtras(): ExtrasState {
  return {
    keyboard: { used: false, main: { flags: 0, stack: [] }, alternate: { flags: 0, stack: [] } },
    otherKeys: {},
    modes: {},
    colours: {},
    blink: null,
  };
}

export class Extras {
  state: ExtrasState = noExtras();
  readonly #onAlternate: () => boolean;

  constructor(parser: Parser, onAlternate: () => boolean) {
    this.#onAlternate = onAlternate;
    this.#followModes(parser);
    this.#followKeyboard(parser);
    this.#followStrings(parser);
    parser.registerEscHandler({ final: 'c' }, () => this.#reset());
  }

  #reset(): false {
    const { keyboard, otherKeys, modes, colours } = this.state;
    keyboard.main = { flags: 0, stack: [] };
    keyboard.alternate = { flags: 0, stack: [] };
    for (const resource of Object.keys(otherKeys)) otherKeys[resource] = 0;
    for (const mode of Object.keys(modes)) modes[mode] = setAtReset.includes(Number(mode));
    for (const colour of Object.keys(colours)) colours[colour] = '';
    return false;
  }

  #followModes(parser: Parser): void {
    const set = (params: Params, value: boolean): false => {
      for (const mode of params.params.subarray(0, params.length)) {
        if (followed.includes(mode)) this.state.modes[mode] = value;
        if (mode === 12) this.state.blink = value;
      }
      return false;
    };
    parser.registerCsiHandler({ prefix: '?', final: 'h' }, (params) => set(params, true));
    parser.registerCsiHandler({ prefix: '?', final: 'l' }, (params) => set(params, false));
  }

  #followKeyboard(parser: Parser): void {
    const withKeys = (
      params: Params,
      change: (keys: KeyFlags, first: number, second: number) => void,
    ): true => {
      const { keyboard } = this.state;
      keyboard.used = true;
      const second = params.length > 1 ? (params.params[1] ?? 0) : 0;
      change(this.#onAlternate() ? keyboard.alternate : keyboard.main, params.params[0] ?? 0, second);
      return true;
    };
    parser.registerCsiHandler({ prefix: '>', final: 'u' }, (params) =>
      withKeys(params, (keys, flags) => {
        keys.stack.push(keys.flags);
        if (keys.stack.length > STACK) keys.stack.shift();
        keys.flags = flags & 31;
      }),
    );
    parser.registerCsiHandler({ prefix: '<', final: 'u' }, (params) =>
      withKeys(params, (keys, count) => {
        for (let left = Math.min(STACK + 1, count || 1); left > 0; left -= 1)
          keys.flags = keys.stack.pop() ?? 0;
      }),
    );
    parser.registerCsiHandler({ prefix: '=', final: 'u' }, (params) =>
      withKeys(params, (keys, flags, how) => {
        if (how === 2) keys.flags |= flags & 31;
        else if (how === 3) keys.flags &= ~flags;
        else keys.flags = flags & 31;
      }),
    );
    const other = (params: Params, off: boolean): true => {
      const resource = params.params[0] ?? 0;
      const value = off || params.length < 2 ? 0 : (params.params[1] ?? 0);
      if (resource <= 7) this.state.otherKeys[resource] = Math.min(9, value);
      return true;
    };
    parser.registerCsiHandler({ prefix: '>', final: 'm' }, (params) => other(params, false));
    parser.registerCsiHandler({ prefix: '>', final: 'n' }, (params) => other(params, true));
  }

  #followStrings(parser: Parser): void {
    const on = (id: number, take: (text: string) => void): void =>
      parser.registerOscHandler(
        id,
        new BoundedString((text) => {
          take(text);
          return false;
        }),
      );
    on(4, (text) => this.#setPalette(text));
    on(104, (text) => this.#restorePalette(text));
    for (const [index, id] of special.entries()) {
      on(id, (text) => this.#setSpecial(index, text));
      on(id + 100, () => {
        if (this.state.colours[id] !== undefined) this.state.colours[id] = '';
      });
    }
  }

  #setPalette(text: string): void {
    const parts = text.split(';');
    for (let i = 0; i + 1 < parts.length; i += 2) {
      const [index = '', colour = ''] = parts.slice(i, i + 2);
      if (/^\d{1,3}$/.test(index) && Number(index) < 256 && colourSpec.test(colour)) {
        this.state.colours[`4;${Number(index)}`] = colour;
      }
    }
  }

  #restorePalette(text: string): void {
    const { colours } = this.state;
    const wanted = text === '' ? Object.keys(colours) : text.split(';').map((index) => `4;${Number(index)}`);
    for (const key of wanted) if (key.startsWith('4;') && colours[key] !== undefined) colours[key] = '';
  }

  #setSpecial(first: number, text: string): void {
    for (const [offset, colour] of text.split(';').entries()) {
      const id = special[first + offset];
      if (id !== undefined && colourSpec.test(colour)) this.state.colours[id] = colour;
    }
  }
}
