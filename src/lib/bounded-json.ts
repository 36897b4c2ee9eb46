// Parses JSON that others wrote. A document of four megabytes can hold a million values, which take a hundred times
// as much memory and hold the event loop up, logins and all: so the number of values is bounded here.

const mostValues = 100_000;
const mostNested = 100;

const quote = 0x22;
const backslash = 0x5c;

/** Throws SyntaxError, also where there is more in it than any real document has. */
export function parseBoundedJson(bytes: Buffer): unknown {
  requireBounded(bytes);
  return JSON.parse(bytes.toString('utf8'));
}

/** Looks at brackets and commas only: whether it is JSON at all, JSON.parse says. */
function requireBounded(bytes: Buffer): void {
  let values = 1;
  let nested = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    switch (bytes[at]) {
      case quote:
        at = endOfString(bytes, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        values += 1;
        nested += 1;
        if (nested > mostNested) throw new SyntaxError(`it is nested more than ${mostNested} deep`);
        break;
      case 0x5d:
      case 0x7d:
        nested -= 1;
        break;
      case 0x2c: // ,
        values += 1;
        break;
    }
    if (values > mostValues) throw new SyntaxError(`it has more than ${mostValues} values`);
  }
}

/** Where the string that begins at `start` ends; the end of the text where it does not. */
function endOfString(bytes: Buffer, start: number): number {
  for (let end = bytes.indexOf(quote, start + 1); end >= 0; end = bytes.indexOf(quote, end + 1)) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === backslash) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return bytes.length;
}
