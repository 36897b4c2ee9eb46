// Describes what a checkpoint has besides the cells, as JSON: its shape and its bounds are checked as it is read. (The
// small form of Zod: this process starts while somebody waits.)

import * as z from 'zod/mini';
import { CELLS, CELLS_OF_SCREEN, COLUMNS, LINK_TEXT, LINKS, STRING, UNENDED } from '../limits.ts';

const word = z.int().check(z.minimum(-0x80000000), z.maximum(0xffffffff));
const index = z.int().check(z.minimum(0), z.maximum(2 * CELLS));
const text = z.string().check(z.maxLength(STRING));
const few = <T extends z.core.$ZodType>(of: T): z.ZodMiniArray<T> => z.array(of).check(z.maxLength(300));
const few2 = <T extends z.core.$ZodType>(of: T): z.ZodMiniRecord<z.ZodMiniString, T> =>
  z
    .record(z.string().check(z.maxLength(16)), of)
    .check(z.refine((value) => Object.keys(value).length <= 300));

const Attributes = z.strictObject({ fg: word, bg: word, ext: word, link: index });
const Keys = z.strictObject({ flags: index, stack: few(index) });

const BufferState = z.strictObject({
  lines: z.int().check(z.minimum(0), z.maximum(CELLS)),
  ybase: index,
  x: index,
  y: index,
  scrollTop: index,
  scrollBottom: index,
  tabs: z.array(index).check(z.maxLength(2 * COLUMNS)),
  savedX: index,
  savedY: index,
  savedAttributes: Attributes,
  savedCharset: z.string(),
});
export type BufferState = z.infer<typeof BufferState>;

const ParserState = z.strictObject({
  join: word,
  /** An escape sequence, and behind it a character, that are not whole yet; base64. */
  unended: z.string().check(z.maxLength(2 * UNENDED)),
  pending: z.string().check(z.maxLength(4)),
});
export type ParserState = z.infer<typeof ParserState>;

export const ScreenState = z.strictObject({
  columns: z.int().check(z.minimum(2), z.maximum(COLUMNS)),
  rows: z.int().check(z.minimum(1), z.maximum(CELLS_OF_SCREEN)),
  onAlternate: z.boolean(),
  attributes: Attributes,
  title: text,
  icon: text,
  titles: few(text),
  icons: few(text),
  parser: ParserState,
  charsets: z.strictObject({ active: z.string(), level: index, sets: few(z.string()) }),
  modes: z.strictObject({
    applicationCursorKeys: z.boolean(),
    applicationKeypad: z.boolean(),
    bracketedPasteMode: z.boolean(),
    cursorBlink: z.nullable(z.boolean()),
    cursorStyle: z.nullable(z.enum(['block', 'underline', 'bar'])),
    origin: z.boolean(),
    reverseWraparound: z.boolean(),
    sendFocus: z.boolean(),
    synchronizedOutput: z.boolean(),
    wraparound: z.boolean(),
  }),
  insert: z.boolean(),
  hidden: z.boolean(),
  mouse: z.enum(['NONE', 'X10', 'VT200', 'DRAG', 'ANY']),
  mouseEncoding: z.enum(['DEFAULT', 'SGR', 'SGR_PIXELS']),
  newLine: z.boolean(),
  blink: z.boolean(),
  extras: z.strictObject({
    keyboard: z.strictObject({ used: z.boolean(), main: Keys, alternate: Keys }),
    otherKeys: few2(index),
    modes: few2(z.boolean()),
    colours: few2(text),
    blink: z.nullable(z.boolean()),
  }),
  links: z
    .array(z.strictObject({ number: index, id: z.string().check(z.maxLength(LINK_TEXT)), uri: z.string() }))
    .check(z.maxLength(LINKS)),
  extended: z.array(z.tuple([word, index])).check(z.maxLength(2 * CELLS)),
  normal: BufferState,
  alternate: BufferState,
});
export type ScreenState = z.infer<typeof ScreenState>;
