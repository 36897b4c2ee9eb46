// The hint for a home that is not where it should be, pasted into a shell.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolved } from '../../../src/lib/values/absolute-path.ts';
import { Uid } from '../../../src/lib/values/uid.ts';
import { homeProblem } from '../../../src/users/home/private-home.ts';
import { runOk } from '../../fixtures/process.ts';

const names = [
  'plain',
  'with a blank',
  `it's "quoted"`,
  '$(touch made) `touch made`; touch made #',
  '-n',
  'é\ttab',
];

async function pasted(hint: string | undefined, before: string, folder: string): Promise<void> {
  const at = hint?.indexOf(before) ?? -1;
  expect(at, hint).toBeGreaterThanOrEqual(0);
  await runOk('bash', ['-c', hint?.slice(at + before.length) ?? ''], { cwd: folder });
  expect(existsSync(join(folder, 'made'))).toBe(false);
}

test.each(names)('a home in a folder of the name %j is moved by what the hint says', async (name) => {
  const folder = await mkdtemp(join(tmpdir(), 'dockersh-test-home-'));
  try {
    const [outside, other] = [resolved(join(folder, `state ${name}`, '1000')), join(folder, name, '1000')];
    await mkdir(outside, { recursive: true });
    await mkdir(join(other, 'home'), { recursive: true });
    await writeFile(join(other, 'home/file'), 'theirs');
    await writeFile(join(outside, 'home-place'), `${other}\n`);
    const owner = { user: { uid: Uid.parse(1000), name: 'alice' }, outside, folder: outside, homeRoot: null };
    const problem = await homeProblem(owner);
    expect(problem?.code).toBe('E_HOME');
    await pasted(problem?.hint, 'move it: ', folder);
    expect(await readFile(join(outside, 'home/file'), 'utf8')).toBe('theirs');
    expect(await readdir(other)).toEqual([]);
    expect(await homeProblem(owner)).toBeUndefined();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.each(names)('a home that is gone from the name %j begins anew by what the hint says', async (name) => {
  const folder = await mkdtemp(join(tmpdir(), 'dockersh-test-home-'));
  try {
    const outside = resolved(join(folder, name, '1000'));
    await mkdir(outside, { recursive: true });
    await writeFile(join(outside, 'home-place'), `${join(folder, 'gone', name)}\n`);
    const owner = { user: { uid: Uid.parse(1000), name: 'alice' }, outside, folder: outside, homeRoot: null };
    await pasted((await homeProblem(owner))?.hint, 'an empty home: ', folder);
    expect(await readdir(outside)).toEqual([]);
    expect(await homeProblem(owner)).toBeUndefined();
  } finally {
    await rm(folder, { recursive: true });
  }
});
