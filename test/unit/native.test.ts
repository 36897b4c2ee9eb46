// The native programs are linked so that nothing runs before their first line on the path of a login, neither a
// dynamic loader nor a library that somebody could have replaced.

import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const build = path.resolve(import.meta.dirname, '../../build');
const programs = [
  'dockersh',
  'dockersh-exec',
  'dockersh-supervisor',
  'dockersh-init',
  'dockersh-layer',
  'dockersh-relay',
  'dockersh-keys',
  'dockersh-stand-in',
];

/** Types of the program headers of a 64-bit little-endian ELF file (elf(5)). */
function segmentTypes(file: string): number[] {
  const bytes = readFileSync(file);
  const start = Number(bytes.readBigUInt64LE(32));
  const size = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => bytes.readUInt32LE(start + index * size));
}

const PT_INTERP = 3;
const PT_GNU_RELRO = 0x6474e552;
const ET_DYN = 3;

describe.each(programs)('%s', (program) => {
  const file = path.join(build, program);

  it('has no program interpreter', () => {
    expect(segmentTypes(file)).not.toContain(PT_INTERP);
  });

  it('is position-independent, with read-only relocations', () => {
    expect(readFileSync(file).readUInt16LE(16)).toBe(ET_DYN);
    expect(segmentTypes(file)).toContain(PT_GNU_RELRO);
  });

  it('has no setuid bit and nobody else can write it', () => {
    expect(statSync(file).mode & 0o6022).toBe(0);
  });
});

it('dockersh-init can be read by nobody but its owner, so that nobody can trace PID 1', () => {
  expect(statSync(path.join(build, 'dockersh-init')).mode & 0o777).toBe(0o711);
});
