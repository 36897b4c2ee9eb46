// Tests of reading the policy's files.

import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadPolicyFile, PolicyFiles } from '../../../src/policy/parse/load.ts';

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
  expect(policy?.defaults[0]?.values.image).toBe('host');
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

describe('conf.d', () => {
  const confFile = (name: string) => path.join(folder, 'conf.d', name);
  beforeEach(async () => {
    await mkdir(path.join(folder, 'conf.d'), { mode: 0o755 });
  });

  test('its .ini files count after the main one, by name', async () => {
    await writeFile(confFile('20-b.ini'), '[defaults]\npids = 20\n', { mode: 0o644 });
    await writeFile(confFile('10-a.ini'), '[defaults]\npids = 30\nimage = a\n', { mode: 0o644 });
    for (const ignored of ['30.ini~', '.40.ini', '50.conf', '.ini'])
      await writeFile(confFile(ignored), '[nonsense]\n', { mode: 0o644 });
    const { policy, problems, files } = await loadPolicyFile(file, options);
    expect(problems).toEqual([]);
    expect(files).toEqual([file, confFile('10-a.ini'), confFile('20-b.ini')]);
    expect(policy?.defaults.map(({ values }) => values.pids)).toEqual([undefined, 30, 20]);
  });

  test('a file or the folder that others can change is refused by name, and so is everything', async () => {
    await writeFile(confFile('a.ini'), '[defaults]\npids = 20\n');
    await chmod(confFile('a.ini'), 0o664);
    const refused = await loadPolicyFile(file, options);
    expect(refused.policy).toBeUndefined();
    expect(refused.problems).toMatchObject([{ file: confFile('a.ini'), code: 'E_UNTRUSTED_PATH' }]);
    await rm(confFile('a.ini'));
    await chmod(path.join(folder, 'conf.d'), 0o777);
    expect((await loadPolicyFile(file, options)).problems).toMatchObject([
      {
        file: path.join(folder, 'conf.d'),
        code: 'E_UNTRUSTED_PATH',
        message: expect.stringContaining('everybody'),
      },
    ]);
    expect(await loadPolicyFile(file, { ...options, draft: true })).toHaveProperty('policy');
  });

  test('of many files only those are read again that have changed', async () => {
    for (let n = 0; n < 20; n++)
      await writeFile(confFile(`${n}.ini`), `[user:u${n}]\npids = 20\n`, { mode: 0o644 });
    await sleep(30);
    const files = new PolicyFiles(file, options);
    const before = await files.load();
    await writeFile(confFile('7.ini'), '[user:u7]\npids = 77\n');
    await sleep(30);
    const after = await files.load();
    expect(after.stamp).not.toBe(before.stamp);
    expect(after.policy?.users.get('u7')?.[0]?.values.pids).toBe(77);
    expect(after.policy?.users.get('u8')?.[0]).toBe(before.policy?.users.get('u8')?.[0]);
  });
});
