// The keys that are about the filter of system calls. Pure.

import type { KeySpec } from '../section-schema.ts';
import { oneOf, pathInside, text } from '../values/basic.ts';

/** A file is known by its path being one. */
const profileName = text<string>((input) => {
  if (input === 'default' || input === 'strict') return { ok: true, value: input };
  return pathInside.safeParse(input).success
    ? { ok: true, value: input }
    : { ok: false, problem: 'is none of: default, strict, nor the absolute path of a file' };
});

/** The file that a value of the key names; undefined: one of the profiles that come with dockersh. */
export const profileFile = (value: string): string | undefined => (value.startsWith('/') ? value : undefined);

export const filterKeys = {
  seccomp: {
    type: profileName,
    defaultText: 'default',
    values: 'default, strict, or the absolute path of a file',
    applies: 'sandbox',
    doc: 'Which system calls programs may make. default: what docs/system-calls.md names; every other is as if the kernel did not have it. strict: less, what everyday shells, editors, compilers and interpreters need; no debuggers, no System V or POSIX queues, no 32-bit programs. A file: a profile as the runtime specification of the Open Container Initiative has it (JSON, what is below linux.seccomp there). It stands beside the default, and a call must be allowed by both: a file takes away, and gives nothing unless "seccomp_widen = yes". Only root may be able to change it. It is read when a sandbox starts; one that is missing or wrong refuses logins, and "dockershctl policy check" says what is wrong with it.',
    example: '/etc/dockersh/students.json',
  },
  seccomp_widen: {
    type: oneOf('no', 'yes'),
    defaultText: 'no',
    values: 'no, yes',
    applies: 'sandbox',
    doc: 'Whether the file that "seccomp" names stands alone, in place of the default. Then it is all there is, with "nesting = yes" too: what it allows is allowed, whatever the kernel thinks of it. Programs of other machines and x32 programs still do not run. With default and strict it changes nothing.',
    example: 'yes',
  },
  socketcall: {
    type: oneOf('yes', 'no'),
    defaultText: 'yes',
    values: 'yes, no',
    applies: 'sandbox',
    doc: 'Whether 32-bit x86 programs may make sockets by socketcall(2), which nearly all of them do. No filter can see there which family of sockets is asked for, so yes lets whoever brings such a program reach families that are refused everywhere else (SECURITY.md names what stands in the way then). no: they get no socket. Other programs never need it, and "seccomp = strict" never allows it.',
    example: 'no',
  },
} as const satisfies Record<string, KeySpec>;
