// Fuzzes the policy's parser: whatever bytes a file has, it is read or its problems are named with their places.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFile } from '../../../src/policy/parse-file.ts';
import { policyKeys } from '../../../src/policy/schema.ts';

const word = fc.oneof(
  fc.constantFrom(
    '[defaults]',
    '[user:',
    '[group:',
    '[images]',
    '[host]',
    ']',
    '=',
    '+=',
    '\n',
    '"',
    "'",
    ';',
    '\\',
  ),
  fc.constantFrom(...policyKeys),
  fc.string({ unit: 'binary', maxLength: 12 }),
);

test('any text is read or refused line by line', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const text = words.join('');
      const lines = text.split(/\r\n|\r|\n/).length;
      for (const { line, column } of parseFile(text, 'policy.ini').problems) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines);
        expect(column).toBeGreaterThanOrEqual(1);
      }
    }),
    { numRuns: 2000 },
  );
});
