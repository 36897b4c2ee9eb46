// Parses as much of TOML as containers' registries.conf is written in: tables, arrays of tables, strings, booleans,
// numbers and arrays. Anything else is refused with its line, and never left out: it may be what forbids something. Pure.

export type TomlValue = string | boolean | number | readonly TomlValue[];
export interface TomlTable {
  [key: string]: TomlValue | TomlTable | TomlTable[];
}

export class TomlError extends Error {
  readonly line: number;

  constructor(line: number, problem: string) {
    super(problem);
    this.line = line;
  }
}

const mostDepth = 8;
const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  t: '\t',
  n: '\n',
  f: '\f',
  r: '\r',
  '"': '"',
  '\\': '\\',
};

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get line(): number {
    return this.#text.slice(0, this.#at).split('\n').length;
  }

  get ended(): boolean {
    return this.#at >= this.#text.length;
  }

  fail(problem: string): never {
    throw new TomlError(this.line, problem);
  }

  /** What the sticky expression finds here, and moves on. */
  take(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  need(pattern: RegExp, what: string): string {
    return this.take(pattern) ?? this.fail(`${what} is missing`);
  }

  blanks(): void {
    this.take(/[ \t]*/);
  }

  /** Blanks, ends of lines and comments. */
  gap(): void {
    this.take(/(?:[ \t\r\n]+|#[^\n]*)*/);
  }

  endOfLine(): void {
    this.need(/[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/, 'the end of the line');
  }
}

/** Throws TomlError. */
export function parseToml(text: string): TomlTable {
  const root: TomlTable = table();
  let current = root;
  const reader = new Reader(text);
  for (reader.gap(); !reader.ended; reader.gap()) {
    const bracket = reader.take(/\[\[?/);
    if (bracket === undefined) {
      const path = keys(reader);
      reader.blanks();
      reader.need(/=/, '"="');
      reader.blanks();
      const last = path.pop() ?? '';
      const target = path.reduce((inner, key) => tableIn(reader, inner, key), current);
      if (Object.hasOwn(target, last)) reader.fail(`"${last}" is there twice`);
      target[last] = value(reader, 0);
    } else {
      const path = keys(reader);
      reader.need(bracket === '[' ? /\]/ : /\]\]/, 'the closing bracket');
      const last = path.pop() ?? '';
      const parent = path.reduce((inner, key) => tableIn(reader, inner, key), root);
      current = bracket === '[' ? tableIn(reader, parent, last) : oneMore(reader, parent, last);
    }
    reader.endOfLine();
  }
  return root;
}

/** Keys are somebody else's to choose. */
function table(): TomlTable {
  return Object.create(null) as TomlTable;
}

function keys(reader: Reader): string[] {
  const path: string[] = [];
  do {
    reader.blanks();
    path.push(reader.take(/[A-Za-z0-9_-]+/) ?? string(reader) ?? reader.fail('a key is missing'));
    reader.blanks();
  } while (reader.take(/\./) !== undefined);
  return path;
}

function tableIn(reader: Reader, parent: TomlTable, key: string): TomlTable {
  parent[key] ??= table();
  const found = parent[key];
  const last: unknown = Array.isArray(found) ? found.at(-1) : found;
  return isTable(last) ? last : reader.fail(`"${key}" is no table`);
}

function oneMore(reader: Reader, parent: TomlTable, key: string): TomlTable {
  parent[key] ??= [];
  const list = parent[key];
  if (!Array.isArray(list) || list.some((one) => !isTable(one))) reader.fail(`"${key}" is no list of tables`);
  const added = table();
  (list as TomlTable[]).push(added);
  return added;
}

function isTable(found: unknown): found is TomlTable {
  return typeof found === 'object' && found !== null && !Array.isArray(found);
}

function value(reader: Reader, depth: number): TomlValue {
  const text = string(reader);
  if (text !== undefined) return text;
  const word = reader.take(/true\b|false\b/);
  if (word !== undefined) return word === 'true';
  const number = reader.take(/[+-]?[0-9]{1,15}(?![0-9.eE:_-])/);
  if (number !== undefined) return Number(number);
  if (reader.take(/\[/) === undefined || depth === mostDepth)
    reader.fail('a value of a kind that is not known');
  const list: TomlValue[] = [];
  for (reader.gap(); reader.take(/\]/) === undefined; reader.gap()) {
    list.push(value(reader, depth + 1));
    reader.gap();
    if (reader.take(/,/) !== undefined) continue;
    reader.need(/\]/, '"," or "]"');
    break;
  }
  return list;
}

function string(reader: Reader): string | undefined {
  if (reader.take(/"""|'''/) !== undefined) reader.fail('a string of several lines');
  const literal = reader.take(/'[^'\n]*'/);
  if (literal !== undefined) return literal.slice(1, -1);
  const basic = reader.take(/"(?:[^"\\\n]|\\.)*"/);
  return basic?.slice(1, -1).replaceAll(/\\(u[0-9A-Fa-f]{4}|.)/g, (_, code: string) => {
    if (code.length === 5) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return escapes[code] ?? reader.fail(`"\\${code}" in a string`);
  });
}
