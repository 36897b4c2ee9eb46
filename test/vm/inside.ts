// Runs a part of the test suite inside a system: the checkout is there as /dockersh, to be read only.

import { checkout } from '../fixtures/paths.ts';
import type { Finished } from '../fixtures/process.ts';
import { Guest } from './guest.ts';
import type { Suite } from './remote.ts';

export async function runInside(
  suite: Suite,
  project: 'e2e' | 'attacks',
  files: readonly string[],
  binds: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  await using guest = await Guest.start(suite, { binds: { [checkout]: '/dockersh', ...binds } });
  const script = `cd /dockersh && export PATH=/dockersh/node_modules/node/bin:$PATH
    export DOCKERSH_TEST_UNLIMITED=1 DOCKERSH_TESTS_MUST_RUN=1 NO_COLOR=1
    export DOCKERSH_E2E_CONTROL='${process.env['DOCKERSH_E2E_CONTROL'] ?? ''}'
    exec node node_modules/vitest/vitest.mjs run --configLoader native --project ${project} --project ${project}-alone "$@"`;
  return await guest.enter('bash', ['-c', script, 'bash', ...files], 1_700_000);
}
