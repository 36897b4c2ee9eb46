// Tests of parsing profiles of system calls.

import { describe, expect, test } from 'vitest';
import { parseProfile } from '../../../src/seccomp/profile.ts';

const problemOf = (profile: unknown): string => {
  const parsed = parseProfile(typeof profile === 'string' ? profile : JSON.stringify(profile));
  if (parsed.ok) throw new Error('it was taken');
  return parsed.problem;
};
const withEntry = (entry: object): object => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['read'], action: 'SCMP_ACT_ERRNO', ...entry }],
});

test('takes what the specification has', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 38,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32'],
    flags: ['SECCOMP_FILTER_FLAG_TSYNC'],
    syscalls: [
      { names: ['read', 's390_sthyi'], action: 'SCMP_ACT_ALLOW' },
      { names: ['sysinfo'], action: 'SCMP_ACT_NOTIFY' },
      { names: ['open'], action: 'SCMP_ACT_ERRNO', errnoRet: 13, args: [] },
      {
        names: ['clone'],
        action: 'SCMP_ACT_LOG',
        args: [{ index: 0, value: 2114060288, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      },
    ],
  };
  expect(parseProfile(JSON.stringify(profile)).ok).toBe(true);
});

describe('says what is wrong, and where', () => {
  test.each([
    ['{', /^is no JSON: /],
    ['[]', /expected object/],
    [{}, /^defaultAction: /],
    [
      { defaultAction: 'SCMP_ACT_ALOW' },
      /^defaultAction: unknown action "SCMP_ACT_ALOW"; did you mean SCMP_ACT_ALLOW\?$/,
    ],
    [{ defaultAction: 'constructor' }, /^defaultAction: unknown action "constructor"$/],
    [{ defaultAction: 'SCMP_ACT_TRACE' }, /a tracer of the user's own could let the call through/],
    [
      { defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 },
      /^defaultErrnoRet: is only for SCMP_ACT_ERRNO$/,
    ],
    [{ defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/x' }, /listenerPath/],
    [
      { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_VAX'] },
      /^architectures\[0\]: unknown architecture/,
    ],
    [{ defaultAction: 'SCMP_ACT_ALLOW', archMap: [] }, /archMap is Docker's own/],
    [
      withEntry({ names: ['opennat'] }),
      /^syscalls\[0\]\.names\[0\]: unknown system call "opennat"; did you mean openat\?$/,
    ],
    [withEntry({ names: [] }), /^syscalls\[0\]\.names: /],
    [withEntry({ action: 'ALLOW' }), /^syscalls\[0\]\.action: unknown action "ALLOW"/],
    [withEntry({ errnoRet: 0 }), /^syscalls\[0\]\.errnoRet: /],
    [withEntry({ errnoRet: 4096 }), /^syscalls\[0\]\.errnoRet: /],
    [withEntry({ action: 'SCMP_ACT_ALLOW', errnoRet: 1 }), /^syscalls\[0\]\.errnoRet: is only for/],
    [withEntry({ includes: { caps: ['CAP_SYS_ADMIN'] } }), /^syscalls\[0\]: .*includes is Docker's own/],
    [withEntry({ args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }] }), /^syscalls\[0\]\.args\[0\]\.index: /],
    [
      withEntry({ args: [{ index: 0, value: -1, op: 'SCMP_CMP_EQ' }] }),
      /no whole number from 0 to 2\^53 - 1$/,
    ],
    [withEntry({ args: [{ index: 0, value: 2 ** 53, op: 'SCMP_CMP_EQ' }] }), /no whole number/],
    [
      withEntry({ args: [{ index: 0, value: 0, op: 'EQ' }] }),
      /^syscalls\[0\]\.args\[0\]\.op: unknown comparison "EQ"/,
    ],
    [
      withEntry({ args: [1, 2].map((value) => ({ index: 0, value, op: 'SCMP_CMP_NE' })) }),
      /^syscalls\[0\]\.args: compares one argument twice/,
    ],
  ])('%j', (profile, problem) => {
    expect(problemOf(profile)).toMatch(problem);
  });

  test('an entry that never counts', () => {
    const twice = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        { names: ['read', 'ioctl'], action: 'SCMP_ACT_ALLOW' },
        { names: ['ioctl'], action: 'SCMP_ACT_ERRNO', args: [{ index: 1, value: 1, op: 'SCMP_CMP_EQ' }] },
      ],
    };
    expect(problemOf(twice)).toMatch(/^syscalls\[1\]: ioctl is answered by entry 0 already/);
  });
});
