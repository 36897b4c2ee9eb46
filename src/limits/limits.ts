// Types and questions for all limits of the table: no limit at all, which are set, what a cgroup is told. Pure.

import type {
  CgroupFacts,
  CgroupVersion,
  Controller,
  Entry,
  JointLimits,
  Used,
  ValueOf,
  Written,
} from './entry.ts';
import { limits } from './table.ts';

type Table = typeof limits;

/** The name of a limit in the policy. */
export type LimitKey = keyof Table;

export type LimitValue<K extends LimitKey> = ValueOf<Table[K]['accepts']>;

/** What a sandbox may use. null: no limit. */
export type Limits = { readonly [K in LimitKey as Table[K]['field']]: LimitValue<K> };

/** Those that every sandbox is under. */
export const usualControllers: readonly Controller[] = ['memory', 'cpu', 'pids'];
/** Those that cost something on version 1, where each is one more folder to join: only where the policy asks. */
export const rareControllers: readonly Controller[] = ['cpuset', 'io'];

/** One entry, whichever it is. */
type AnyEntry = Omit<
  Entry<never, keyof Limits, string, string>,
  'accepts' | 'nothing' | 'sample' | 'write' | 'isSet'
> & {
  readonly accepts: Table[LimitKey]['accepts'];
  readonly nothing: unknown;
  readonly sample: Partial<Limits>;
  write(value: unknown, facts: CgroupFacts, all: JointLimits): readonly Written[];
  isSet?(value: unknown, all: JointLimits): boolean;
};

export const limitEntries = Object.entries(limits) as unknown as readonly (readonly [LimitKey, AnyEntry])[];

/** What is used, by the names that entries give it. */
export type UsedOfLimits = {
  readonly [K in LimitKey as Table[K] extends { readonly used?: Used<infer As> } ? As : never]: number | null;
};

/** The limits that ps and stats show, by the names that entries give them. */
export type ShownLimits = {
  readonly [K in LimitKey as Table[K] extends { readonly shownAs?: infer As extends string } ? As : never]:
    | number
    | null;
};

export const shownLimits = (limits: Limits): ShownLimits =>
  Object.fromEntries(
    limitEntries.flatMap(([, { field, shownAs }]) =>
      shownAs === undefined ? [] : [[shownAs, limits[field]]],
    ),
  ) as unknown as ShownLimits;

const pick = <T>(value: (entry: AnyEntry, key: LimitKey) => T): Limits =>
  Object.fromEntries(
    limitEntries.map(([key, entry]) => [entry.field, value(entry, key)]),
  ) as unknown as Limits;

/** No limit at all. */
export const unlimited: Limits = pick(({ nothing }) => nothing);

/** These limits and nothing else of what they are taken from. */
export const limitsOf = (from: Limits): Limits => pick(({ field }) => from[field]);

/** The limits among values by key; null is no limit. */
export const limitsFrom = (value: (key: LimitKey) => unknown): Limits =>
  pick((entry, key) => value(key) ?? entry.nothing);

/** One limit and no other, to ask whether it can be held. */
export const sampleOf = (key: LimitKey): Limits => ({
  ...unlimited,
  ...(limits[key].sample as Partial<Limits>),
});

/** Whether a value of the policy limits anything. */
export const limitsAnything = (key: LimitKey, value: unknown): boolean =>
  value !== undefined && value !== null && value !== limits[key].nothing;

export interface LimitFile extends Written {
  readonly controller: Controller;
  /** Of the policy, for messages. */
  readonly key: LimitKey;
}

function filesOf(limits: Limits, facts: CgroupFacts, isWritten: (entry: AnyEntry) => boolean): LimitFile[] {
  return limitEntries.flatMap(([key, entry]) =>
    isWritten(entry)
      ? entry
          .write(limits[entry.field], facts, limits)
          .map((written) => ({ controller: entry.controller, key, ...written }))
      : [],
  );
}

const isSet = (limits: Limits, { field, nothing, isSet: own }: AnyEntry): boolean =>
  own === undefined ? limits[field] !== nothing : own(limits[field], limits);

/** Those that are a limit, and what has to hold each. */
export function limitsSet(limits: Limits): { readonly key: LimitKey; readonly controller: Controller }[] {
  return limitEntries.flatMap(([key, entry]) =>
    isSet(limits, entry) ? [{ key, controller: entry.controller }] : [],
  );
}

/** What a fresh cgroup has to be told: only what is a limit. */
export const limitFiles = (limits: Limits, facts: CgroupFacts): LimitFile[] =>
  filesOf(limits, facts, (entry) => isSet(limits, entry));

/** What a cgroup has to be told that may have been told otherwise: also that there is no limit. */
export const allLimitFiles = (limits: Limits, facts: CgroupFacts): LimitFile[] =>
  filesOf(limits, facts, () => true);

/** Limits that no controller of this version or kernel has, and why. `swaps`: the host has swap at all. */
export function unheld(limits: Limits, facts: CgroupFacts, swaps: () => boolean): [LimitKey, string][] {
  return limitEntries.flatMap(([key, entry]): [LimitKey, string][] => {
    const why = isSet(limits, entry) ? entry.unheld?.(facts, swaps, limits) : undefined;
    return why === undefined ? [] : [[key, why]];
  });
}

/** What takes the limits on one disk away, after the disk's number, in each file that has some. */
export function diskLifts(version: CgroupVersion): (Written & { readonly controller: Controller })[] {
  const files = new Map<string, { controller: Controller; values: string[] }>();
  for (const [, { controller, lift }] of limitEntries) {
    const lifting = lift?.(version);
    if (lifting === undefined) continue;
    const found = files.get(lifting.file) ?? { controller, values: [] };
    found.values.push(lifting.value);
    files.set(lifting.file, found);
  }
  return [...files].map(([file, { controller, values }]) => ({ file, controller, value: values.join(' ') }));
}
