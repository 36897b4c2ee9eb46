// What the compiled system call filter says, for each machine that it is compiled for: the program of the kernel's
// is interpreted here, so that the filter of another machine is tested as well.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildFolder } from '../fixtures/paths.ts';
import { ofKeys, ofMachine, ofMounts, unknown } from '../fixtures/system-calls.ts';

const generator = path.join(buildFolder, 'obj/seccomp-generate');
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97];
const newTime = 0x80;
/** CLONE_NEW* of linux/sched.h: of mounts, control groups, UTS, IPC, users, processes, the network, time. */
const namespaces = [
  ...[0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000],
  newTime,
];

/** AUDIT_ARCH_* of linux/audit.h, and numbers of system calls there, of 32-bit programs as well. */
const machines = {
  x86_64: {
    own: { arch: 0xc000003e, column: 0, unshare: 272, clone: 56, ioctl: 16, socket: 41, getpid: 39 },
    narrow: { arch: 0x40000003, column: 1, unshare: 310, clone: 120, ioctl: 54, socket: 359, getpid: 20 },
  },
  aarch64: {
    own: { arch: 0xc00000b7, column: 2, unshare: 97, clone: 220, ioctl: 29, socket: 198, getpid: 172 },
    narrow: { arch: 0x40000028, column: 3, unshare: 337, clone: 120, ioctl: 54, socket: 281, getpid: 20 },
  },
} as const;
const kinds = (['x86_64', 'aarch64'] as const).flatMap((machine) => [
  { machine, programs: 'programs', of: machines[machine].own },
  { machine, programs: '32-bit programs', of: machines[machine].narrow },
]);

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, k: number];

/** The filter, and the one with nesting. */
function filtersOf(machine: string): Instruction[][] {
  const text = execFileSync(generator, [machine], { encoding: 'utf8' });
  return text.split('static const ').slice(1).map(instructions);
}

function instructions(text: string): Instruction[] {
  return [...text.matchAll(/\{0x([0-9a-f]+), (\d+), (\d+), 0x([0-9a-f]+)\}/g)].map(
    ([, code = '', yes = '', no = '', k = '']) => [
      parseInt(code, 16),
      Number(yes),
      Number(no),
      parseInt(k, 16),
    ],
  );
}

/** The errno of a call; 0: allowed. struct seccomp_data is number, architecture, instruction pointer, arguments. */
function verdict(
  filter: readonly Instruction[],
  arch: number,
  call: number,
  ...args: readonly number[]
): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call >>> 0, 0);
  data.writeUInt32LE(arch, 4);
  for (const [index, value] of args.entries()) data.writeBigUInt64LE(BigInt(value), 16 + 8 * index);
  let [a, at] = [0, 0];
  for (;;) {
    const instruction = filter[at];
    if (instruction === undefined) throw new Error(`the filter has no end at ${at}`);
    const [code, yes, no, k] = instruction;
    at += 1;
    if (code === 0x20) a = data.readUInt32LE(k);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += a === k ? yes : no;
    else if (code === 0x25) at += a > k ? yes : no;
    else if (code === 0x35) at += a >= k ? yes : no;
    else if (code === 0x06) return k === 0x7fff0000 ? 0 : k & 0xffff;
    else throw new Error(`instruction 0x${code.toString(16)}`);
  }
}

describe.each(kinds)('the filter for $programs of $machine', ({ machine, of }) => {
  let filter: Instruction[];
  let nesting: Instruction[];
  beforeAll(() => {
    [filter = [], nesting = []] = filtersOf(machine);
  });
  const says = (call: number, ...args: readonly number[]): number => verdict(filter, of.arch, call, ...args);
  const saysNesting = (call: number, ...args: readonly number[]): number =>
    verdict(nesting, of.arch, call, ...args);
  /** What is said to each of them, by name. */
  const all = (table: typeof ofKeys, say: typeof says): Record<string, number> =>
    Object.fromEntries(
      Object.entries(table).flatMap(([name, numbers]) => {
        const number = numbers[of.column];
        return number === undefined ? [] : [[name, say(number)]];
      }),
    );
  const everyOne = (said: Record<string, number>, errno: number): void => {
    expect(said).toEqual(Object.fromEntries(Object.keys(said).map((name) => [name, errno])));
    expect(Object.keys(said).length).toBeGreaterThan(2);
  };

  test('lets ordinary calls through', () => {
    for (const say of [says, saysNesting]) {
      expect(say(of.getpid)).toBe(0);
      expect(say(of.clone, 17)).toBe(0);
      for (const family of [1, 2, 10, 16]) expect(say(of.socket, family, 1, 0)).toBe(0);
      expect(say(of.ioctl, 0, 0x5413)).toBe(0);
    }
  });

  test('refuses what reaches past the walls', () => {
    everyOne(all(ofMachine, says), EPERM);
    everyOne(all(ofKeys, says), EPERM);
    everyOne(all(ofMounts, says), EPERM);
    everyOne(all(unknown, says), ENOSYS);
    for (const space of namespaces) {
      expect(says(of.unshare, space)).toBe(EPERM);
      if (space !== newTime) expect(says(of.clone, space | 17)).toBe(EPERM);
    }
  });

  test('lets namespaces and mounts through with nesting, and nothing else of it', () => {
    everyOne(all(ofMachine, saysNesting), EPERM);
    everyOne(all(ofKeys, saysNesting), ENOSYS);
    everyOne(all(ofMounts, saysNesting), 0);
    everyOne(all(unknown, saysNesting), ENOSYS);
    for (const space of namespaces) expect(saysNesting(of.unshare, space)).toBe(0);
  });

  test('refuses other sockets, and keys for terminals, with nesting as well', () => {
    for (const say of [says, saysNesting]) {
      for (const request of [0x5412, 0x541c, 0x5423]) expect(say(of.ioctl, 0, request)).toBe(EPERM);
      for (const family of [0, 3, 17, 38, 40]) expect(say(of.socket, family, 1, 0)).toBe(EAFNOSUPPORT);
    }
  });
});

test.each(['x86_64', 'aarch64'] as const)('the filter for %s lets no other programs run', (name) => {
  const { own, narrow } = machines[name === 'x86_64' ? 'aarch64' : 'x86_64'];
  for (const filter of filtersOf(name)) {
    for (const { arch, getpid } of [own, narrow, { arch: 0, getpid: own.getpid }]) {
      expect(verdict(filter, arch, getpid)).toBe(ENOSYS);
    }
  }
});

test('there is none for a machine that nobody knows', () => {
  expect(() => execFileSync(generator, ['vax'], { stdio: 'pipe' })).toThrow(/no filter is known for vax/);
});
