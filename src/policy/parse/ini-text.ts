// Splits an INI file into lines with their places. `ini` decodes values (quotes, escapes, trailing comments); the
// lines are taken apart here because `ini` keeps no line numbers, splits section names at dots, lets a later
// duplicate win and skips what it cannot read, and a policy needs each of those reported. Pure.

import ini from 'ini';

export interface IniEntry {
  readonly key: string;
  readonly value: string;
  /** Written with "+=". */
  readonly append: boolean;
  readonly line: number;
  readonly keyColumn: number;
  readonly valueColumn: number;
}

export interface IniSection {
  /** The text between the brackets, as written; empty when the header is broken. */
  readonly name: string;
  readonly line: number;
  readonly column: number;
  readonly entries: readonly IniEntry[];
}

export interface IniProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
}

// The name ends at the first bracket that nothing but a comment follows: a glob in it may hold others.
const sectionPattern = /^\s*\[(.*?)\]\s*(?:[;#].*)?$/;
const ignoredPattern = /^\s*(?:[;#].*)?$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: to refuse them is what this is for
const controlPattern = /[\x00-\x08\x0b-\x1f\x7f]/;

/** Column (1-based) of the first character at or after `from` that is no blank. */
function columnOf(line: string, from = 0): number {
  const rest = line.slice(from).search(/\S/);
  return (rest === -1 ? line.length : from + rest) + 1;
}

/** `ini` gives numbers, booleans and objects for some text in single quotes: here every value is text. */
function decodeValue(raw: string): string {
  const decoded: unknown = ini.unsafe(raw);
  return typeof decoded === 'string' ? decoded : raw.trim().slice(1, -1);
}

function entryOf(text: string, line: number): IniEntry | IniProblem {
  const equals = text.indexOf('=');
  const keyColumn = columnOf(text);
  const problem = (message: string, hint: string): IniProblem => ({ line, column: keyColumn, message, hint });
  if (equals === -1)
    return problem('this line is neither a section, a setting nor a comment', 'write key = value');
  const append = text[equals - 1] === '+';
  const key = text.slice(0, append ? equals - 1 : equals).trim();
  if (key === '') return problem('a setting without a name', 'write key = value');
  if (key.endsWith('[]')) return problem(`"${key}": settings are no lists`, 'write the key once, without []');
  return {
    key,
    value: decodeValue(text.slice(equals + 1)),
    append,
    line,
    keyColumn,
    valueColumn: columnOf(text, equals + 1),
  };
}

export interface ScannedIni {
  readonly sections: readonly IniSection[];
  readonly problems: readonly IniProblem[];
}

type OpenSection = { name: string; line: number; column: number; entries: IniEntry[] };

/** Sections in order, duplicates included; problems are lines that mean nothing. */
export function scanIni(text: string): ScannedIni {
  return scan(text, []);
}

/** The settings of a file that needs no section: they are those of the section `name`, which is the first. */
export function scanSettings(text: string, name: string): ScannedIni {
  return scan(text, [{ name, line: 0, column: 1, entries: [] }]);
}

function scan(text: string, sections: OpenSection[]): ScannedIni {
  const problems: IniProblem[] = [];
  for (const [index, content] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = index + 1;
    const control = content.search(controlPattern);
    if (control !== -1) {
      problems.push({ line, column: control + 1, message: 'a control character' });
      continue;
    }
    if (ignoredPattern.test(content)) continue;
    const column = columnOf(content);
    if (content.trimStart().startsWith('[')) {
      const name = sectionPattern.exec(content)?.[1]?.trim() ?? '';
      if (name === '')
        problems.push({ line, column, message: 'a section header that is not of the form [NAME]' });
      // What follows a broken header must not be taken for settings of the section before it.
      sections.push({ name, line, column, entries: [] });
      continue;
    }
    const entry = entryOf(content, line);
    if ('message' in entry) problems.push(entry);
    else if (sections.length > 0) sections.at(-1)?.entries.push(entry);
    else problems.push({ line, column, message: `"${entry.key}" stands before the first section` });
  }
  return { sections, problems };
}
