// Finds what need not be shown to the emulator because nothing of it would be left: the beginning of output that
// scrolls all of it away.
//
// It is exact for lines in which nothing but the line itself and the attributes of text change: text, carriage
// returns, tabs and such, CSI m and CSI K. Where the whole screen scrolls, each line feed at its bottom adds an empty
// line, made of the attributes at that moment; so lines depend on what came before their own beginning by these
// attributes alone. What is kept begins with a carriage return and a line feed, and has so many line feeds that all
// lines of before are gone: those that bring the cursor to the bottom, and one for each line of screen and scrollback.
// The attributes are taken along: the CSI m sequences of what is left out, from the last that resets them.

/** How much is too little to look for it. */
export const FLOOD = 65_536;

const LF = 10;
const SO = 14;
const SI = 15;
const ESC = 27;
const BRACKET = 0x5b;

/** Where sequences of attributes begin, in order, and where the first byte is that is none of all this. */
export interface Quiet {
  readonly end: number;
  readonly attributes: readonly number[];
}

/** The index of the final byte of a CSI sequence that has digits, semicolons and colons alone; else -1. */
function finalOf(bytes: Uint8Array, start: number): number {
  if (bytes[start + 1] !== BRACKET) return -1;
  let at = start + 2;
  for (let byte = bytes[at] ?? 0; byte >= 0x30 && byte <= 0x3b; byte = bytes[at] ?? 0) at += 1;
  return at;
}

/** Sequences of attributes are close to each other: to ask for each one would take longer than to look. */
function nextEscape(bytes: Buffer, from: number): number {
  const near = Math.min(bytes.length, from + 64);
  for (let at = from; at < near; at += 1) if (bytes[at] === ESC) return at;
  const found = bytes.indexOf(ESC, near);
  return found < 0 ? bytes.length : found;
}

/** Looks for the ends of quiet output in some bytes; what it has found ahead it does not look for again. */
export class QuietScan {
  readonly #bytes: Buffer;
  readonly #next: { so: number; si: number; c1: number } = { so: -1, si: -1, c1: -1 };

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  from(start: number): Quiet {
    const bytes = this.#bytes;
    const end = this.#controlFrom(start);
    const attributes: number[] = [];
    for (let at = nextEscape(bytes, start); at < end; at = nextEscape(bytes, at + 1)) {
      const final = finalOf(bytes, at);
      const byte = final < 0 || final >= end ? 0 : bytes[final];
      if (byte === 0x6d) attributes.push(at);
      else if (byte !== 0x4b) return { end: at, attributes };
    }
    return { end, attributes };
  }

  #controlFrom(start: number): number {
    const bytes = this.#bytes;
    const next = this.#next;
    const found = (index: number): number => (index < 0 ? bytes.length : index);
    if (next.so < start) next.so = found(bytes.indexOf(SO, start));
    if (next.si < start) next.si = found(bytes.indexOf(SI, start));
    if (next.c1 < start) next.c1 = firstC1(bytes, start);
    return Math.min(next.so, next.si, next.c1);
  }
}

/** Of U+0080 to U+009F, which are controls and begin with 0xC2 in UTF-8, the first. */
function firstC1(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0xc2, from); at >= 0; at = bytes.indexOf(0xc2, at + 1)) {
    const next = bytes[at + 1] ?? 0x80;
    if (next >= 0x80 && next < 0xa0) return at;
  }
  return bytes.length;
}

/** Where that begins which has so many line feeds, with a carriage return before the first; -1 where there is none. */
export function tailOf(bytes: Buffer, from: number, end: number, lineFeeds: number): number {
  let at = end;
  for (let left = lineFeeds; left > 0; left -= 1) {
    at = at <= from ? -1 : bytes.lastIndexOf(LF, at - 1);
    if (at < from) return -1;
  }
  while (at > from && bytes[at - 1] !== 13) at = bytes.lastIndexOf(LF, at - 1);
  return at > from ? at - 1 : -1;
}

/** The sequences of attributes before a place, from the last that resets them. */
export function attributesBefore(bytes: Buffer, attributes: readonly number[], place: number): Buffer {
  const pieces: Buffer[] = [];
  for (let i = attributes.length - 1; i >= 0; i -= 1) {
    const at = attributes[i] ?? 0;
    if (at >= place) continue;
    const final = finalOf(bytes, at);
    pieces.push(bytes.subarray(at, final + 1));
    const first = bytes.toString('latin1', at + 2, Math.min(final, at + 4));
    if (first === '' || first === '0' || first.startsWith(';') || first.startsWith('0;')) break;
  }
  return Buffer.concat(pieces.reverse());
}
