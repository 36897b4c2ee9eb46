// The two sides of native/common/failure.h, and of the marks that dockersh-layer puts before its lines.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { layerFailure, layerMarks, marked } from '../../../src/images/layers/program.ts';
import { type Failure, failureOf, failures, nativeError } from '../../../src/lib/failures.ts';

const native = (file: string): string =>
  readFileSync(path.resolve(import.meta.dirname, '../../../native', file), 'utf8');

const numbers = Object.values(failures).map(({ number }) => number);

describe('the two sides agree', () => {
  test('on the number of each failure', () => {
    const header = [...native('common/failure.h').matchAll(/^ {4}FAILURE_([A-Z]+) = (\d+),/gm)];
    const theirs = header.map(([, name = '', number]) => [name.toLowerCase(), Number(number)]);
    const ours = Object.entries(failures).map(([name, { number }]) => [name, number]);
    expect(theirs).toEqual([['none', 0], ...ours]);
  });

  test('on the marks', () => {
    const header = [...native('layer/report.h').matchAll(/^#define MARK_([A-Z_]+) "(.*)"$/gm)];
    const theirs = header.map(([, name = '', mark]) => [name.replace('_', '').toLowerCase(), mark]);
    expect(Object.fromEntries(theirs)).toEqual({
      failed: layerMarks.failed,
      leftout: layerMarks.leftOut,
    });
  });

  test('no number has two names, and each can be an exit status', () => {
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(number > 0 && number < 126).toBe(true);
  });
});

test('what fails has the code that stands for it, whatever is said', () => {
  for (const [name, { number, code }] of Object.entries(failures)) {
    const failure = failureOf(number);
    expect(failure).toBe(name);
    const error = nativeError(failure as Failure, 'E_INTERNAL', {
      why: 'set time limits: No space left on device',
    });
    expect(error).toMatchObject({
      code: code ?? 'E_INTERNAL',
      why: 'set time limits: No space left on device',
    });
  }
});

test('a number of another version is none', () => {
  for (const number of [undefined, 0, 1, 99, 2 ** 32 - 1]) expect(failureOf(number)).toBeUndefined();
});

describe('dockersh-layer', () => {
  const exit = (status: number | null, stderr: string) => ({
    status,
    signal: status === null ? ('SIGKILL' as const) : null,
    stderr,
    stdout: '',
  });

  test('has failed with its exit status, for the reason on its line', () => {
    const stderr = "left-out: 'a': why\ndockersh-layer: at offset 512: the archive ends too early\n";
    expect(layerFailure('read x', exit(failures.damaged.number, stderr))).toMatchObject({
      code: 'E_IMAGE_BROKEN',
      what: 'read x',
      why: 'at offset 512: the archive ends too early',
    });
    expect(marked('leftOut', stderr)).toEqual(["'a': why"]);
  });

  test('that was killed, or is of another version, is an internal error', () => {
    expect(layerFailure('read x', exit(null, ''))).toMatchObject({
      code: 'E_INTERNAL',
      why: 'dockersh-layer ended with SIGKILL',
    });
    expect(layerFailure('read x', exit(99, 'No space left on device'))).toMatchObject({
      code: 'E_INTERNAL',
      why: 'No space left on device',
    });
  });
});
