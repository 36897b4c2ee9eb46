// Interprets the filters that are compiled into the supervisor, for each machine that they are compiled for.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { baseProfiles, builtinProfiles } from '../../../src/seccomp/builtin.ts';
import { callsOf, type Kind, type Machine, machines } from '../../../src/seccomp/calls.ts';
import { compile } from '../../../src/seccomp/compile.ts';
import { verdictOf } from '../../fixtures/kernel/bpf.ts';
import {
  dockerAllows,
  dockerPersonalities,
  dockerRefusedFamilies,
  everydayCalls,
  nestingCalls,
} from '../../fixtures/kernel/known-calls.ts';
import { ofKeys, ofMachine, ofMounts, unknown } from '../../fixtures/kernel/system-calls.ts';
import { checkout } from '../../fixtures/paths.ts';

const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97];
const newTime = 0x80;
/** CLONE_NEW* of linux/sched.h: of mounts, control groups, UTS, IPC, users, processes, the network, time. */
const namespaces = [
  ...[0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000],
  newTime,
];
/** With which everyday programs make the calls that are looked at more closely. */
const harmless: Readonly<Record<string, readonly number[]>> = { clone: [17], socket: [1], socketpair: [1] };
/** Beyond what Docker lets through: numactl and fio, and what watches a file system. */
const ourOwn = new Set(['get_mempolicy', 'set_mempolicy', 'fanotify_init']);
const ourOwnPersonality = 0x40000;

const kinds = Object.entries(machines).flatMap(([machine, [own, narrow]]) =>
  [own, narrow].map((kind) => ({ machine: machine as Machine, programs: kind.name, kind })),
);
/** Every number that a kernel has or may come to have, and what is behind its bits. */
const everyNumber = [
  ...Array.from({ length: 1024 }, (_, number) => number),
  ...Array.from({ length: 32 }, (_, number) => 0x0f_0000 + number),
  ...[0x4000_0000, 0x4000_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff],
];

