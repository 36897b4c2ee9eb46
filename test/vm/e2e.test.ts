// The e2e suite once more, inside systems whose cgroups are of version 2: what is about logins and sessions, and with
// DOCKERSH_VM_E2E='trixie bookworm' all of it. What needs limits is left out there by name (DOCKERSH_TEST_UNLIMITED).

import { describe, expect, it } from 'vitest';
import { debianArchive } from '../fixtures/debian-image.ts';
import { checkout } from '../fixtures/paths.ts';
import { tail } from '../fixtures/process.ts';
import { Guest } from './guest.ts';
import { cache, suites } from './remote.ts';

const logins = [
  ...['both', 'called-as', 'command', 'confinement', 'git', 'hang-up', 'image', 'isolation', 'job-control'],
  ...['lifecycle', 'mixed-fds', 'multiplex', 'pam', 'refusal', 'stream', 'terminal', 'transfer'],
].map((name) => `test/e2e/${name}.test.ts`);

const whole = process.env['DOCKERSH_VM_E2E']?.split(' ') ?? [];
const chosen = process.env['DOCKERSH_VM_E2E_FILES']?.split(' ');

// Most of it is waiting: both at once.
describe.concurrent.each(suites)('on Debian %s', (suite) => {
  it('passes', async () => {
    const files = chosen ?? (whole.includes(suite) ? [] : logins);
    const binds: Record<string, string> = { [checkout]: '/dockersh' };
    if (files !== logins) {
      // A guest has no network to make it by.
      await debianArchive();
      binds[cache] = '/var/cache/dockersh-test';
    }
    await using guest = await Guest.start(suite, { binds });
    const script = `cd /dockersh && export PATH=/dockersh/node_modules/node/bin:$PATH
      export DOCKERSH_TEST_UNLIMITED=1 DOCKERSH_TESTS_MUST_RUN=1 NO_COLOR=1
      export DOCKERSH_E2E_CONTROL='${process.env['DOCKERSH_E2E_CONTROL'] ?? ''}'
      exec node node_modules/vitest/vitest.mjs run --configLoader native --project e2e "$@"`;
    const result = await guest.enter('bash', ['-c', script, 'bash', ...files], 1_700_000);
    process.stdout.write(`On Debian ${suite}:\n${result.stdout.toString()}`);
    expect(result.code, tail(result.stdout.toString() + result.stderr.toString(), 8_000)).toBe(0);
  }, 1_800_000);
});
