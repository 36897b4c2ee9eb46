// What the compiled system call filter says, for each machine that it is compiled for: the program of the kernel's
// is interpreted here, so that the filter of another machine is tested as well.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildFolder } from '../fixtures/paths.ts';

const generator = path.join(buildFolder, 'obj/seccomp-generate');
const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97];
const newUser = 0x10000000;

/** AUDIT_ARCH_* of linux/audit.h, and numbers of system calls there. */
const machines = {
  x86_64: {
    arch: 0xc000003e,
    narrow: 0x40000003,
    unshare: 272,
    clone: 56,
    clone3: 435,
    mount: 165,
    ioctl: 16,
    socket: 41,
    getpid: 39,
    reboot: 169,
  },
  aarch64: {
    arch: 0xc00000b7,
    narrow: 0x40000028,
    unshare: 97,
    clone: 220,
    clone3: 435,
    mount: 40,
    ioctl: 29,
    socket: 198,
    getpid: 172,
    reboot: 142,
  },
} as const;
/** Of 32-bit programs there. */
const narrowMount = { x86_64: 21, aarch64: 21 } as const;

type Instruction = readonly [code: number, whenTrue: number, whenFalse: number, k: number];

function filterOf(machine: string): Instruction[] {
  const text = execFileSync(generator, [machine], { encoding: 'utf8' });
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

describe.each(['x86_64', 'aarch64'] as const)('the filter for %s', (name) => {
  const of = machines[name];
  let filter: Instruction[];
  beforeAll(() => {
    filter = filterOf(name);
  });
  const says = (call: number, ...args: readonly number[]): number => verdict(filter, of.arch, call, ...args);

  test('lets ordinary calls through', () => {
    expect(says(of.getpid)).toBe(0);
    expect(says(of.clone, 17)).toBe(0);
    for (const family of [1, 2, 10, 16]) expect(says(of.socket, family, 1, 0)).toBe(0);
    expect(says(of.ioctl, 0, 0x5413)).toBe(0);
  });

  test('refuses what reaches past the walls', () => {
    expect(says(of.unshare, newUser)).toBe(EPERM);
    expect(says(of.clone, newUser | 17)).toBe(EPERM);
    expect(says(of.clone3)).toBe(ENOSYS);
    expect(says(of.mount)).toBe(EPERM);
    expect(says(of.reboot)).toBe(EPERM);
    for (const request of [0x5412, 0x541c, 0x5423]) expect(says(of.ioctl, 0, request)).toBe(EPERM);
    for (const family of [17, 38, 40]) expect(says(of.socket, family, 1, 0)).toBe(EAFNOSUPPORT);
  });

  test('holds 32-bit programs to the same, and lets no others run', () => {
    expect(verdict(filter, of.narrow, narrowMount[name])).toBe(EPERM);
    const other = machines[name === 'x86_64' ? 'aarch64' : 'x86_64'];
    for (const arch of [other.arch, other.narrow, 0]) expect(verdict(filter, arch, of.getpid)).toBe(ENOSYS);
  });
});

test('there is none for a machine that nobody knows', () => {
  expect(() => execFileSync(generator, ['vax'], { stdio: 'pipe' })).toThrow(/no filter is known for vax/);
});