describe.each(kinds)('the filter for $programs', ({ machine, kind }) => {
  const say =
    (filter = compile(baseProfiles.default(), machine)) =>
    (number: number, ...args: readonly number[]): number =>
      verdictOf(filter, { arch: kind.audit, number, args });
  const says = say();
  const saysNesting = say(compile(baseProfiles.nesting(), machine));
  const numbers = new Map([...callsOf(kind)].map(([number, name]) => [name, number]));
  const number = (name: string): number => {
    const found = numbers.get(name);
    if (found === undefined) throw new Error(`${kind.name} has no ${name}`);
    return found;
  };
  /** What is said to each of them, by name. */
  const all = (table: typeof ofKeys, to: typeof says): Record<string, number> =>
    Object.fromEntries(
      Object.entries(table).flatMap(([name, row]) => {
        const one = row[kind.column];
        return one === undefined ? [] : [[name, to(one)]];
      }),
    );
  const everyOne = (said: Record<string, number>, errno: number): void => {
    expect(said).toEqual(Object.fromEntries(Object.keys(said).map((name) => [name, errno])));
    expect(Object.keys(said).length).toBeGreaterThan(2);
  };

  test('refuses what reaches past the walls', () => {
    everyOne(all(ofMachine, says), EPERM);
    everyOne(all(ofKeys, says), EPERM);
    everyOne(all(ofMounts, says), EPERM);
    everyOne(all(unknown, says), ENOSYS);
    for (const space of namespaces) {
      expect(says(number('unshare'), space)).toBe(EPERM);
      if (space !== newTime) expect(says(number('clone'), space | 17)).toBe(EPERM);
    }
  });

  test('lets namespaces and mounts through with nesting, and nothing else of it', () => {
    everyOne(all(ofMachine, saysNesting), EPERM);
    everyOne(all(ofKeys, saysNesting), ENOSYS);
    everyOne(all(ofMounts, saysNesting), 0);
    everyOne(all(unknown, saysNesting), ENOSYS);
    for (const space of namespaces) {
      expect(saysNesting(number('unshare'), space)).toBe(0);
      expect(saysNesting(number('clone'), space | 17)).toBe(0);
    }
  });

  test('refuses other sockets, and keys for terminals, with nesting as well', () => {
    for (const to of [says, saysNesting]) {
      for (const request of [0x5412, 0x541c, 0x5423]) expect(to(number('ioctl'), 0, request)).toBe(EPERM);
      expect(to(number('ioctl'), 0, 0x5413)).toBe(0);
      for (const call of ['socket', 'socketpair'] as const)
        for (let family = 0; family < 64; family += 1)
          expect(to(number(call), family, 1, 0)).toBe([1, 2, 10, 16].includes(family) ? 0 : EAFNOSUPPORT);
    }
  });

  test('has no call that this program does not know', () => {
    for (const to of [says, saysNesting])
      for (const one of everyNumber.filter((candidate) => !callsOf(kind).has(candidate)))
        expect([one, to(one)]).toEqual([one, ENOSYS]);
  });

  test('has none of the calls that came after the list was made', () => {
    for (const name of ['open_tree_attr', 'file_getattr', 'file_setattr', 'lsm_set_self_attr'])
      for (const to of [says, saysNesting]) expect([name, to(number(name))]).toEqual([name, ENOSYS]);
  });

  test('lets through what everyday programs do, and with nesting what containers do', () => {
    for (const [one, name] of callsOf(kind)) {
      if (everydayCalls.has(name)) expect([name, says(one, ...(harmless[name] ?? []))]).toEqual([name, 0]);
      if (everydayCalls.has(name) || nestingCalls.has(name))
        expect([name, saysNesting(one, ...(harmless[name] ?? []))]).toEqual([name, 0]);
    }
  });

  test('lets nothing through that Docker refuses, but for three calls', () => {
    const open = [...callsOf(kind)].filter(([one, name]) => says(one, ...(harmless[name] ?? [])) === 0);
    expect(
      open.map(([, name]) => name).filter((name) => !dockerAllows.has(name) && !ourOwn.has(name)),
    ).toEqual([]);
    expect(open.length).toBeGreaterThan(200);
    for (const family of dockerRefusedFamilies) expect(says(number('socket'), family)).toBe(EAFNOSUPPORT);
    const open32 = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter(
      (bit) => says(number('personality'), bit) === 0,
    );
    expect(open32.filter((value) => !dockerPersonalities.includes(value))).toEqual([ourOwnPersonality]);
    for (const value of [...dockerPersonalities, ourOwnPersonality])
      expect(says(number('personality'), value)).toBe(0);
  });

  test('strict takes away, and nothing else', () => {
    const strict = say(compile([builtinProfiles.strict()], machine));
    const open = [...callsOf(kind)].filter(([one, name]) => strict(one, ...(harmless[name] ?? [])) === 0);
    for (const [one, name] of open) expect([name, says(one, ...(harmless[name] ?? []))]).toEqual([name, 0]);
    if (!kind.wide) expect(open).toEqual([]);
    else {
      const names = open.map(([, name]) => name);
      expect(names).toEqual(expect.arrayContaining(['read', 'openat', 'clone', 'execve', 'socket', 'ioctl']));
      for (const gone of ['ptrace', 'process_vm_writev', 'shmget', 'io_setup', 'fanotify_init', 'pkey_alloc'])
        expect(strict(number(gone))).toBe(EPERM);
      expect(strict(number('personality'), 0x40000)).toBe(EPERM);
    }
  });

  test('without socketcall, 32-bit programs get no socket by it', () => {
    const filter = say(compile([builtinProfiles.noSocketcall()], machine));
    for (const [one, name] of callsOf(kind)) {
      if (name !== 'socketcall') expect([name, filter(one)]).toEqual([name, 0]);
      else
        for (let call = 0; call <= 20; call += 1)
          expect(filter(one, call)).toBe(call === 1 || call === 8 ? EAFNOSUPPORT : 0);
    }
  });
});

test.each(['x86_64', 'aarch64'] as const)('the filters for %s let no other programs run', (name) => {
  const [own, narrow]: readonly Kind[] = machines[name === 'x86_64' ? 'aarch64' : 'x86_64'];
  for (const profiles of Object.values(baseProfiles)) {
    const filter = compile(profiles(), name);
    for (const arch of [own?.audit ?? 0, narrow?.audit ?? 0, 0, 0xffff_ffff])
      for (const number of everyNumber) expect(verdictOf(filter, { arch, number })).toBe(ENOSYS);
  }
});

const generator = path.join(checkout, 'script/gen-seccomp.ts');

test('the supervisor is built with both', () => {
  const text = execFileSync(process.execPath, [generator, 'x86_64'], { encoding: 'utf8' });
  const [filter = [], nesting = []] = text
    .split('static const ')
    .slice(1)
    .map((part) =>
      [...part.matchAll(/\{0x([0-9a-f]+), (\d+), (\d+), 0x([0-9a-f]+)\}/g)].map(
        ([, code = '', whenTrue, whenFalse, k = '']) => ({
          code: parseInt(code, 16),
          whenTrue: Number(whenTrue),
          whenFalse: Number(whenFalse),
          k: parseInt(k, 16),
        }),
      ),
    );
  expect(filter).toEqual(compile(baseProfiles.default(), 'x86_64'));
  expect(nesting).toEqual(compile(baseProfiles.nesting(), 'x86_64'));
});

test('there is none for a machine that nobody knows', () => {
  expect(() => execFileSync(process.execPath, [generator, 'vax'], { stdio: 'pipe' })).toThrow(
    /no filter is known for vax/,
  );
});
