// Profiles of system calls as the runtime specification of the Open Container Initiative writes them (linux.seccomp):
// JSON text in, a profile or what is wrong with it out. Everything that is not understood to the last word is refused,
// because a filter that is another one than its author meant is worse than none. Pure.

import * as z from 'zod';
import { nearest } from '../lib/text/nearest.ts';
import { callNames, isCall } from './calls.ts';

/** Of a file: the longest that are in use have a tenth of it. */
export const largestProfileBytes = 256 * 1024;
const mostEntries = 1024;
const mostErrno = 4095; // MAX_ERRNO of the kernel
const argumentCount = 6;

const actions = [
  'SCMP_ACT_ALLOW',
  'SCMP_ACT_LOG',
  'SCMP_ACT_NOTIFY',
  'SCMP_ACT_ERRNO',
  'SCMP_ACT_TRAP',
  'SCMP_ACT_KILL',
  'SCMP_ACT_KILL_THREAD',
  'SCMP_ACT_KILL_PROCESS',
] as const;
const operators = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
] as const;
/** Those of the specification. Programs of any but this machine's own and its 32-bit ones never run. */
const architectures = [
  ...['SCMP_ARCH_X86', 'SCMP_ARCH_X86_64', 'SCMP_ARCH_X32', 'SCMP_ARCH_ARM', 'SCMP_ARCH_AARCH64'],
  ...['SCMP_ARCH_MIPS', 'SCMP_ARCH_MIPS64', 'SCMP_ARCH_MIPS64N32', 'SCMP_ARCH_MIPSEL', 'SCMP_ARCH_MIPSEL64'],
  ...['SCMP_ARCH_MIPSEL64N32', 'SCMP_ARCH_PPC', 'SCMP_ARCH_PPC64', 'SCMP_ARCH_PPC64LE', 'SCMP_ARCH_S390'],
  ...[
    'SCMP_ARCH_S390X',
    'SCMP_ARCH_PARISC',
    'SCMP_ARCH_PARISC64',
    'SCMP_ARCH_RISCV64',
    'SCMP_ARCH_LOONGARCH64',
  ],
  ...['SCMP_ARCH_M68K', 'SCMP_ARCH_SH', 'SCMP_ARCH_SHEB'],
] as const;

/** A word of a list; the message names the nearest. */
const word = <const T extends string>(
  words: readonly T[],
  what: string,
  unfit: ReadonlyMap<string, string> = new Map(),
) =>
  z.string().transform((input, context) => {
    const found = words.find((candidate) => candidate === input);
    if (found !== undefined) return found;
    const guess = nearest(input, words);
    const hint = unfit.get(input) ?? (guess === undefined ? undefined : `did you mean ${guess}?`);
    const message = `unknown ${what} "${input}"${hint === undefined ? '' : `; ${hint}`}`;
    context.issues.push({ code: 'custom', input, message });
    return z.NEVER;
  });

const action = word(
  actions,
  'action',
  new Map([['SCMP_ACT_TRACE', "a tracer of the user's own could let the call through; use SCMP_ACT_ERRNO"]]),
);
const call = z.string().refine(isCall, {
  error: ({ input }) => {
    const guess = nearest(String(input), callNames);
    return `unknown system call "${String(input)}"${guess === undefined ? '' : `; did you mean ${guess}?`}`;
  },
});
const errno = z.int().min(1).max(mostErrno);
/** JSON's numbers are exact up to 2^53, which is more than any argument that is worth comparing. */
const operand = z
  .number()
  .refine((value) => Number.isSafeInteger(value) && value >= 0, 'is no whole number from 0 to 2^53 - 1');

const Argument = z.strictObject({
  index: z
    .int()
    .min(0)
    .max(argumentCount - 1),
  value: operand,
  valueTwo: operand.default(0),
  op: word(operators, 'comparison'),
});
export type Argument = z.output<typeof Argument>;

const Entry = z
  .strictObject({
    /** Not of the specification, but of use; Docker's file has it too. */
    comment: z.string().optional(),
    names: z.array(call).min(1).max(mostEntries),
    action,
    errnoRet: errno.optional(),
    args: z.array(Argument).max(argumentCount).default([]),
  })
  .superRefine(({ action: does, errnoRet, args }, context) => {
    if (errnoRet !== undefined && does !== 'SCMP_ACT_ERRNO')
      context.addIssue({ code: 'custom', path: ['errnoRet'], message: 'is only for SCMP_ACT_ERRNO' });
    // Runtimes differ in whether both must hold, or one.
    if (new Set(args.map(({ index }) => index)).size < args.length)
      context.addIssue({
        code: 'custom',
        path: ['args'],
        message: 'compares one argument twice; write an entry for each comparison',
      });
  });
export type Entry = z.output<typeof Entry>;

export const Profile = z
  .strictObject({
    comment: z.string().optional(),
    defaultAction: action,
    defaultErrnoRet: errno.optional(),
    architectures: z.array(word(architectures, 'architecture')).default([]),
    /** How a filter is installed is not the file's to say; these two change nothing here. */
    flags: z.array(word(['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'], 'flag')).optional(),
    syscalls: z.array(Entry).max(mostEntries).default([]),
  })
  .superRefine(({ defaultAction, defaultErrnoRet, syscalls }, context) => {
    if (defaultErrnoRet !== undefined && defaultAction !== 'SCMP_ACT_ERRNO')
      context.addIssue({ code: 'custom', path: ['defaultErrnoRet'], message: 'is only for SCMP_ACT_ERRNO' });
    for (const { at, name, before } of shadowed(syscalls))
      context.addIssue({
        code: 'custom',
        path: ['syscalls', at],
        message: `${name} is answered by entry ${before} already, whatever its arguments are: this one never counts`,
      });
  });
export type Profile = z.output<typeof Profile>;

/** Of the entries that a call matches the first decides; one that says something else after it is a mistake. */
function* shadowed(
  entries: readonly Entry[],
): Generator<{ readonly at: number; readonly name: string; readonly before: number }> {
  const settled = new Map<string, number>();
  for (const [at, entry] of entries.entries()) {
    for (const name of entry.names) {
      const before = settled.get(name);
      const other = before === undefined ? undefined : entries[before];
      if (before !== undefined && other !== undefined && !sameAnswer(other, entry))
        yield { at, name, before };
      else if (entry.args.length === 0) settled.set(name, at);
    }
  }
}

const sameAnswer = (one: Entry, other: Entry): boolean =>
  one.action === other.action && one.errnoRet === other.errnoRet;

export type ParsedProfile =
  | { readonly ok: true; readonly profile: Profile }
  | { readonly ok: false; readonly problem: string };

/** What Docker's own file has beyond the specification: there it depends on what a container is given. */
const dockers = ['includes', 'excludes', 'minKernel', 'archMap'];

export function parseProfile(text: string): ParsedProfile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { ok: false, problem: `is no JSON: ${error.message}` };
  }
  const parsed = Profile.safeParse(json);
  if (parsed.success) return { ok: true, profile: parsed.data };
  const [issue] = parsed.error.issues;
  if (issue === undefined) return { ok: false, problem: 'is no profile' };
  const at = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  const foreign = issue.code === 'unrecognized_keys' ? issue.keys.filter((key) => dockers.includes(key)) : [];
  const hint =
    foreign.length === 0
      ? ''
      : `; ${foreign.join(', ')} is Docker's own: write what it comes to, without the condition`;
  return { ok: false, problem: `${at === '' ? '' : `${at.replace(/^\./, '')}: `}${issue.message}${hint}` };
}
