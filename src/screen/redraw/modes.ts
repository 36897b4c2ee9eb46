// Says in escape sequences what a terminal is to be besides its cells: modes, keyboard protocols, titles, colours.

import type { Emulator } from '../emulator/emulator.ts';
import type { KeyFlags } from '../emulator/extras.ts';
import { printable } from './look.ts';

/** Modes that the emulator knows, as a terminal has them that was just switched on; and no link, and no attribute. */
export const reset = [
  '\x1b[!p\x1b[0m\x1b]8;;\x1b\\\x1b[0"q',
  '\x1b[?1;6;9;45;66;1000;1002;1003;1004;1006;1016;2004;2026l\x1b[?7;25h\x1b[4;20l',
  '\x1b>\x0f\x1b(B\x1b)B\x1b*B\x1b+B\x1b[r',
].join('');

const mice: Readonly<Record<string, string>> = { X10: '9', VT200: '1000', DRAG: '1002', ANY: '1003' };
const encodings: Readonly<Record<string, string>> = { SGR: '1006', SGR_PIXELS: '1016' };
const shapes = { block: 1, underline: 3, bar: 5 } as const;

/** The shape of the cursor, as DECSCUSR counts them. */
function shapeOf({ core }: Emulator): number {
  const { cursorStyle, cursorBlink } = core.coreService.decPrivateModes;
  if (cursorStyle === undefined) return 0;
  return shapes[cursorStyle] + (cursorBlink === true ? 0 : 1);
}

/** All modes but those that move the cursor or change what is written. */
export function modesOf(emulator: Emulator): string {
  const { core, extras } = emulator;
  const { decPrivateModes: modes, isCursorHidden } = core.coreService;
  const { activeProtocol, activeEncoding } = core.coreMouseService;
  const set = [
    ...(modes.applicationCursorKeys ? ['1'] : []),
    ...(modes.reverseWraparound ? ['45'] : []),
    ...(mice[activeProtocol] === undefined ? [] : [mice[activeProtocol]]),
    ...(encodings[activeEncoding] === undefined ? [] : [encodings[activeEncoding]]),
    ...(modes.sendFocus ? ['1004'] : []),
    ...(modes.bracketedPasteMode ? ['2004'] : []),
  ];
  const more = Object.entries(extras.state.modes).map(([mode, value]) => `\x1b[?${mode}${value ? 'h' : 'l'}`);
  const { blink } = extras.state;
  return [
    set.length > 0 ? `\x1b[?${set.join(';')}h` : '',
    modes.applicationKeypad ? '\x1b=' : '',
    modes.wraparound ? '' : '\x1b[?7l',
    core.optionsService.options.convertEol ? '\x1b[20h' : '',
    ...more,
    `\x1b[${shapeOf(emulator)} q`,
    blink === null ? '' : `\x1b[?12${blink ? 'h' : 'l'}`,
    isCursorHidden ? '\x1b[?25l' : '',
    modes.synchronizedOutput ? '\x1b[?2026h' : '',
  ].join('');
}

/** Flags of the kitty keyboard protocol for one of the two screens. */
export function keysOf({ flags, stack }: KeyFlags): string {
  const [first = 0, ...pushed] = [...stack, flags];
  const set = first === 0 ? '' : `\x1b[=${first};1u`;
  return `\x1b[<32u${set}${pushed.map((value) => `\x1b[>${value}u`).join('')}`;
}

export function otherKeysOf({ extras }: Emulator): string {
  const entries = Object.entries(extras.state.otherKeys);
  return entries.map(([resource, value]) => `\x1b[>${resource};${value}m`).join('');
}

/** Names to go back to, and the name; what was never set is left as it is, and can be gone back to as well. */
function namesOf(kind: 1 | 2, stack: readonly string[], name: string): string {
  let last = '';
  const set = (text: string): string => {
    if (text === last) return '';
    last = text;
    return `\x1b]${kind};${printable(text)}\x1b\\`;
  };
  return stack.map((text) => `${set(text)}\x1b[22;${kind}t`).join('') + set(name);
}

/** The title and the icon name. */
export function titlesOf({ core }: Emulator): string {
  const { _windowTitleStack: titles, _iconNameStack: icons, _windowTitle, _iconName } = core._inputHandler;
  return namesOf(2, titles, _windowTitle) + namesOf(1, icons, _iconName);
}

/** Colours that the session has changed, and those that it has taken back. */
export function coloursOf({ extras }: Emulator): string {
  const entries = Object.entries(extras.state.colours);
  return entries
    .map(([key, colour]) => {
      if (colour !== '') return `\x1b]${key};${colour}\x1b\\`;
      return key.startsWith('4;') ? `\x1b]104;${key.slice(2)}\x1b\\` : `\x1b]${Number(key) + 100}\x1b\\`;
    })
    .join('');
}

/** Where tabulators stop; the sequence for every eighth column where they are as they were. */
export function tabsOf(tabs: Readonly<Record<number, boolean | undefined>>, columns: number): string {
  const stops = Object.keys(tabs)
    .map(Number)
    .filter((column) => column < columns && tabs[column] === true);
  const usual = stops.length === Math.ceil(columns / 8) && stops.every((column) => column % 8 === 0);
  return usual ? '\x1b[?5W' : `\x1b[3g${stops.map((column) => `\x1b[${column + 1}G\x1bH`).join('')}`;
}
