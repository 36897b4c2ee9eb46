// Reaches into @xterm/headless, whose public interface shows neither what a screen needs to be kept nor a way to put it
// back. Everything of it that is no public interface is named here, and nowhere else; the version is pinned, and
// `coreOf` fails with the name of what is missing when another version has moved something.

import type { Terminal } from '@xterm/headless';

/** What a character's cell has besides its content: underline style and colour (`_ext`), hyperlink. */
export interface Extended {
  _ext: number;
  _urlId: number;
  readonly ext: number;
  readonly urlId: number;
  clone(): Extended;
}

export interface Attributes {
  fg: number;
  bg: number;
  extended: Extended;
  updateExtended(): void;
}

/** A line of cells: three words each in `_data` (content, foreground, background). */
export interface Line {
  _data: Uint32Array;
  _combined: Record<number, string>;
  _extendedAttrs: Record<number, Extended | undefined>;
  length: number;
  isWrapped: boolean;
  getWidth(index: number): number;
  getString(index: number): string;
  addCodepointToCell(index: number, codePoint: number, width: number): void;
}

interface Lines {
  length: number;
  maxLength: number;
  get(index: number): Line | undefined;
  set(index: number, line: Line): void;
  push(line: Line): void;
}

/** Characters that a character set shows others for; undefined is ASCII. */
export type Charset = Readonly<Record<string, string>> | undefined;

export interface ScreenBuffer {
  lines: Lines;
  ybase: number;
  ydisp: number;
  x: number;
  y: number;
  scrollTop: number;
  scrollBottom: number;
  tabs: Record<number, boolean | undefined>;
  savedX: number;
  savedY: number;
  savedCurAttrData: Attributes;
  savedCharset: Charset;
  getBlankLine(attributes: Attributes): Line;
  fillViewportRows(): void;
}

export interface Params {
  params: Int32Array;
  length: number;
}

export interface StringHandler {
  start?(): void;
  hook?(params: Params): void;
  put(data: Uint32Array, start: number, end: number): void;
  end?(success: boolean): boolean;
  unhook?(success: boolean): boolean;
}

interface Identity {
  readonly prefix?: string;
  readonly intermediates?: string;
  readonly final: string;
}

export interface Parser {
  currentState: number;
  precedingJoinState: number;
  _oscParser: { _handlers: Record<number, StringHandler[]> };
  _dcsParser: { _handlers: Record<number, StringHandler[]> };
  registerCsiHandler(identity: Identity, handler: (params: Params) => boolean): void;
  registerEscHandler(identity: Identity, handler: () => boolean): void;
  registerOscHandler(id: number, handler: StringHandler): void;
}

export interface InputHandler {
  _parser: Parser;
  _curAttrData: Attributes;
  _eraseAttrDataInternal: Attributes;
  _windowTitle: string;
  _iconName: string;
  _windowTitleStack: string[];
  _iconNameStack: string[];
  parse(data: Uint8Array): void;
  selectCharset(designation: string): boolean;
  restoreCursor(): boolean;
  _restrictCursor(maxColumn?: number): void;
  _eraseInBufferLine(y: number, start: number, end: number, clearWrap: boolean, keepProtected: boolean): void;
  _resetBufferLine(y: number, keepProtected: boolean): void;
}

export interface Modes {
  applicationCursorKeys: boolean;
  applicationKeypad: boolean;
  bracketedPasteMode: boolean;
  cursorBlink: boolean | undefined;
  cursorStyle: 'block' | 'underline' | 'bar' | undefined;
  origin: boolean;
  reverseWraparound: boolean;
  sendFocus: boolean;
  synchronizedOutput: boolean;
  wraparound: boolean;
}

export interface Core {
  _inputHandler: InputHandler;
  _bufferService: {
    cols: number;
    rows: number;
    buffers: {
      normal: ScreenBuffer;
      alt: ScreenBuffer;
      active: ScreenBuffer;
      activateAltBuffer(): void;
      reset(): void;
    };
  };
  _charsetService: { charset: Charset; glevel: number; _charsets: Charset[] };
  coreService: { isCursorHidden: boolean; modes: { insertMode: boolean }; decPrivateModes: Modes };
  coreMouseService: { activeProtocol: string; activeEncoding: string };
  optionsService: { options: { convertEol: boolean; cursorBlink: boolean; scrollback: number } };
  resize(columns: number, rows: number): void;
}

