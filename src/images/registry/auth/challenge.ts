// Parses WWW-Authenticate (RFC 9110, section 11.6.1): which schemes a server takes, with their parameters. Pure.

export interface Challenge {
  /** Lower case: "bearer", "basic". */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const maxHeader = 8192;
const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const blanks = /[\t ,]*/y;
const parameter = new RegExp(`(${token})[\\t ]*=[\\t ]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, 'y');
const scheme = new RegExp(`(${token})(?=[\\t ,]|$)`, 'y');
/** RFC 9110's token68, of schemes that are not ours. */
const token68 = /[A-Za-z0-9\-._~+/]+=*(?=[\t ]*(?:,|$))/y;

/** Everything that can be read of the header; what comes after nonsense is left out. */
export function parseChallenges(header: string | undefined): Challenge[] {
  if (header === undefined || header.length > maxHeader) return [];
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  while (take(blanks) !== null && at < header.length) {
    const current = challenges.at(-1);
    const pair = current === undefined ? null : take(parameter);
    if (pair !== null) {
      const [, name = '', quoted, plain = ''] = pair;
      const value = quoted === undefined ? plain : quoted.replace(/\\(.)/g, '$1');
      // The first of two counts: what a second one would change, it must not.
      const key = name.toLowerCase();
      if (current?.parameters.has(key) === false) current.parameters.set(key, value);
      continue;
    }
    const begins = take(scheme);
    if (begins !== null) challenges.push({ scheme: begins[1]?.toLowerCase() ?? '', parameters: new Map() });
    else if (current === undefined || take(token68) === null) break;
  }
  return challenges;
}

/** Node joins several headers of this name with a comma, which reads the same. */
export function findChallenge(challenges: readonly Challenge[], scheme: string): Challenge | undefined {
  return challenges.find((challenge) => challenge.scheme === scheme);
}
