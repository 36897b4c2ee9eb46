import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadPolicyFile } from '../../../src/policy/load.ts';

const options = { trustedUids: [0, process.getuid?.() ?? 0] };
let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  file = path.join(folder, 'dockersh.ini');
  await writeFile(file, '[defaults]\nimage = host\n', { mode: 0o644 });
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('reads a file that only root can change', async () => {
  const { policy, problems } = await loadPolicyFile(file, options);
  expect(problems).toEqual([]);
  expect(policy?.defaults?.values.image).toBe('host');
});

test('refuses by name a file or folder that others can change', async () => {
  await chmod(file, 0o666);
  const { policy, problems } = await loadPolicyFile(file, options);
  expect(policy).toBeUndefined();
  expect(problems).toMatchObject([{ severity: 'error', file, line: 0, code: 'E_UNTRUSTED_PATH' }]);
  await chmod(file, 0o644);
  await chmod(folder, 0o777);
  const parent = await loadPolicyFile(file, options);
  expect(parent.problems[0]?.message).toContain(`${folder} is writable by everybody`);
});

test('says that a file is missing or is no text', async () => {
  expect((await loadPolicyFile(`${file}.x`, options)).problems).toMatchObject([{ code: 'E_NOT_FOUND' }]);
  await writeFile(file, Buffer.from([0xff, 0xfe]));
  expect((await loadPolicyFile(file, options)).problems).toMatchObject([{ code: 'E_POLICY_INVALID' }]);
});
