// Verifies the chain of an audit trail from its first line to its last.

import type { AbsolutePath } from '../values/absolute-path.ts';
import { type Head, linkOf, noLine, sumOf } from './chain.ts';
import { auditFiles, type FileLine, linesOf } from './files.ts';

/** A line that does not follow the one before it. */
export interface Break {
  readonly file: string;
  readonly line: number;
  readonly why: string;
}

export interface Verified {
  readonly files: number;
  readonly lines: number;
  /** Number of the first line: above 1 where older files have been removed. */
  readonly firstSeq: number | undefined;
  readonly firstAt: string | undefined;
  readonly lastAt: string | undefined;
  readonly head: Head | undefined;
  /** The first that was found; nothing behind it is looked at. */
  readonly broken: Break | undefined;
  /** Whether the line with the wanted sum is there; undefined where none was asked for. */
  readonly holds: boolean | undefined;
}

/** `wanted`: the sum of a line that must be there: one that was written down elsewhere. */
export async function verify(folder: AbsolutePath, wanted?: string): Promise<Verified> {
  const files = await auditFiles(folder);
  let seen: Omit<Verified, 'files' | 'broken' | 'holds'> = {
    lines: 0,
    firstSeq: undefined,
    firstAt: undefined,
    lastAt: undefined,
    head: undefined,
  };
  let holds = wanted === undefined ? undefined : wanted === noLine;
  for await (const lines of linesOf(folder)) {
    for (const line of lines) {
      const checked = check(line, seen.head);
      if ('why' in checked) {
        const broken = { file: line.file, line: line.number, why: checked.why };
        return { ...seen, files: files.length, broken, holds };
      }
      const { head, at } = checked;
      const { firstSeq = head.seq, firstAt = at } = seen;
      seen = { lines: seen.lines + 1, firstSeq, firstAt, lastAt: at, head };
      if (head.sum === wanted) holds = true;
    }
  }
  return { ...seen, files: files.length, broken: undefined, holds };
}

function check(line: FileLine, before: Head | undefined): { head: Head; at: string } | { why: string } {
  if (!line.isWhole) return { why: 'it ends in the middle of a line' };
  const link = linkOf(line.text.toString('utf8'));
  if (link === undefined) return { why: 'this is no line of an audit trail' };
  const head = { seq: link.seq, sum: sumOf(line.text) };
  if (before === undefined) {
    const isFirst = link.seq !== 1 || link.prev === noLine;
    return isFirst ? { head, at: link.at } : { why: 'line 1 follows another one' };
  }
  if (link.seq !== before.seq + 1) return { why: `line ${link.seq} follows line ${before.seq}` };
  if (link.prev !== before.sum)
    return { why: 'the line before it is not what it was when this one was written' };
  return { head, at: link.at };
}
