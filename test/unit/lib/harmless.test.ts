// Leaves out of a terminal's bytes what has an administrator's terminal answer or act, who watches or plays a recording.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Harmless } from '../../../src/lib/terminal/harmless.ts';

interface Row {
  readonly what: string;
  readonly in: string;
  readonly out: string;
}

const rows = JSON.parse(
  readFileSync(new URL('../../fixtures/harmless.json', import.meta.url), 'utf8'),
) as readonly Row[];

describe('what is harmless to a terminal', () => {
  it.each(rows)('$what', ({ in: input, out }) => {
    expect(new Harmless().take(input)).toBe(out);
  });

  it.each(rows)('$what, character by character', ({ in: input, out }) => {
    const filter = new Harmless();
    expect([...input].map((character) => filter.take(character)).join('')).toBe(out);
  });

  it('is left as it is when it is looked at again', () => {
    for (const { in: input } of rows) {
      const once = new Harmless().take(input);
      expect(new Harmless().take(once)).toBe(once);
    }
  });
});
