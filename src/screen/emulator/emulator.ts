// Emulates a session's terminal: takes what programs write and sizes, and is afterwards what a terminal would be that
// had been shown all of it. @xterm/headless does the most; what it lacks is beside this file.

import headless from '@xterm/headless';
import { bounded, type Size, scrollbackAt } from '../limits.ts';
import { Extras } from './extras.ts';
import { attributesBefore, FLOOD, QuietScan, tailOf } from './flood.ts';
import { boundCellText, boundCounts, mendEraseAbove, mendRestoredAttributes } from './guards.ts';
import { BG, CELL, type Core, coreOf, GROUND, type ScreenBuffer } from './internals.ts';
import { Links, parseLink } from './links.ts';
import { BoundedString, boundStrings } from './strings.ts';
import { Unended } from './unended.ts';
import { unfinished } from './utf8.ts';

/** The emulator cuts longer input itself, in the middle of characters. */
const PIECE = 131_072;
/** Less than this is not worth leaving out. */
const WORTH = 16_384;
/** From one end of what is quiet until it is looked again. */
const STEP = 2048;

export class Emulator {
  readonly core: Core;
  readonly extras: Extras;
  readonly links: Links;
  readonly #scrollback: number;
  readonly unended = new Unended();
  /** The beginning of a character whose end has not come yet. */
  pending: Buffer = Buffer.alloc(0);

  constructor(size: Size, scrollback: number) {
    this.#scrollback = scrollback;
    const { columns, rows } = bounded(size);
    const terminal = new headless.Terminal({
      cols: columns,
      rows,
      scrollback: scrollbackAt({ columns, rows }, scrollback),
      logLevel: 'off',
      windowOptions: { pushTitle: true, popTitle: true },
    });
    this.core = coreOf(terminal);
    const { _parser: parser } = this.core._inputHandler;
    boundStrings(parser);
    boundCounts(this.core);
    mendEraseAbove(this.core);
    mendRestoredAttributes(this.core);
    const line = this.normal.lines.get(0);
    if (line !== undefined) boundCellText(line);
    this.extras = new Extras(parser, () => this.onAlternate);
    this.links = new Links(() => this.#linksInUse());
    parser.registerOscHandler(8, new BoundedString((text) => this.#setLink(text)));
  }

  get size(): Size {
    return { columns: this.core._bufferService.cols, rows: this.core._bufferService.rows };
  }

  get normal(): ScreenBuffer {
    return this.core._bufferService.buffers.normal;
  }

  get alternate(): ScreenBuffer {
    return this.core._bufferService.buffers.alt;
  }

  get active(): ScreenBuffer {
    return this.core._bufferService.buffers.active;
  }

  get onAlternate(): boolean {
    return this.active === this.alternate;
  }

  resize(size: Size): void {
    const { columns, rows } = bounded(size);
    const { options } = this.core.optionsService;
    const scrollback = scrollbackAt({ columns, rows }, this.#scrollback);
    if (scrollback < options.scrollback) options.scrollback = scrollback;
    this.core.resize(columns, rows);
    if (scrollback > options.scrollback) options.scrollback = scrollback;
    // An alternate screen that is not in use would keep the larger size, and get scrollback.
    if (this.alternate.lines.length === 0) this.alternate.lines.maxLength = rows;
  }

  /** Takes output. What nothing would be left of is left out: see flood.ts. */
  write(output: Uint8Array): void {
    const bytes = this.#whole(output);
    const quiet = new QuietScan(bytes);
    let from = 0;
    while (bytes.length - from >= FLOOD) {
      const { end, attributes } = quiet.from(from);
      const tail = this.#scrollsAll() ? tailOf(bytes, from, end, this.#linesToForget()) : -1;
      if (tail - from >= WORTH) {
        this.#feed(attributesBefore(bytes, attributes, tail));
        from = tail;
      }
      // Behind what is not quiet, or where this begins inside of a sequence: a few lines further it hardly ever is.
      const line = bytes.indexOf(10, (this.#isBetween() ? Math.max(end, from) : from) + STEP);
      const until = line < 0 ? bytes.length : line + 1;
      this.#feed(bytes.subarray(from, until));
      from = until;
    }
    this.#feed(bytes.subarray(from));
  }

  /** Takes output byte for byte: what `write` is compared with. */
  writeAll(output: Uint8Array): void {
    this.#feed(this.#whole(output));
  }

  #whole(output: Uint8Array): Buffer {
    const bytes = Buffer.concat([this.pending, output]);
    const whole = bytes.length - unfinished(bytes);
    this.pending = Buffer.from(bytes.subarray(whole));
    return bytes.subarray(0, whole);
  }

  #feed(bytes: Buffer): void {
    for (let from = 0; from < bytes.length; ) {
      const piece = bytes.subarray(from, from + PIECE);
      const length = from + piece.length < bytes.length ? piece.length - unfinished(piece) : piece.length;
      this.core._inputHandler.parse(piece.subarray(0, length));
      this.unended.after(piece.subarray(0, length), this.#isBetween());
      from += length;
    }
  }

  /** Whether the output so far ends with no sequence that is not whole. */
  #isBetween(): boolean {
    return this.core._inputHandler._parser.currentState === GROUND;
  }

  /** Whether a line feed at the bottom scrolls the whole screen, and nothing goes back to the line above. */
  #scrollsAll(): boolean {
    const { scrollTop, scrollBottom } = this.active;
    const { coreService } = this.core;
    return (
      this.#isBetween() &&
      scrollTop === 0 &&
      scrollBottom === this.size.rows - 1 &&
      !coreService.decPrivateModes.reverseWraparound
    );
  }

  #linesToForget(): number {
    return this.active.lines.maxLength + this.size.rows;
  }

  #setLink(text: string): true {
    const { _curAttrData: attributes } = this.core._inputHandler;
    const link = parseLink(text);
    attributes.extended = attributes.extended.clone();
    attributes.extended._urlId = link === undefined ? 0 : this.links.open(link);
    attributes.updateExtended();
    return true;
  }

  #linksInUse(): Set<number> {
    const used = new Set([this.core._inputHandler._curAttrData.extended.urlId]);
    for (const { lines } of [this.normal, this.alternate]) {
      for (let i = 0; i < lines.length; i += 1) {
        const line = lines.get(i);
        if (line === undefined) continue;
        for (let x = 0; x < line.length; x += 1) {
          if (((line._data[x * CELL + 2] ?? 0) & BG.extended) === 0) continue;
          used.add(line._extendedAttrs[x]?.urlId ?? 0);
        }
      }
    }
    return used;
  }
}
