// Compiles a profile for a machine, into an answer for each number of each kind of program. Pure.

import { callsOf, type Kind, type Machine, machines, numberOf } from './calls.ts';
import { neededCalls } from './needed.ts';
import type { Argument, Entry, Profile } from './profile.ts';
import {
  type Answer,
  type Comparison,
  encoded,
  type Instruction,
  type KindProgram,
  mostInstructions,
  programOf,
  type Rule,
} from './program.ts';

const EPERM = 1;
const ENOSYS = 38;

// SECCOMP_RET_* of linux/seccomp.h
const returnErrno = 0x0005_0000;
const returnAllow = 0x7fff_0000;
const returnValues = {
  SCMP_ACT_ALLOW: returnAllow,
  SCMP_ACT_LOG: 0x7ffc_0000,
  // Where nobody listens the kernel answers ENOSYS by itself.
  SCMP_ACT_NOTIFY: 0x7fc0_0000,
  SCMP_ACT_ERRNO: returnErrno,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
} as const satisfies Record<Entry['action'], number>;

const returnOf = (action: Entry['action'], errno: number | undefined): number =>
  action === 'SCMP_ACT_ERRNO' ? returnErrno | (errno ?? EPERM) : returnValues[action];

/** Profiles that stand behind each other: the first that names a call decides. */
export type Profiles = readonly [Profile, ...Profile[]];

export function compile(profiles: Profiles, machine: Machine): Instruction[] {
  const kinds = kindsOf(profiles, machine).map((kind) => kindProgram(profiles, kind));
  return programOf(kinds, returnErrno | ENOSYS);
}

/** The machine's own programs, and its 32-bit ones where the profile names them. */
function kindsOf(profiles: Profiles, machine: Machine): Kind[] {
  const named = profiles.flatMap(({ architectures }): readonly string[] => architectures);
  return machines[machine].filter(({ name, wide }) => wide || named.includes(name));
}

function kindProgram(profiles: Profiles, kind: Kind): KindProgram {
  const last = profiles.at(-1) ?? profiles[0];
  const byDefault = returnOf(last.defaultAction, last.defaultErrnoRet);
  const rules = rulesOf(profiles, kind);
  const answers = new Map<number, Answer>();
  for (const number of callsOf(kind).keys())
    answers.set(number, whole([...(rules.get(number) ?? []), { comparisons: [], returns: byDefault }]));
  // A call that is newer than this program: whoever makes it knows what to do on an older kernel.
  const other = last.defaultAction === 'SCMP_ACT_ERRNO' ? returnErrno | ENOSYS : byDefault;
  return { ...kind, answers, other: [{ comparisons: [], returns: other }] };
}

function rulesOf(profiles: Profiles, kind: Kind): Map<number, Rule[]> {
  const rules = new Map<number, Rule[]>();
  for (const { names, action, errnoRet, args } of profiles.flatMap(({ syscalls }) => syscalls)) {
    const rule = { comparisons: args.map(comparisonOf), returns: returnOf(action, errnoRet) };
    for (const name of names) {
      const number = numberOf(name, kind);
      if (number !== undefined) rules.set(number, [...(rules.get(number) ?? []), rule]);
    }
  }
  return rules;
}

function comparisonOf({ index, op, value, valueTwo }: Argument): Comparison {
  const relation = op.slice('SCMP_CMP_'.length) as Comparison['op'];
  return {
    index,
    op: relation,
    value: BigInt(value),
    valueTwo: BigInt(op === 'SCMP_CMP_MASKED_EQ' ? valueTwo : 0),
  };
}

/** Up to the first rule without a comparison; rules just before it that say the same add nothing. */
function whole(rules: readonly Rule[]): Answer {
  const end = rules.findIndex(({ comparisons }) => comparisons.length === 0);
  const answer = rules.slice(0, end + 1);
  while (answer.length > 1 && answer.at(-2)?.returns === answer.at(-1)?.returns) answer.splice(-2, 1);
  return answer;
}

export type CompiledFilter =
  | { readonly ok: true; readonly filter: Buffer }
  | { readonly ok: false; readonly problem: string };

/** A filter that sessions can start under, as the supervisor takes it. */
export function compileFilter(profile: Profile, machine: Machine): CompiledFilter {
  const [kind] = machines[machine];
  const { answers } = kindProgram([profile], kind);
  const refused = neededCalls.filter((name) => {
    const number = numberOf(name, kind);
    return number !== undefined && answers.get(number)?.every(({ returns }) => !letsThrough(returns));
  });
  if (refused.length > 0)
    return { ok: false, problem: `does not allow what every session begins with: ${refused.join(', ')}` };
  const program = compile([profile], machine);
  if (program.length > mostInstructions)
    return {
      ok: false,
      problem: `comes to ${program.length} instructions; the kernel takes ${mostInstructions}`,
    };
  return { ok: true, filter: encoded(program) };
}

const letsThrough = (returns: number): boolean =>
  returns === returnAllow || returns === returnValues.SCMP_ACT_LOG;
