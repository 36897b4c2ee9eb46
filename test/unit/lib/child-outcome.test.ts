// Tests of the reader of a child's output.

import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';
import { outcomeOf } from '../../../src/lib/child-outcome.ts';

const sh = (script: string) => spawn('/bin/sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });

test('status and output of a child that ends by itself', async () => {
  const outcome = await outcomeOf(sh('echo said; echo failed >&2; exit 3'), { maxBytes: 100, stdout: true });
  expect(outcome).toEqual({ status: 3, signal: null, stdout: 'said\n', stderr: 'failed\n' });
});

test('the signal that ended a child', async () => {
  const outcome = await outcomeOf(sh('kill -KILL $$'), { maxBytes: 100, stdout: true });
  expect(outcome).toMatchObject({ status: null, signal: 'SIGKILL' });
});

test('only the beginning is kept of a child that writes more than a pipe holds', async () => {
  const outcome = await outcomeOf(sh('yes | head -c 1000000; exit 1'), { maxBytes: 7, stdout: true });
  expect(outcome).toMatchObject({ status: 1, stdout: 'y\ny\ny\ny' });
});

test("standard output is left alone where it is the caller's", async () => {
  const child = sh('echo said; echo failed >&2');
  const ended = outcomeOf(child, { maxBytes: 100, stdout: false });
  expect((await child.stdout.toArray()).join('')).toBe('said\n');
  expect(await ended).toMatchObject({ status: 0, stdout: '', stderr: 'failed\n' });
});

test('a program that cannot be started is a failure', async () => {
  const child = spawn('/nowhere/to/be/found', { stdio: ['ignore', 'pipe', 'pipe'] });
  await expect(outcomeOf(child, { maxBytes: 100, stdout: true })).rejects.toThrow('ENOENT');
});
