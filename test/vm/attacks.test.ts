// Everything that a hostile user tries, inside systems whose cgroups are of version 2. That the attacks bite is seen
// where there is a compiler.

import { describe, expect, it } from 'vitest';
import { tail } from '../fixtures/process.ts';
import { runInside } from './inside.ts';
import { suites } from './remote.ts';

describe.concurrent.each(suites)('on Debian %s', (suite) => {
  it('everything holds', async () => {
    const result = await runInside(suite, 'attacks', ['test/attacks/attacks.test.ts']);
    expect(result.code, tail(result.stdout.toString() + result.stderr.toString(), 8_000)).toBe(0);
    expect(result.stdout.toString()).toMatch(/Tests +[2-9]\d\d passed/);
  }, 600_000);
});
