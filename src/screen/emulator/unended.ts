// Remembers the bytes of an escape sequence whose end has not come yet: what comes next would be text to a terminal
// that had not seen them.

import { UNENDED } from '../limits.ts';

const ESC = 27;
/** Of the C1 controls those that begin a sequence, as the second of their two bytes in UTF-8. */
const introducers: ReadonlyMap<number, string> = new Map([
  [0x90, 'P'],
  [0x98, 'X'],
  [0x9b, '['],
  [0x9d, ']'],
  [0x9e, '^'],
  [0x9f, '_'],
]);
/** What a string goes on as whose beginning was too long to keep: of the same kind, so that it has the same end, and ignored. */
const ignored: Readonly<Record<string, string>> = {
  P: '\x1bP0$}',
  X: '\x1bX',
  ']': '\x1b]9999;',
  '^': '\x1b^',
  _: '\x1b_',
};

/** Where the last sequence in some bytes begins; -1 where none does. */
function lastStart(bytes: Buffer): number {
  const seven = bytes.lastIndexOf(ESC);
  let c1 = bytes.lastIndexOf(0xc2);
  while (c1 > seven && !introducers.has(bytes[c1 + 1] ?? 0))
    c1 = c1 === 0 ? -1 : bytes.lastIndexOf(0xc2, c1 - 1);
  return Math.max(seven, c1);
}

function kindOf(bytes: Buffer): string {
  const second = bytes[1] ?? 0;
  return bytes[0] === ESC ? String.fromCharCode(second) : (introducers.get(second) ?? '');
}

/** Of a sequence that is no string: without the controls inside, which have been carried out, and what is no ASCII. */
function sequenceOf(bytes: Buffer): Buffer {
  const ascii = Buffer.from(bytes.filter((byte) => (byte >= 32 && byte < 127) || byte === ESC));
  return bytes[0] === ESC ? ascii : Buffer.concat([Buffer.from('\x1b['), ascii]);
}

export class Unended {
  bytes: Buffer = Buffer.alloc(0);

  /** Some bytes have been taken, and left the parser between two sequences or in one. */
  after(taken: Buffer, between: boolean): void {
    if (between) {
      if (this.bytes.length > 0) this.bytes = Buffer.alloc(0);
      return;
    }
    const start = lastStart(taken);
    const bytes = start < 0 ? Buffer.concat([this.bytes, taken]) : Buffer.from(taken.subarray(start));
    const instead = ignored[kindOf(bytes)];
    if (instead === undefined) {
      this.bytes = sequenceOf(bytes).subarray(0, UNENDED);
    } else if (bytes.length > UNENDED) {
      this.bytes = Buffer.from(instead);
    } else {
      this.bytes = bytes;
    }
  }
}
