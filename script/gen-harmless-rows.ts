// Prints the rows of test/fixtures/harmless.json for the C compiler: what both filters of a terminal's bytes are tested with.

import { readFileSync } from 'node:fs';

const rows = JSON.parse(
  readFileSync(new URL('../test/fixtures/harmless.json', import.meta.url), 'utf8'),
) as readonly { readonly what: string; readonly in: string; readonly out: string }[];

/** Every byte by its number, of three digits, which no digit behind it can join. */
const literal = (text: string): string =>
  `"${[...Buffer.from(text)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`;

for (const { what, in: input, out } of rows) {
  process.stdout.write(`ROW(${JSON.stringify(what)}, ${literal(input)}, ${literal(out)})\n`);
}