/** Where each thing is, and what it must be there. */
const expected: readonly (readonly [string, string])[] = [
  ['resize', 'function'],
  ['_inputHandler.parse', 'function'],
  ['_inputHandler.selectCharset', 'function'],
  ['_inputHandler.restoreCursor', 'function'],
  ['_inputHandler._restrictCursor', 'function'],
  ['_inputHandler._eraseInBufferLine', 'function'],
  ['_inputHandler._resetBufferLine', 'function'],
  ['_inputHandler._curAttrData.fg', 'number'],
  ['_inputHandler._curAttrData.extended._ext', 'number'],
  ['_inputHandler._curAttrData.extended._urlId', 'number'],
  ['_inputHandler._curAttrData.updateExtended', 'function'],
  ['_inputHandler._eraseAttrDataInternal.bg', 'number'],
  ['_inputHandler._windowTitle', 'string'],
  ['_inputHandler._iconName', 'string'],
  ['_inputHandler._windowTitleStack', 'object'],
  ['_inputHandler._iconNameStack', 'object'],
  ['_inputHandler._parser.currentState', 'number'],
  ['_inputHandler._parser.precedingJoinState', 'number'],
  ['_inputHandler._parser._oscParser._handlers.0.0._handler', 'function'],
  ['_inputHandler._parser._dcsParser._handlers', 'object'],
  ['_bufferService.buffers.normal.lines.maxLength', 'number'],
  ['_bufferService.buffers.normal.savedCurAttrData.bg', 'number'],
  ['_bufferService.buffers.normal.tabs', 'object'],
  ['_bufferService.buffers.normal.getBlankLine', 'function'],
  ['_bufferService.buffers.alt.fillViewportRows', 'function'],
  ['_bufferService.buffers.activateAltBuffer', 'function'],
  ['_charsetService.glevel', 'number'],
  ['_charsetService._charsets', 'object'],
  ['coreService.isCursorHidden', 'boolean'],
  ['coreService.modes.insertMode', 'boolean'],
  ['coreService.decPrivateModes.wraparound', 'boolean'],
  ['coreMouseService.activeProtocol', 'string'],
  ['coreMouseService.activeEncoding', 'string'],
  ['optionsService.options.convertEol', 'boolean'],
];
const expectedOfLine: readonly (readonly [string, string])[] = [
  ['_data', 'object'],
  ['_combined', 'object'],
  ['_extendedAttrs', 'object'],
  ['isWrapped', 'boolean'],
  ['addCodepointToCell', 'function'],
];

function at(from: unknown, path: string): unknown {
  let value = from;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** Of what is expected, the paths that are not there, or are something else. */
export function missingFrom(core: unknown): string[] {
  const missing = (from: unknown, paths: typeof expected): string[] =>
    paths.filter(([path, type]) => typeof at(from, path) !== type).map(([path]) => path);
  const buffers = at(core, '_bufferService.buffers.normal.lines') as Lines | undefined;
  return [...missing(core, expected), ...missing(buffers?.get(0), expectedOfLine)];
}

/** The inside of a terminal. */
export function coreOf(terminal: Terminal): Core {
  const { _core: core } = terminal as unknown as { _core: Core };
  const missing = missingFrom(core);
  if (missing.length > 0) throw new Error(`@xterm/headless has no longer: ${missing.join(', ')}`);
  return core;
}

/** A line of so many columns. */
export function newLine(buffer: ScreenBuffer, attributes: Attributes, columns: number): Line {
  const { constructor: BufferLine } = buffer.getBlankLine(attributes) as unknown as {
    constructor: new (columns: number) => Line;
  };
  return new BufferLine(columns);
}

export function newExtended(like: Extended, ext: number, urlId: number): Extended {
  const made = like.clone();
  made._ext = ext;
  made._urlId = urlId;
  return made;
}

/** Where character sets are designated, and the letters for them: each set once. */
const designations = '0A4CRQKYEZH=';

/** Character sets by the letter that designates them; ASCII is B, and undefined. */
export function charsetsOf(core: Core): ReadonlyMap<Charset, string> {
  const { _inputHandler: handler, _charsetService: service } = core;
  const { charset, glevel, _charsets: sets } = service;
  const letters = new Map<Charset, string>([[undefined, 'B']]);
  service._charsets = [];
  service.glevel = 0;
  for (const letter of designations) {
    handler.selectCharset(`(${letter}`);
    letters.set(service.charset, letter);
  }
  Object.assign(service, { charset, glevel, _charsets: sets });
  return letters;
}

/** The words of a cell, and what is in them. */
export const CELL = 3;
export const CONTENT = { code: 0x1fffff, combined: 0x200000, any: 0x3fffff, widthShift: 22 } as const;
export const FG = {
  inverse: 0x4000000,
  bold: 0x8000000,
  underline: 0x10000000,
  blink: 0x20000000,
  invisible: 0x40000000,
  strikethrough: 0x80000000,
} as const;
export const BG = {
  italic: 0x4000000,
  dim: 0x8000000,
  extended: 0x10000000,
  protected: 0x20000000,
  overline: 0x40000000,
} as const;
/** Of a colour: its mode (0, 16 colours, 256, RGB) and its value. */
export const COLOUR = {
  mode: 0x3000000,
  p16: 0x1000000,
  p256: 0x2000000,
  rgb: 0x3000000,
  value: 0xffffff,
} as const;
/** Of `_ext`: the underline's style; its colour is where other colours are. */
export const UNDERLINE = { mask: 0x1c000000, shift: 26, single: 1 << 26, colour: 0x3ffffff } as const;

/** Parser states that are of use here. */
export const GROUND = 0;
