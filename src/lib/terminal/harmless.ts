// Leaves out of what a terminal is sent that which would have it answer, act or stay otherwise than it was: reports, the title and
// the clipboard, printing, keys that mean something else. What draws and moves is passed on. Pure.

const escapeCode = 0x1b;
const longest = 64;

type State = 'ground' | 'escape' | 'csi' | 'string' | 'stringEscape';

/** What may follow ESC, alone and with another byte behind it. */
const escapes = new Set('78DEHMc');
const designators = new Set('()*+-./#% ');
/** Finals of sequences without a private marker or an intermediate byte. */
const plainFinals = new Set('@ABCDEFGHIJKLMPSTXZ`abdefgmrsu');
/** Modes of DECSET that change what is drawn, and nothing of what is typed or reported. */
const drawingModes = new Set([5, 6, 7, 12, 25, 45, 47, 69, 1047, 1048, 1049, 2026]);
/** Modes of SM: insert, and lines that return. */
const ansiModes = new Set([4, 20]);

export class Harmless {
  #state: State = 'ground';
  #held = '';

  /** What of the next characters may be shown. */
  take(text: string): string {
    let out = '';
    for (const character of text) out += this.#next(character);
    return out;
  }

  #next(character: string): string {
    const code = character.codePointAt(0) ?? 0;
    if (code === 0x18 || code === 0x1a) return this.#to('ground'); // CAN, SUB: whatever it was is over
    switch (this.#state) {
      case 'ground':
        return this.#ground(character, code);
      case 'escape':
        return this.#escape(character, code);
      case 'csi':
        return this.#csi(character, code);
      case 'string':
        if (code === escapeCode) return this.#to('stringEscape');
        return code === 0x07 || code === 0x9c ? this.#to('ground') : '';
      case 'stringEscape':
        if (character === '\\') return this.#to('ground');
        this.#to('escape');
        return this.#next(character);
    }
  }

  #to(state: State, held = ''): '' {
    this.#state = state;
    this.#held = held;
    return '';
  }

  #ground(character: string, code: number): string {
    if (code === escapeCode) return this.#to('escape', '\x1b');
    if (code === 0x9b) return this.#to('csi', '\x1b[');
    if (code === 0x90 || code === 0x98 || (code >= 0x9d && code <= 0x9f)) return this.#to('string');
    if (code === 0x05 || code === 0x00 || (code >= 0x7f && code <= 0x9f)) return ''; // ENQ has it answer
    return character;
  }

  #escape(character: string, code: number): string {
    if (this.#held.length > 1) return this.#designated(character, code);
    if (character === '[') return this.#to('csi', '\x1b[');
    if ('P]X^_'.includes(character)) return this.#to('string');
    if (designators.has(character)) return this.#to('escape', `\x1b${character}`);
    if (code === escapeCode) return this.#to('escape', '\x1b');
    this.#to('ground');
    return escapes.has(character) ? `\x1b${character}` : '';
  }

  #designated(character: string, code: number): string {
    const whole = this.#held + character;
    if (code === escapeCode) return this.#to('escape', '\x1b');
    this.#to('ground');
    // Other coding systems (ESC %) would have the rest mean something else.
    return code >= 0x30 && code < 0x7f && whole[1] !== '%' && whole[1] !== ' ' ? whole : '';
  }

  #csi(character: string, code: number): string {
    if (code === escapeCode) return this.#to('escape', '\x1b');
    if (code < 0x20) return ''; // what a terminal does between is not worth telling
    if (code < 0x40) {
      if (this.#held.length <= longest) this.#held += character;
      return '';
    }
    const { length } = this.#held;
    const whole = this.#held + character;
    this.#to('ground');
    return code < 0x7f && length <= longest && isDrawing(whole.slice(2, -1), character) ? whole : '';
  }
}

function isDrawing(parameters: string, final: string): boolean {
  if (/\d{5}/.test(parameters)) return false; // to repeat, insert or scroll for minutes
  if (/^[0-9;:]*$/.test(parameters)) {
    if (final === 'h' || final === 'l') return modesOf(parameters).every((mode) => ansiModes.has(mode));
    // "T" with five parameters follows the mouse, "s" and "r" have at most two.
    return plainFinals.has(final) && (final === 'm' || parameters.split(/[;:]/).length <= 2);
  }
  if (parameters.startsWith('?') && /^\?[0-9;]*$/.test(parameters)) {
    if (final === 'J' || final === 'K') return true;
    return 'hl'.includes(final) && modesOf(parameters.slice(1)).every((mode) => drawingModes.has(mode));
  }
  return (final === 'q' && /^[0-9]? $/.test(parameters)) || (final === 'p' && parameters === '!');
}

const modesOf = (parameters: string): number[] => parameters.split(';').map(Number);
