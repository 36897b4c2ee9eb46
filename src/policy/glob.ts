// Matches names against shell globs: * ? and [a-z], [!a-z]. Nothing else is special, a backslash least of all: names
// of directory services hold them. Pure. No regular expression: names come from elsewhere, and one that is long and
// nearly fits must not take long.

const special = /[*?[\]]/;
const star = Symbol('any number of characters');

/** What one character has to be. */
type One = (character: string) => boolean;
type Token = typeof star | One;

/** Whether a text is a glob; any other one means itself. */
export function isGlob(text: string): boolean {
  return special.test(text);
}

export interface GlobTest {
  /** Of a whole name. */
  readonly test: (name: string) => boolean;
  /** "*" */
  readonly everything: boolean;
}

/** A test for names, or what is wrong with the glob. */
export function globTest(glob: string): GlobTest | { problem: string } {
  const tokens: Token[] = [];
  for (let rest = glob; rest !== ''; ) {
    const set = /^\[(!?)([^\]]+)\]/u.exec(rest);
    const [first = ''] = rest;
    if (set === null && (first === '[' || first === ']'))
      return { problem: `"${glob}" has a bracket without the other` };
    const token = set === null ? simpleToken(first) : setToken(set[2] ?? '', set[1] === '!');
    if (token === undefined) return { problem: `"${glob}" has a range that runs backwards` };
    if (token !== star || tokens.at(-1) !== star) tokens.push(token);
    rest = rest.slice(set === null ? first.length : set[0].length);
  }
  return { test: (name) => fits(tokens, [...name]), everything: tokens.length === 1 && tokens[0] === star };
}

function simpleToken(character: string): Token {
  if (character === '*') return star;
  return character === '?' ? () => true : (found) => found === character;
}

/** A dash between two members is a range. */
function setToken(members: string, not: boolean): One | undefined {
  const characters = [...members];
  const tests: One[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const from = characters[at] ?? '';
    const to = characters[at + 1] === '-' ? characters[at + 2] : undefined;
    if (to !== undefined && codeOf(from) > codeOf(to)) return undefined;
    tests.push(to === undefined ? (found) => found === from : (found) => inRange(found, from, to));
    if (to !== undefined) at += 2;
  }
  return (found) => tests.some((test) => test(found)) !== not;
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0;
const inRange = (found: string, from: string, to: string): boolean =>
  codeOf(found) >= codeOf(from) && codeOf(found) <= codeOf(to);

/** Only the last star ever has to be tried anew: what an earlier one took, a later one can take as well. */
function fits(tokens: readonly Token[], name: readonly string[]): boolean {
  let at = 0;
  let token = 0;
  let retry: { token: number; at: number } | undefined;
  while (at < name.length) {
    const wanted = tokens[token];
    if (wanted === star) {
      token += 1;
      retry = { token, at };
    } else if (wanted?.(name[at] ?? '') === true) {
      token += 1;
      at += 1;
    } else if (retry === undefined) {
      return false;
    } else {
      retry.at += 1;
      ({ token, at } = retry);
    }
  }
  return tokens.slice(token).every((left) => left === star);
}
