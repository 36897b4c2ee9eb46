// Tests of the arguments for mmdebstrap.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isStatic } from '../../../src/images/bootstrap/busybox.ts';
import { mmdebstrapArgs, saysFull } from '../../../src/images/bootstrap/debian.ts';

const root = '/state/tmp/root';

describe('mmdebstrapArgs', () => {
  it('ends options before what was asked for', () => {
    const mirror = 'http://deb.example/debian';
    const args = mmdebstrapArgs({ suite: 'debian:trixie', mirror, packages: ['git', 'g++'], root });
    expect(args.slice(args.indexOf('--'))).toEqual(['--', 'trixie', root, mirror]);
    expect(args).toContain('--include=git,g++');
  });

  it.each([
    [{ suite: 'trixie' }],
    [{ suite: 'debian:' }],
    [{ suite: 'debian:-x' }],
    [{ suite: 'constructor:x' }],
    [{ suite: 'debian:trixie', mirror: '--hook-dir=/x' }],
    [{ suite: 'debian:trixie', mirror: 'deb [trusted=yes] http://x/ y main' }],
    [{ suite: 'debian:trixie', packages: ['git', '--x'] }],
    [{ suite: 'debian:trixie', packages: ['a b'] }],
  ])('refuses %j', (request) => {
    expect(() => mmdebstrapArgs({ ...request, root })).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });
});

it('a program without an interpreter is static', () => {
  const shell = readFileSync('/bin/sh');
  expect(isStatic(shell)).toBe(false);
  expect(isStatic(Buffer.from('#!/bin/sh\n'))).toBe(false);
  const [start, size, count] = [
    Number(shell.readBigUInt64LE(32)),
    shell.readUInt16LE(54),
    shell.readUInt16LE(56),
  ];
  for (let index = 0; index < count; index += 1) {
    const at = start + index * size;
    if (shell.readUInt32LE(at) === 3) shell.writeUInt32LE(0, at); // PT_INTERP becomes PT_NULL
  }
  expect(isStatic(shell)).toBe(true);
});

it.each([
  ["E: You don't have enough free space in /srv/root/var/cache/apt/archives/.", true],
  ['tar: ./usr/bin/perl: Cannot write: No space left on device', true],
  ['E: Unable to locate package no-space', false],
])('a full disk is what %j says: %s', (line, full) => {
  expect(saysFull(line)).toBe(full);
});
