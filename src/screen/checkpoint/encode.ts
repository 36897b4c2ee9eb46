// Makes a checkpoint of an emulator: all that it is at this moment, half an escape sequence included, in no more than
// CHECKPOINT bytes. Where there is more (colours and marks without any pattern), the oldest lines are left out.

import { deflateRawSync } from 'node:zlib';
import type { Emulator } from '../emulator/emulator.ts';
import { type Attributes, type Charset, charsetsOf, type ScreenBuffer } from '../emulator/internals.ts';
import { CHECKPOINT } from '../limits.ts';
import { ByteWriter } from './bytes.ts';
import { ExtendedTable, writeLines } from './lines.ts';
import type { BufferState, ParserState, ScreenState } from './state.ts';

export const MAGIC = Buffer.from('dshk\x01', 'latin1');

function attributesState({ fg, bg, extended }: Attributes): ScreenState['attributes'] {
  return { fg, bg, ext: extended._ext, link: extended._urlId };
}

function parserState({ core, unended, pending }: Emulator): ParserState {
  return {
    join: core._inputHandler._parser.precedingJoinState,
    unended: unended.bytes.toString('base64'),
    pending: pending.toString('base64'),
  };
}

function bufferState(
  buffer: ScreenBuffer,
  dropped: number,
  letterOf: (charset: Charset) => string,
): BufferState {
  const columns = Object.keys(buffer.tabs).map(Number);
  return {
    lines: buffer.lines.length - dropped,
    ybase: buffer.ybase - dropped,
    x: buffer.x,
    y: buffer.y,
    scrollTop: buffer.scrollTop,
    scrollBottom: buffer.scrollBottom,
    tabs: columns.filter((column) => buffer.tabs[column] === true),
    savedX: buffer.savedX,
    savedY: Math.max(0, buffer.savedY - dropped),
    savedAttributes: attributesState(buffer.savedCurAttrData),
    savedCharset: letterOf(buffer.savedCharset),
  };
}

function linksOf({ links, core }: Emulator, { pairs }: ExtendedTable): ScreenState['links'] {
  const numbers = new Set(pairs.map(([, number]) => number));
  numbers.add(core._inputHandler._curAttrData.extended._urlId);
  return [...numbers].flatMap((number) => {
    const link = links.get(number);
    return link === undefined ? [] : [{ number, ...link }];
  });
}

function stateOf(emulator: Emulator, dropped: number, extended: ExtendedTable): ScreenState {
  const { core, extras } = emulator;
  const { _inputHandler: handler, coreService, coreMouseService, _charsetService: charsets } = core;
  const letters = charsetsOf(core);
  const letterOf = (charset: Charset): string => letters.get(charset) ?? 'B';
  const { cursorBlink = null, cursorStyle = null } = coreService.decPrivateModes;
  return {
    ...emulator.size,
    onAlternate: emulator.onAlternate,
    attributes: attributesState(handler._curAttrData),
    title: handler._windowTitle,
    icon: handler._iconName,
    titles: handler._windowTitleStack,
    icons: handler._iconNameStack,
    parser: parserState(emulator),
    charsets: {
      active: letterOf(charsets.charset),
      level: charsets.glevel,
      sets: [0, 1, 2, 3].map((level) => letterOf(charsets._charsets[level])),
    },
    modes: { ...coreService.decPrivateModes, cursorBlink, cursorStyle },
    insert: coreService.modes.insertMode,
    hidden: coreService.isCursorHidden,
    mouse: coreMouseService.activeProtocol as ScreenState['mouse'],
    mouseEncoding: coreMouseService.activeEncoding as ScreenState['mouseEncoding'],
    newLine: core.optionsService.options.convertEol,
    blink: core.optionsService.options.cursorBlink,
    extras: extras.state,
    links: linksOf(emulator, extended),
    extended: extended.pairs,
    normal: bufferState(emulator.normal, dropped, letterOf),
    alternate: bufferState(emulator.alternate, 0, letterOf),
  };
}

function encode(emulator: Emulator, dropped: number, withMarks: boolean): Buffer {
  const extended = new ExtendedTable();
  const cells = new ByteWriter();
  writeLines(cells, emulator.normal, dropped, extended, withMarks);
  writeLines(cells, emulator.alternate, 0, extended, withMarks);
  const state = Buffer.from(JSON.stringify(stateOf(emulator, dropped, extended)));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(state.length);
  const packed = deflateRawSync(Buffer.concat([head, state, cells.done()]), { level: 1 });
  return Buffer.concat([MAGIC, packed]);
}

export function encodeCheckpoint(emulator: Emulator): Buffer {
  const { ybase } = emulator.normal;
  for (const share of [0, 0.5, 0.75, 0.9, 1]) {
    const made = encode(emulator, Math.floor(ybase * share), true);
    if (made.length <= CHECKPOINT) return made;
  }
  return encode(emulator, ybase, false);
}
