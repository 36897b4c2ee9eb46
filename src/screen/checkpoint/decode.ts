// Makes an emulator of a checkpoint. What is no checkpoint, or was cut or changed, is a MalformedCheckpoint; nothing
// of it decides how much memory is taken.

import { inflateRawSync } from 'node:zlib';
import { Emulator } from '../emulator/emulator.ts';
import { type Attributes, type Charset, charsetsOf, type ScreenBuffer } from '../emulator/internals.ts';
import { ByteReader, MalformedCheckpoint } from './bytes.ts';
import { MAGIC } from './encode.ts';
import { readLines } from './lines.ts';
import { type BufferState, type ParserState, ScreenState } from './state.ts';

/** More than the cells that there may be, with all their marks. */
const UNPACKED = 64 * 1024 * 1024;

type CharsetOf = (letter: string) => Charset;

function unpack(checkpoint: Buffer): { state: ScreenState; cells: ByteReader } {
  if (!checkpoint.subarray(0, MAGIC.length).equals(MAGIC)) throw new MalformedCheckpoint('it is none');
  let bytes: ByteReader;
  try {
    bytes = new ByteReader(inflateRawSync(checkpoint.subarray(MAGIC.length), { maxOutputLength: UNPACKED }));
  } catch {
    throw new MalformedCheckpoint('it cannot be unpacked');
  }
  const json = bytes.raw(bytes.u32()).toString();
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new MalformedCheckpoint('its state is no JSON');
  }
  const parsed = ScreenState.safeParse(value);
  if (!parsed.success) throw new MalformedCheckpoint('its state is of another kind');
  return { state: parsed.data, cells: bytes };
}

function setAttributes(to: Attributes, { fg, bg, ext, link }: ScreenState['attributes']): void {
  to.extended = to.extended.clone();
  Object.assign(to, { fg, bg });
  Object.assign(to.extended, { _ext: ext, _urlId: link });
}

function setParser(emulator: Emulator, state: ParserState): void {
  emulator.writeAll(Buffer.from(state.unended, 'base64'));
  emulator.core._inputHandler._parser.precedingJoinState = state.join;
  emulator.pending = Buffer.from(state.pending, 'base64');
}

function setBuffer(buffer: ScreenBuffer, state: BufferState, rows: number, charsetOf: CharsetOf): void {
  const { length, maxLength } = buffer.lines;
  const within = state.ybase + rows <= length && state.y < rows && state.scrollBottom < rows;
  if (length > maxLength || (length > 0 && !within) || state.scrollTop > state.scrollBottom) {
    throw new MalformedCheckpoint('its lines do not make a screen');
  }
  const { ybase, x, y, scrollTop, scrollBottom, savedX, savedY } = state;
  Object.assign(buffer, { ybase, ydisp: ybase, x, y, scrollTop, scrollBottom, savedX, savedY });
  buffer.tabs = Object.fromEntries(state.tabs.map((column) => [column, true]));
  setAttributes(buffer.savedCurAttrData, state.savedAttributes);
  buffer.savedCharset = charsetOf(state.savedCharset);
}

function setModes({ core, extras }: Emulator, state: ScreenState, charsetOf: CharsetOf): void {
  const { cursorBlink, cursorStyle, ...modes } = state.modes;
  const { _charsetService: charsets, _inputHandler: handler } = core;
  Object.assign(core.coreService.decPrivateModes, modes, {
    cursorBlink: cursorBlink ?? undefined,
    cursorStyle: cursorStyle ?? undefined,
  });
  core.coreService.modes.insertMode = state.insert;
  core.coreService.isCursorHidden = state.hidden;
  core.coreMouseService.activeProtocol = state.mouse;
  core.coreMouseService.activeEncoding = state.mouseEncoding;
  core.optionsService.options.convertEol = state.newLine;
  core.optionsService.options.cursorBlink = state.blink;
  charsets.glevel = state.charsets.level;
  charsets._charsets = state.charsets.sets.map(charsetOf);
  charsets.charset = charsetOf(state.charsets.active);
  handler._windowTitle = state.title;
  handler._iconName = state.icon;
  handler._windowTitleStack = state.titles;
  handler._iconNameStack = state.icons;
  setAttributes(handler._curAttrData, state.attributes);
  extras.state = state.extras;
}

export function decodeCheckpoint(checkpoint: Buffer, scrollback: number): Emulator {
  const { state, cells } = unpack(checkpoint);
  const emulator = new Emulator(state, scrollback);
  const { core, normal, alternate } = emulator;
  const letters = charsetsOf(core);
  const charsetOf = (letter: string): Charset => {
    for (const [charset, known] of letters) if (known === letter) return charset;
    throw new MalformedCheckpoint('it has a character set that there is not');
  };
  for (const { number, ...link } of state.links) emulator.links.put(number, link);
  if (state.onAlternate) core._bufferService.buffers.activateAltBuffer();
  for (const [buffer, of] of [
    [normal, state.normal],
    [alternate, state.alternate],
  ] as const) {
    readLines(cells, buffer, of.lines, core._inputHandler._curAttrData, state.extended);
    setBuffer(buffer, of, emulator.size.rows, charsetOf);
  }
  cells.end();
  if (alternate.lines.length === 0 && state.onAlternate) throw new MalformedCheckpoint('its screen is empty');
  setModes(emulator, state, charsetOf);
  setParser(emulator, state.parser);
  return emulator;
}
