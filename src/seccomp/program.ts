// Writes programs of the kernel's classic BPF that answer a system call (seccomp(2)), from a list that has for each
// number the entries that are about it. Numbers with the same answer lie in ranges, and a binary search finds the
// range: eight comparisons for any call. Those that are answered by their number alone, which is nearly all, the
// kernel remembers and does not run the program for. Pure.

/** struct sock_filter. */
export interface Instruction {
  readonly code: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly k: number;
}

/** BPF_MAXINSNS */
export const mostInstructions = 4096;

const load = 0x20;
const and = 0x54;
const jump = 0x05;
const ifEqual = 0x15;
const ifGreater = 0x25;
const ifAtLeast = 0x35;
const answer = 0x06;
// struct seccomp_data
const numberAt = 0;
const archAt = 4;
const lowAt = (index: number): number => 16 + 8 * index;
const highAt = (index: number): number => lowAt(index) + 4;

export interface Comparison {
  readonly index: number;
  readonly op: 'NE' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT' | 'MASKED_EQ';
  /** The mask of MASKED_EQ. */
  readonly value: bigint;
  /** Of MASKED_EQ alone; 0 elsewhere. */
  readonly valueTwo: bigint;
}

/** SECCOMP_RET_*, where all comparisons hold. */
export interface Rule {
  readonly comparisons: readonly Comparison[];
  readonly returns: number;
}

/** The first rule that matches; the last has no comparison. */
export type Answer = readonly Rule[];

export interface KindProgram {
  /** AUDIT_ARCH_* */
  readonly audit: number;
  /** Whether its arguments have 64 bits. */
  readonly wide: boolean;
  readonly answers: ReadonlyMap<number, Answer>;
  /** Of every other number. */
  readonly other: Answer;
}

const op = (code: number, k: number, whenTrue = 0, whenFalse = 0): Instruction => ({
  code,
  whenTrue,
  whenFalse,
  k,
});

/** Every path ends in an answer. `foreign`: of programs of any other kind. */
export function programOf(kinds: readonly KindProgram[], foreign: number): Instruction[] {
  const parts: Instruction[] = [op(load, archAt)];
  for (const kind of kinds) {
    const tree = searchOf(rangesOf(kind), kind.wide);
    parts.push(op(ifEqual, kind.audit, 1, 0), op(jump, tree.length + 1), op(load, numberAt), ...tree);
  }
  return [...parts, op(answer, foreign)];
}

interface Range {
  readonly from: number;
  readonly answer: Answer;
}

function rangesOf({ answers, other }: KindProgram): Range[] {
  const ranges: Range[] = [];
  const add = (from: number, next: Answer): void => {
    const last = ranges.at(-1);
    if (last === undefined || !isSame(last.answer, next)) ranges.push({ from, answer: next });
  };
  let expected = 0;
  for (const number of [...answers.keys()].sort((a, b) => a - b)) {
    if (number > expected) add(expected, other);
    add(number, answers.get(number) ?? other);
    expected = number + 1;
  }
  add(expected, other);
  return ranges;
}

/** Only what has no comparison is worth comparing. */
const isSame = (one: Answer, two: Answer): boolean =>
  one === two || (one.length === 1 && two.length === 1 && one[0]?.returns === two[0]?.returns);

/** A conditional jump reaches this many instructions. */
const farthest = 255;

/** What answers by the number alone lies behind the search, once for all: half as many instructions to load. */
function searchOf(ranges: readonly Range[], wide: boolean): Instruction[] {
  const near = resolved(nodeOf(ranges, wide));
  if (near !== undefined) return near;
  const middle = Math.floor(ranges.length / 2);
  const below = searchOf(ranges.slice(0, middle), wide);
  const above = searchOf(ranges.slice(middle), wide);
  return [op(ifAtLeast, ranges[middle]?.from ?? 0, 0, 1), op(jump, below.length), ...below, ...above];
}

/** Where a jump leads: over so many instructions, or to an answer. */
type Target = number | { readonly returns: number };
type Draft = Omit<Instruction, 'whenTrue' | 'whenFalse'> & {
  readonly whenTrue: Target;
  readonly whenFalse: Target;
};
/** Instructions to fall into, or an answer that needs none of its own. */
type Node = readonly Draft[] | { readonly returns: number };

function nodeOf(ranges: readonly Range[], wide: boolean): Node {
  const [only, ...more] = ranges;
  if (only === undefined) throw new Error('no range to search');
  if (more.length === 0) {
    const [first, ...others] = only.answer;
    if (first !== undefined && others.length === 0) return { returns: first.returns };
    return rulesOf(only.answer, wide);
  }
  const middle = Math.floor(ranges.length / 2);
  const below = nodeOf(ranges.slice(0, middle), wide);
  const above = nodeOf(ranges.slice(middle), wide);
  const belowCode = 'returns' in below ? [] : below;
  const test: Draft = {
    code: ifAtLeast,
    k: ranges[middle]?.from ?? 0,
    whenTrue: 'returns' in above ? above : belowCode.length,
    whenFalse: 'returns' in below ? below : 0,
  };
  return [test, ...belowCode, ...('returns' in above ? [] : above)];
}

