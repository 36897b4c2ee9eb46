// The shape of an entry in the table of limits (table.ts). Pure.

/** The values that a limit can have, as the policy says them; with `none`, null is no limit. */
export type Accepts =
  | { readonly kind: 'size'; readonly least: number }
  | { readonly kind: 'number'; readonly least: number; readonly most: number; readonly none: boolean }
  | { readonly kind: 'cpus' }
  | { readonly kind: 'cpuList' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export type ValueOf<A extends Accepts> = A extends { kind: 'words'; words: readonly (infer Word)[] }
  ? Word
  : A extends { kind: 'cpuList' }
    ? string | null
    : A extends { kind: 'number'; none: false }
      ? number
      : number | null;

export type Controller = 'memory' | 'cpu' | 'pids' | 'cpuset' | 'io';

export type CgroupVersion = 1 | 2;

export interface CgroupFacts {
  readonly version: CgroupVersion;
  /** The kernel counts swap as well: without a limit on it, one on memory could be evaded. */
  readonly countsSwap: boolean;
  /** The kernel has a limit of its own on sockets' buffers, which memory's does not count (version 1). */
  readonly countsSockets: boolean;
  /** "254:0"; undefined: what users write lies on nothing that the kernel can count for. */
  readonly disk: string | undefined;
  /** All that there are: what no limit on them means. */
  readonly allCpus: string;
  /** As many CPUs for this sandbox, of these or (null) of all: those that the fewest others are bound to. */
  readonly pin: (count: number, among: string | null) => string;
}

/** A file of the sandbox's cgroup, and what is written to it. */
export interface Written {
  readonly file: string;
  readonly value: string;
}

/** Those that say together what is written. */
export interface JointLimits {
  readonly memoryLimitBytes: number | null;
  /** Beyond memoryLimitBytes; without a limit there, there is none here. */
  readonly swapBytes: number | null;
  readonly cpus: number | null;
  readonly cpuset: string | null;
  readonly cpuPin: 'no' | 'yes';
}

/** Reads a file of the sandbox's cgroup, or one of a process; null: there is none. */
export type ReadFile = (file: string) => Promise<string | null>;

export interface Used<As extends string> {
  /** What it is called among all that is used. */
  readonly as: As;
  readonly read: (read: ReadFile, version: CgroupVersion) => Promise<number | null>;
}

export interface Entry<A extends Accepts, Field extends string, As extends string, Shown extends string> {
  /** Its name in what is worked out of the policy. */
  readonly field: Field;
  readonly accepts: A;
  readonly defaultText: string;
  /** The accepted values, for the reference. */
  readonly values: string;
  /** At once, in running sandboxes too; or when the user's sandbox next starts. */
  readonly applies: 'now' | 'sandbox';
  /** What bounds a user's own value, as KeySpec has it. Absent: never the user's to set. */
  readonly user?: 'most' | 'free';
  readonly doc: string;
  /** A value other than the default, for the example file. */
  readonly example: string;
  /** The value that limits nothing. */
  readonly nothing: ValueOf<A>;
  /** Any limit, with what else it takes to be one. */
  readonly sample: Partial<JointLimits> & Readonly<Record<Field, ValueOf<A>>>;
  readonly controller: Controller;
  /** What says it to a cgroup, `nothing` included. */
  readonly write: (value: ValueOf<A>, facts: CgroupFacts, all: JointLimits) => readonly Written[];
  /** Whether a fresh cgroup has to be told; where it is absent: of any value but `nothing`. */
  readonly isSet?: (value: ValueOf<A>, all: JointLimits) => boolean;
  /** Why no controller of this version or kernel holds it. `swaps`: the host has swap at all. */
  readonly unheld?: (facts: CgroupFacts, swaps: () => boolean, all: JointLimits) => string | undefined;
  /** How a cgroup tells what is used of it. */
  readonly used?: Used<As>;
  /** What ps and stats call it; absent: they do not show it. */
  readonly shownAs?: Shown;
  /** Of a limit on disks: its file, and what takes the limit on one disk away, after the disk's number. */
  readonly lift?: (version: CgroupVersion) => Written;
}

/** Gives an entry its own types: a name of its field, and of the values that it accepts. */
export function limit<
  const A extends Accepts,
  const Field extends string,
  const As extends string = never,
  const Shown extends string = never,
>(entry: Entry<A, Field, As, Shown>): Entry<A, Field, As, Shown> {
  return entry;
}
