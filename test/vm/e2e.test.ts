// The whole e2e suite once more, inside a system whose cgroups are of version 2. Started only when asked for: it
// takes as long as the suite does.

import { describe, expect, it } from 'vitest';
import { checkout } from '../fixtures/paths.ts';
import { tail } from '../fixtures/process.ts';
import { Guest } from './guest.ts';
import { suites } from './remote.ts';

const wanted = process.env['DOCKERSH_VM_E2E']?.split(' ') ?? [];

describe.each(suites.filter((suite) => wanted.includes(suite)))('on Debian %s', (suite) => {
  it('passes', async () => {
    await using guest = await Guest.start(suite, { binds: { [checkout]: '/dockersh' } });
    const files = process.env['DOCKERSH_VM_E2E_FILES'] ?? '';
    const script = `cd /dockersh && export PATH=/dockersh/node_modules/node/bin:$PATH
      export DOCKERSH_TEST_UNLIMITED=1 DOCKERSH_E2E_CONTROL='${process.env['DOCKERSH_E2E_CONTROL'] ?? ''}' NO_COLOR=1
      exec node node_modules/vitest/vitest.mjs run --configLoader native --project e2e ${files}`;
    const result = await guest.enter('bash', ['-c', script], 1_700_000);
    process.stdout.write(result.stdout);
    expect(result.code, tail(result.stdout.toString() + result.stderr.toString(), 8_000)).toBe(0);
  }, 1_800_000);
});
