// Describes how a cell looks, in one form for each look: the emulator's words for it have bits that mean nothing at
// the moment. And says it in escape sequences, each of which a terminal that does not know it leaves out by itself.

import {
  type Attributes,
  BG,
  CELL,
  COLOUR,
  type Extended,
  FG,
  type Line,
  UNDERLINE,
} from '../emulator/internals.ts';
import type { Links } from '../emulator/links.ts';

export interface Look {
  /** Flags and colour, as the emulator has them. */
  readonly fg: number;
  readonly bg: number;
  /** 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed. */
  readonly underline: number;
  readonly underlineColour: number;
  readonly link: number;
}

export const plain: Look = { fg: 0, bg: 0, underline: 0, underlineColour: 0, link: 0 };

const fgFlags = FG.inverse | FG.bold | FG.blink | FG.invisible | FG.strikethrough;
const bgFlags = BG.italic | BG.dim | BG.protected | BG.overline;

function colourOf(word: number): number {
  const mode = word & COLOUR.mode;
  if (mode === 0) return 0;
  return mode | (word & (mode === COLOUR.rgb ? COLOUR.value : 0xff));
}

function lookOf(fg: number, bg: number, extended: Extended | undefined): Look {
  const ext = (bg & BG.extended) !== 0 && extended !== undefined ? extended : undefined;
  const style = ext === undefined ? 1 : (ext._ext & UNDERLINE.mask) >>> UNDERLINE.shift;
  const underline = (fg & FG.underline) === 0 ? 0 : style;
  return {
    fg: ((fg & fgFlags) | colourOf(fg)) >>> 0,
    bg: ((bg & bgFlags) | colourOf(bg)) >>> 0,
    underline,
    underlineColour: underline === 0 || ext === undefined ? 0 : colourOf(ext._ext),
    link: ext?._urlId ?? 0,
  };
}

export function lookAt(line: Line, x: number): Look {
  const { _data: data } = line;
  const bg = data[x * CELL + 2] ?? 0;
  return lookOf(data[x * CELL + 1] ?? 0, bg, line._extendedAttrs[x]);
}

/** How what is written next would look. */
export function lookNow({ fg, bg, extended }: Attributes): Look {
  return lookOf(fg, bg, extended);
}

/** The same with what is only not in use: the colour of a line under text, a link that a restored cursor interrupts. */
export function penNow(attributes: Attributes): Look {
  const { _ext: ext, _urlId: link } = attributes.extended;
  return { ...lookNow(attributes), underlineColour: colourOf(ext), link };
}

/** Of a saved cursor, which has whether text is underlined, and not how. */
export function savedLook({ fg, bg }: Attributes): Look {
  return lookOf(fg, bg & ~BG.extended, undefined);
}

export function sameLook(one: Look, other: Look): boolean {
  return (
    one.fg === other.fg &&
    one.bg === other.bg &&
    one.underline === other.underline &&
    one.underlineColour === other.underlineColour &&
    one.link === other.link
  );
}

function colour(word: number, base: number): string[] {
  const value = word & COLOUR.value;
  switch (word & COLOUR.mode) {
    case COLOUR.p16:
      return [String(value < 8 ? base + value : base + 52 + value)];
    case COLOUR.p256:
      return [`${base + 8};5;${value}`];
    case COLOUR.rgb:
      return [`${base + 8};2;${value >> 16};${(value >> 8) & 255};${value & 255}`];
    default:
      return [];
  }
}

/** Attributes, and whether cells are protected, from nothing. */
export function renditionOf({ fg, bg, underline, underlineColour }: Look): string {
  const on = (word: number, flag: number, code: string): string[] => ((word & flag) === 0 ? [] : [code]);
  const codes = [
    '0',
    ...on(fg, FG.bold, '1'),
    ...on(bg, BG.dim, '2'),
    ...on(bg, BG.italic, '3'),
    ...(underline === 0 ? [] : ['4']),
    ...on(fg, FG.blink, '5'),
    ...on(fg, FG.inverse, '7'),
    ...on(fg, FG.invisible, '8'),
    ...on(fg, FG.strikethrough, '9'),
    ...on(bg, BG.overline, '53'),
    ...colour(fg, 30),
    ...colour(bg, 40),
  ];
  // With colons, in sequences of their own: older terminals take none of a sequence that has one.
  const style = underline > 1 ? `\x1b[4:${underline}m` : '';
  const guard = (bg & BG.protected) === 0 ? '' : '\x1b[1"q';
  return `\x1b[${codes.join(';')}m${style}${underlineColourOf(underlineColour)}${guard}`;
}

function underlineColourOf(word: number): string {
  const value = word & COLOUR.value;
  switch (word & COLOUR.mode) {
    case COLOUR.rgb:
      // All bits is what the emulator has after SGR 59.
      if (value === COLOUR.value) return '\x1b[59m';
      return `\x1b[58:2::${value >> 16}:${(value >> 8) & 255}:${value & 255}m`;
    case COLOUR.p256:
    case COLOUR.p16:
      return `\x1b[58:5:${value}m`;
    default:
      return '';
  }
}

/** Takes controls out of what a program has given a name. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f\ud800-\udfff]/gu, '');
}

/** Begins a hyperlink, or ends one with 0. */
export function linkOf(number: number, links: Links): string {
  const link = links.get(number);
  if (link === undefined) return '\x1b]8;;\x1b\\';
  // Its pieces are one link to a terminal by their name; those without get one.
  const id = link.id === '' ? `dockersh-${number}` : printable(link.id).replaceAll(/[:;]/g, '');
  return `\x1b]8;id=${id};${printable(link.uri)}\x1b\\`;
}
