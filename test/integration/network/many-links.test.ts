// A thousand links at a time, each with its rules: the host's table of neighbours has room for fewer, and a lost first
// packet would show. native/test/network/many_links_test.c does it, in namespaces of its own.

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildFolder, checkout } from '../../fixtures/paths.ts';
import { runOk } from '../../fixtures/process.ts';

it('a thousand sandboxes are answered at once, by both families', async () => {
  const program = 'obj/test/network/many_links_test';
  const jobs = `-j${availableParallelism()}`;
  await runOk('make', ['-s', jobs, '-C', join(checkout, 'native'), join('../build', program)]);
  const said = await runOk(join(buildFolder, program), ['1000']);
  expect(said).toContain('2000 of 2000 questions heard, 2000 answers');
  const [, kibibytes] = /; (-?\d+) KiB of the kernel's each/.exec(said) ?? [];
  expect(Number(kibibytes)).toBeLessThanOrEqual(200);
}, 180_000);
