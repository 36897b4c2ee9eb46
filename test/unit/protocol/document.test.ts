// Holds docs/protocol.md to the code: it names every message, tag, limit and verb, each with its number, and none
// that is gone.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { wireMagic, wireMaxBytes, wireMaxFds } from '../../../src/lib/wire.ts';
import {
  adminMaxAnswerBytes,
  adminMaxLineBytes,
  adminProtocolVersion,
  adminVerbs,
} from '../../../src/protocol/admin.ts';
import { LoginRequest } from '../../../src/protocol/login.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const document = readFileSync(path.join(root, 'docs/protocol.md'), 'utf8');
const header = readFileSync(path.join(root, 'native/common/wire/numbers.h'), 'utf8');

/** The text from one heading to the next. */
function section(heading: string): string {
  const [, after] = document.split(`\n## ${heading}\n`);
  if (after === undefined) throw new Error(`no section "${heading}"`);
  return after.split('\n## ')[0] ?? '';
}

/** The cells of every table row of a section, without head and rule. */
function rowsOf(heading: string): string[][] {
  return section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
    .slice(1);
}

const numbersIn = (prefix: string): string[][] =>
  [...header.matchAll(new RegExp(`^ {4}${prefix}_([A-Z0-9_]+) = (\\d+),`, 'gm'))].map(([, name, number]) => [
    number ?? '',
    name ?? '',
  ]);
const named = (heading: string): string[][] => rowsOf(heading).map((cells) => cells.slice(0, 2));

test('every message type, with its number', () => {
  expect(numbersIn('MSG').length).toBeGreaterThan(20);
  expect(named('3. Types')).toEqual(numbersIn('MSG'));
});

test('every tag, with its number', () => {
  expect(numbersIn('TAG').length).toBeGreaterThan(40);
  expect(named('4. Tags')).toEqual(numbersIn('TAG'));
});

test('the fields of a message are tags', () => {
  const tags = new Set(numbersIn('TAG').map(([, name]) => name));
  const fields = rowsOf('3. Types').flatMap(
    (cells) => (cells[3] ?? '').match(/\b[A-Z][A-Z0-9_]{2,}\b/g) ?? [],
  );
  const known = new Set([...tags, 'SANDBOX']);
  expect(fields.filter((field) => !known.has(field))).toEqual([]);
  // And no tag is there for nothing: it is a field of a message, of SANDBOX or of SESSION.
  const told = section("6. A supervisor's life") + section('7. Sessions') + fields.join(' ');
  expect([...tags].filter((tag) => !new RegExp(`\\b${tag}\\b`).test(told))).toEqual([]);
});

test('the limits', () => {
  const limits = new Map(rowsOf('2. Messages').map((cells) => [cells[0], cells[1]]));
  expect(limits.get('message')).toBe(`${wireMaxBytes} bytes`);
  expect(limits.get('descriptors of a message')).toBe(String(wireMaxFds));
  expect(document).toContain(`0x0${wireMagic.toString(16)}`);
  const login = (args: number, env: number): boolean =>
    LoginRequest.safeParse({
      args: Array.from({ length: args }, () => ''),
      env: Array.from({ length: env }, () => 'A='),
      umask: 0,
      startedNs: 0n,
      execPath: '',
    }).success;
  const most = [limits.get('arguments of a login'), limits.get('variables of a login')].map(Number);
  const [args = 0, env = 0] = most;
  expect([login(args, env), login(args + 1, env), login(args, env + 1)]).toEqual([true, false, false]);
});

/** The number that a C source defines NAME as. */
function defined(file: string, name: string): number {
  const text = readFileSync(path.join(root, file), 'utf8');
  const [, number] = new RegExp(`^#define ${name}\\s+(?:\\\\\\s+)?(\\d+)`, 'm').exec(text) ?? [];
  if (number === undefined) throw new Error(`${file} does not define ${name}`);
  return Number(number);
}

test('how long a login client waits, and how often it asks again', () => {
  const [pause, times, waiting, silence] = ['RETRY_MS', 'RETRY_ATTEMPTS', 'WAITING_MS', 'SILENCE_MS'].map(
    (name) => defined('native/login/main.c', name),
  ) as [number, number, number, number];
  const login = section('5. Login').replaceAll(/\s+/g, ' ');
  expect(login).toContain(`every ${pause} ms, ${times} times (${(pause * times) / 1000} s)`);
  expect(login).toContain(`after ${waiting / 1000} seconds that it waits`);
  expect(login).toContain(`heard nothing for ${silence / 1000} seconds`);
});

test('how many of each there may be in a specification', () => {
  const told = section("6. A supervisor's life").replaceAll(/\s+/g, ' ');
  const most = (name: string): number => defined('native/supervisor/spec.h', name);
  expect(told).toContain(`(together at most ${most('MAX_LAYERS')}, top first)`);
  expect(told).toContain(`BIND (at most ${most('MAX_BINDS')})`);
  expect(told).toContain(`MOUNT (at most ${most('MAX_BINDS')})`);
  expect(told).toContain(`DEVICE (at most ${most('MAX_DEVICES')})`);
  expect(told).toContain(`CGROUP_WRITE (at most ${most('MAX_CGROUP_WRITES')})`);
  expect(told).toContain(`CGROUP_LIFT (at most ${most('MAX_CGROUP_LIFTS')})`);
});

describe('the admin protocol', () => {
  test('every verb, with its params', () => {
    const told = rowsOf('9. Admin').map(([verb = '', params = '']) => [verb, params.match(/\w+/g) ?? []]);
    const verbs = Object.entries(adminVerbs).map(([verb, { params }]) => [verb, Object.keys(params.shape)]);
    expect(told).toEqual(verbs);
  });

  test('version and longest line', () => {
    expect(section('9. Admin')).toContain(`"version":${adminProtocolVersion}`);
    expect(section('9. Admin')).toContain(`${adminMaxLineBytes} bytes a line`);
    expect(section('9. Admin')).toContain(`at most ${adminMaxAnswerBytes}`);
  });
});