/** With the answers behind it; undefined where one would be too far away. */
function resolved(node: Node): Instruction[] | undefined {
  if ('returns' in node) return [op(answer, node.returns)];
  const answers: number[] = [];
  const offset = (target: Target, at: number): number => {
    if (typeof target === 'number') return target;
    if (!answers.includes(target.returns)) answers.push(target.returns);
    return node.length + answers.indexOf(target.returns) - at - 1;
  };
  const code = node.map((draft, at) =>
    op(draft.code, draft.k, offset(draft.whenTrue, at), offset(draft.whenFalse, at)),
  );
  const fits = code.every(({ whenTrue, whenFalse }) => Math.max(whenTrue, whenFalse) <= farthest);
  return fits ? [...code, ...answers.map((returns) => op(answer, returns))] : undefined;
}

/** One comparison after the other of the same half of an argument loads it once, and needs no answer of its own. */
function rulesOf(rules: Answer, wide: boolean): Draft[] {
  const code: Draft[] = [];
  let loaded: number | undefined;
  for (const rule of rules) {
    const [first, second, ...rest] = ruleOf(rule, wide);
    if (first === undefined) continue;
    if (first.code !== load || first.k !== loaded) code.push(first);
    loaded = undefined;
    if (first.code === load && second !== undefined && second.code !== and && rest.length === 1) {
      loaded = first.k;
      const says = { returns: rule.returns };
      const { whenTrue, whenFalse } = second;
      code.push({ ...second, whenTrue: whenTrue === 0 ? says : 0, whenFalse: whenFalse === 0 ? says : 0 });
    } else code.push(...(second === undefined ? [] : [second]), ...rest);
  }
  return code;
}

function ruleOf({ comparisons, returns }: Rule, wide: boolean): Instruction[] {
  let code = [op(answer, returns)];
  // From the last to the first: a comparison that fails jumps behind all that follows.
  for (const comparison of comparisons.toReversed()) {
    code = [...check(comparison, wide, code.length), ...code];
  }
  return code;
}

const half = 0xffff_ffffn;

/** Falls through where the comparison holds, and skips `rest` instructions more where it does not. */
function check(comparison: Comparison, wide: boolean, rest: number): Instruction[] {
  const { index, value, valueTwo } = comparison;
  if (!wide && (value > half || valueTwo > half)) return narrowCheck(comparison, rest);
  const [high, low] = [Number(value >> 32n), Number(value & half)];
  if (comparison.op === 'MASKED_EQ') {
    const wanted = [Number(valueTwo >> 32n), Number(valueTwo & half)] as const;
    const mask = low === 0xffff_ffff ? [] : [op(and, low)];
    const lower = [op(load, lowAt(index)), ...mask, op(ifEqual, wanted[1], 0, rest)];
    if (!wide || (high === 0 && wanted[0] === 0)) return lower;
    const past = lower.length + rest;
    return [op(load, highAt(index)), op(and, high), op(ifEqual, wanted[0], 0, past), ...lower];
  }
  const { code, negated } = relations[comparison.op];
  const [holds, fails] = negated ? [rest, 0] : [0, rest];
  const lower = [op(load, lowAt(index)), op(code, low, holds, fails)];
  if (!wide) return lower;
  // The upper halves decide, unless they are equal.
  const past = lower.length;
  const upper = [op(load, highAt(index))];
  if (code !== ifEqual) upper.push(op(ifGreater, high, past + 1 + holds, 0));
  upper.push(op(ifEqual, high, 0, past + fails));
  return [...upper, ...lower];
}

/** Of an argument of 32 bits with what only 64 can hold: it is less. */
function narrowCheck({ index, op: relation, value, valueTwo }: Comparison, rest: number): Instruction[] {
  if (relation === 'MASKED_EQ' && valueTwo <= half)
    return check({ index, op: relation, value: value & half, valueTwo }, false, rest);
  return relation === 'NE' || relation === 'LT' || relation === 'LE' ? [] : [op(jump, rest)];
}

/** Each is one of three, or its opposite. */
const relations = {
  EQ: { code: ifEqual, negated: false },
  NE: { code: ifEqual, negated: true },
  GE: { code: ifAtLeast, negated: false },
  LT: { code: ifAtLeast, negated: true },
  GT: { code: ifGreater, negated: false },
  LE: { code: ifGreater, negated: true },
} as const;

/** As the kernel takes it. */
export function encoded(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * program.length);
  for (const [index, { code, whenTrue, whenFalse, k }] of program.entries()) {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(whenTrue, 8 * index + 2);
    bytes.writeUInt8(whenFalse, 8 * index + 3);
    bytes.writeUInt32LE(k >>> 0, 8 * index + 4);
  }
  return bytes;
}
