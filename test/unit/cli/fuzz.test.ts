// Fuzzes what dockershctl prints: users, images and registries choose many of the words, and an administrator's
// terminal must not do what they say.

import fc from 'fast-check';
import { expect } from 'vitest';
import { Console } from '../../../src/cli/console.ts';
import { toCliFailure } from '../../../src/cli/failure.ts';
import { progressDisplay } from '../../../src/cli/progress.ts';
import { DockershError, toAdminMessage } from '../../../src/lib/errors.ts';
import { humanAgo, humanDuration, humanSize, shortDigest } from '../../../src/lib/text/human.ts';
import { printable } from '../../../src/lib/text/printable.ts';
import { displayWidth, renderTable, truncate } from '../../../src/lib/text/table.ts';
import { holds, hostileText, unprintable } from '../lib/holds.ts';

class Screen {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 40;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}

function consoleOn(json: boolean, isTTY = false): { cli: Console; out: Screen; err: Screen } {
  const [out, err] = [new Screen(isTTY), new Screen(isTTY)];
  return { cli: new Console({ stdout: out, stderr: err }, { json, socket: '/none' }), out, err };
}

const grapheme = fc.string({ unit: 'grapheme', maxLength: 30 });
const word = fc.oneof(hostileText, grapheme);

holds(
  'a cell of a table is one line, in its place, and acts on nothing',
  fc.property(
    fc.array(fc.tuple(word, word), { maxLength: 6 }),
    fc.option(fc.integer({ min: 4, max: 60 })),
    (rows, width) => {
      const columns = [{ header: 'A' }, { header: 'B', align: 'right' as const }];
      const text = renderTable(columns, rows, width ?? undefined);
      expect(text).not.toMatch(unprintable);
      const lines = text.split('\n');
      expect(lines).toHaveLength(rows.length + 2);
      if (width !== null) for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    },
  ),
  300,
);

holds(
  'text that is cut fits, and is the beginning of what it was',
  fc.property(grapheme, fc.integer({ min: 1, max: 40 }), (text, width) => {
    const cut = truncate(text, width);
    expect(displayWidth(cut)).toBeLessThanOrEqual(Math.max(width, 1));
    expect(cut === text || text.startsWith(cut.slice(0, -1))).toBe(true);
    expect(printable(printable(text))).toBe(printable(text));
  }),
);

holds(
  'a failure acts on no terminal',
  fc.property(word, word, fc.boolean(), (what, hint, json) => {
    const { cli, err } = consoleOn(json);
    const error = new DockershError('E_USAGE', { what: `image '${what}'`, why: what, hint });
    cli.fail(toCliFailure(error));
    expect(err.text).not.toMatch(unprintable);
    expect(toAdminMessage(error, 'dockershd')).not.toMatch(unprintable);
    if (json) expect(JSON.parse(err.text)).toMatchObject({ error: { code: 'E_USAGE', hint } });
    else for (const line of err.text.trimEnd().split('\n')) expect(line).toMatch(/^dockershctl: /);
  }),
);

holds(
  'a result as JSON acts on no terminal and says the same',
  fc.property(fc.jsonValue(), word, (value, text) => {
    const result = { value, text, [text]: 1 };
    const { cli, out } = consoleOn(true);
    cli.show(result, () => '');
    expect(out.text).not.toMatch(unprintable);
    expect(JSON.parse(out.text)).toEqual(JSON.parse(JSON.stringify(result)));
  }),
);

holds(
  'progress moves the cursor by its own will alone',
  fc.property(
    fc.array(fc.record({ step: word, id: word, bytes: fc.nat(), totalBytes: fc.nat() }), { maxLength: 5 }),
    fc.constantFrom('tty', 'plain', 'json'),
    (steps, progress) => {
      const { cli, err } = consoleOn(false, true);
      using display = progressDisplay(cli, { progress });
      for (const step of steps) display.show(step);
      // What it writes itself: up by lines, and away with a line or with all below.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is written
      expect(err.text.replaceAll(/\x1b\[(?:\d+A|K|J)|\r/g, '')).not.toMatch(unprintable);
    },
  ),
  200,
);

holds(
  'numbers are shown whatever they are',
  fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.string(), (number, text) => {
    expect(humanSize(number)).toMatch(/^\d[\d.]*[BKMGT]$/);
    expect(humanDuration(number)).toMatch(/^(?:\d+[a-z]+)+$/);
    expect(shortDigest(text).length).toBeLessThanOrEqual(12);
    expect(humanAgo(new Date(number % 8e15).toISOString())).toMatch(/^\d+ [a-z]+ ago$/);
  }),
);
