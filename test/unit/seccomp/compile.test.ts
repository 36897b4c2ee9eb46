// The compiled program against the plain meaning of a profile, for profiles and calls at random.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { callsOf, machines } from '../../../src/seccomp/calls.ts';
import { compile, compileFilter } from '../../../src/seccomp/compile.ts';
import { neededCalls } from '../../../src/seccomp/needed.ts';
import { type Argument, Profile } from '../../../src/seccomp/profile.ts';
import { mostInstructions } from '../../../src/seccomp/program.ts';
import { answerOf } from '../../fixtures/kernel/bpf.ts';

const values = [0, 1, 2, 0x5412, 0x7e020000, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, 2 ** 53 - 1];
const returns = {
  SCMP_ACT_ALLOW: 0x7fff0000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_TRAP: 0x30000,
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
} as const;
type Plain = keyof typeof returns;

const names = ['read', 'ioctl', 'socket', 'clone', 'openat', 'mmap2', 'arch_prctl', 'open_tree_attr'];
const argument = fc.record({
  index: fc.integer({ min: 0, max: 5 }),
  value: fc.constantFrom(...values),
  valueTwo: fc.constantFrom(...values),
  op: fc.constantFrom(
    ...(['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'] as const).map((op) => `SCMP_CMP_${op}` as const),
  ),
});
const entry = fc.record({
  names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
  action: fc.constantFrom(...(Object.keys(returns) as Plain[])),
  args: fc.uniqueArray(argument, { maxLength: 3, selector: ({ index }) => index }),
});

function holds({ index, op, value, valueTwo }: Argument, args: readonly bigint[]): boolean {
  const arg = args[index] ?? 0n;
  const wanted = BigInt(value);
  switch (op) {
    case 'SCMP_CMP_NE':
      return arg !== wanted;
    case 'SCMP_CMP_LT':
      return arg < wanted;
    case 'SCMP_CMP_LE':
      return arg <= wanted;
    case 'SCMP_CMP_EQ':
      return arg === wanted;
    case 'SCMP_CMP_GE':
      return arg >= wanted;
    case 'SCMP_CMP_GT':
      return arg > wanted;
    case 'SCMP_CMP_MASKED_EQ':
      return (arg & wanted) === BigInt(valueTwo);
  }
}

test('answers as the first entry that matches says', () => {
  const drawn = fc.record({
    machine: fc.constantFrom('x86_64' as const, 'aarch64' as const),
    entries: fc.array(entry, { maxLength: 6 }),
    args: fc.array(fc.constantFrom(...values.flatMap((value) => [BigInt(value), BigInt(value) + 1n])), {
      minLength: 6,
      maxLength: 6,
    }),
  });
  fc.assert(
    fc.property(drawn, ({ machine, entries, args }) => {
      const parsed = Profile.safeParse({
        defaultAction: 'SCMP_ACT_TRAP',
        architectures: machines[machine].map(({ name }) => name),
        syscalls: entries,
      });
      fc.pre(parsed.success); // entries that could never count are refused
      if (!parsed.success) return;
      const program = compile([parsed.data], machine);
      for (const kind of machines[machine]) {
        const seen = args.map((arg) => (kind.wide ? arg : arg & 0xffff_ffffn));
        for (const [number, name] of callsOf(kind)) {
          if (!names.includes(name)) continue;
          const match = parsed.data.syscalls.find(
            (one) => one.names.includes(name) && one.args.every((arg) => holds(arg, seen)),
          );
          const wanted = returns[(match?.action ?? 'SCMP_ACT_TRAP') as Plain];
          expect(answerOf(program, { arch: kind.audit, number, args: seen })).toBe(wanted);
        }
      }
    }),
    { numRuns: 500 },
  );
});

const allowing = (changes: Partial<Record<keyof Profile, unknown>>): Profile =>
  Profile.parse({ defaultAction: 'SCMP_ACT_ALLOW', ...changes });

describe('a filter for sessions', () => {
  test('is as the kernel takes it', () => {
    const compiled = compileFilter(allowing({}), 'x86_64');
    if (!compiled.ok) throw new Error(compiled.problem);
    expect(compiled.filter.length % 8).toBe(0);
    expect(compiled.filter.subarray(0, 8).toString('hex')).toBe('2000000004000000');
  });

  test('has programs of 32 bits only where it names them', () => {
    const [, narrow] = machines.x86_64;
    const call = { arch: narrow.audit, number: 3 };
    expect(answerOf(compile([allowing({})], 'x86_64'), call)).toBe(0x50000 | 38);
    const named = allowing({ architectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_S390'] });
    expect(answerOf(compile([named], 'x86_64'), call)).toBe(0x7fff0000);
  });

  test('must let sessions begin', () => {
    const closed = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] };
    expect(compileFilter(Profile.parse(closed), 'x86_64')).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/^does not allow what every session begins with: .*execve/),
    });
    const open = { ...closed, syscalls: [{ names: neededCalls, action: 'SCMP_ACT_ALLOW' }] };
    expect(compileFilter(Profile.parse(open), 'x86_64').ok).toBe(true);
  });

  test('is refused where the kernel would not take it', () => {
    const syscalls = Array.from({ length: 1000 }, (_, value) => ({
      names: ['ioctl'],
      action: 'SCMP_ACT_KILL',
      args: [{ index: 1, value, op: 'SCMP_CMP_EQ' }],
    }));
    expect(compileFilter(allowing({ syscalls }), 'x86_64')).toEqual({
      ok: false,
      problem: expect.stringMatching(new RegExp(`instructions; the kernel takes ${mostInstructions}$`)),
    });
  });
});
