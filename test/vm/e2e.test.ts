// The e2e suite once more, inside systems whose cgroups are of version 2: what is about logins and sessions, and with
// DOCKERSH_VM_E2E='trixie bookworm' all of it. What needs limits is left out there by name (DOCKERSH_TEST_UNLIMITED).

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { debianArchive } from '../fixtures/images/debian-image.ts';
import { tail } from '../fixtures/process.ts';
import { runInside } from './inside.ts';
import { cache, suites } from './remote.ts';

/** What is about logins and sessions, by every client that the systems have. */
const logins = [
  ...['both', 'called-as', 'command', 'git', 'hang-up', 'job-control', 'mixed-fds', 'multiplex', 'pam'].map(
    (name) => `login/${name}`,
  ),
  ...['refusal', 'stream', 'terminal', 'transfer', 'who'].map((name) => `login/${name}`),
  ...['agent', 'connection', 'ends', 'forwards', 'network', 'startup'].map((name) => `ssh/${name}`),
  ...['images/own', 'sandbox/confinement', 'sandbox/isolation', 'sandbox/lifecycle'],
  ...['sessions/kept', 'sessions/agent', 'self-service/words', 'self-service/inside', 'recording/watch'],
  ...['clients/commands', 'clients/files', 'clients/forwards'],
].map((name) => `test/e2e/${name}.test.ts`);

/** The Debian that the e2e tests run on outside: its sshd, shells and tools are tried there. */
const outside = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
const whole = process.env['DOCKERSH_VM_E2E']?.split(' ') ?? [];
const chosen = process.env['DOCKERSH_VM_E2E_FILES']?.split(' ');

// Most of it is waiting: both at once.
describe.concurrent.each(suites.filter((suite) => suite !== outside || whole.includes(suite)))(
  'on Debian %s',
  (suite) => {
    it('passes', async () => {
      const files = chosen ?? (whole.includes(suite) ? [] : logins);
      const binds: Record<string, string> = {};
      if (files !== logins) {
        // A guest has no network to make it by.
        await debianArchive();
        binds[cache] = '/var/cache/dockersh-test';
      }
      const result = await runInside(suite, 'e2e', files, binds);
      process.stdout.write(`On Debian ${suite}:\n${result.stdout.toString()}`);
      expect(result.code, tail(result.stdout.toString() + result.stderr.toString(), 8_000)).toBe(0);
    }, 1_800_000);
  },
);
