// Tests of what is kept of a user's choices by self-service.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AbsolutePath } from '../../../../src/lib/values/absolute-path.ts';
import type { Uid } from '../../../../src/lib/values/uid.ts';
import { OwnChoices } from '../../../../src/users/own/choices.ts';

const uid = 1000 as Uid;
let state: AbsolutePath;

beforeEach(async () => {
  state = (await mkdtemp(path.join(tmpdir(), 'dockersh-test-'))) as AbsolutePath;
  await mkdir(path.join(state, 'users/1000'), { recursive: true });
});
afterEach(async () => {
  await rm(state, { recursive: true });
});

test('nothing is chosen at first', () => {
  const choices = new OwnChoices(state);
  expect(choices.text(uid)).toBe('');
  expect(choices.last(uid)).toBeUndefined();
});

test('a choice is there for the next daemon, and is taken back step by step', async () => {
  const choices = new OwnChoices(state);
  await choices.choose(uid, 'image', 'lab/base:1');
  await choices.choose(uid, 'image', 'lab/base:2');
  await choices.choose(uid, 'publish', '+0:80');
  await choices.replaced(uid, 'reset', 'before-reset-1');
  const next = new OwnChoices(state);
  expect(next.text(uid)).toBe('image = lab/base:2\npublish = +0:80\n');
  const seen = [];
  for (let last = next.last(uid); last !== undefined; last = next.last(uid)) {
    await next.takeBack(uid, last);
    seen.push(next.text(uid));
  }
  expect(seen).toEqual([
    'image = lab/base:2\npublish = +0:80\n',
    'image = lab/base:2\n',
    'image = lab/base:1\n',
    '',
  ]);
});

test('those at the same time are both kept, and not more than twenty', async () => {
  const choices = new OwnChoices(state);
  await Promise.all(Array.from({ length: 25 }, (_, n) => choices.choose(uid, 'image', `base:${n}`)));
  let count = 0;
  for (let last = choices.last(uid); last !== undefined; last = choices.last(uid)) {
    await choices.takeBack(uid, last);
    count += 1;
  }
  expect(count).toBe(20);
  expect(choices.text(uid)).toBe('image = base:4\n');
});

test('a damaged file is none', async () => {
  const choices = new OwnChoices(state);
  await choices.choose(uid, 'image', 'base');
  await writeFile(path.join(state, 'users/1000/choices.json'), '{"version":1,"chosen":{"image":7}');
  expect(choices.text(uid)).toBe('');
  await choices.choose(uid, 'publish', 'none');
  expect(choices.text(uid)).toBe('publish = none\n');
});
