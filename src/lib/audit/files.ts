// Finds and reads the files of the audit trail: audit.jsonl, and beside it those that were finished before it, each
// named after the number of its first line.

import { type FileHandle, open, readdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { ifThere } from '../if-there.ts';
import { type AbsolutePath, below } from '../values/absolute-path.ts';

export const defaultFolder = '/var/log/dockersh';
export const currentName = 'audit.jsonl';

const finished = /^audit-(\d{12})\.jsonl$/;

export const isFinishedName = (name: string): boolean => finished.test(name);
export const finishedName = (firstSeq: number): string => `audit-${String(firstSeq).padStart(12, '0')}.jsonl`;

/** Names, oldest first; the one that is written to last. Empty where there is no such folder. */
export async function auditFiles(folder: AbsolutePath): Promise<string[]> {
  const names = (await ifThere(readdir(folder))) ?? [];
  const old = names.filter(isFinishedName).sort();
  return names.includes(currentName) ? [...old, currentName] : old;
}

/** A line of a file, without its newline; `isWhole` is false for the last one of a file that ends without. */
export interface FileLine {
  readonly file: string;
  /** Counted from 1. */
  readonly number: number;
  readonly text: Buffer;
  readonly isWhole: boolean;
}

const newline = 10;
const chunkBytes = 1024 * 1024;
/** Longer than any line that we write. */
const mostBytes = 16 * 1024 * 1024;
const lateMs = 100;

/** Every line of the trail, oldest first, many at a time. */
export async function* linesOf(folder: AbsolutePath): AsyncGenerator<readonly FileLine[]> {
  await using opened = new AsyncDisposableStack();
  for (const { name, handle } of await openAll(folder, opened)) yield* linesOfFile(name, handle);
}

interface Opened {
  readonly name: string;
  readonly handle: FileHandle;
}

/** All of them before anything is read: what is written to may be finished meanwhile, and take another name. */
async function openAll(folder: AbsolutePath, opened: AsyncDisposableStack): Promise<Opened[]> {
  for (;;) {
    await using attempt = new AsyncDisposableStack();
    const names = await auditFiles(folder);
    const files: Opened[] = [];
    for (const name of names) {
      const handle = await ifThere(open(below(folder, name), 'r'));
      if (handle !== undefined) files.push({ name, handle: attempt.use(handle) });
    }
    const after = await auditFiles(folder);
    if (files.length === names.length && after.join() === names.join()) {
      opened.use(attempt.move());
      return files;
    }
  }
}

async function* linesOfFile(file: string, handle: FileHandle): AsyncGenerator<readonly FileLine[]> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  let isLate = false;
  for (;;) {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const { bytesRead } = await handle.read(chunk, 0, chunkBytes, null);
    if (bytesRead === 0) {
      if (rest.length === 0 || isLate) break;
      isLate = true; // somebody may be writing it
      await setTimeout(lateMs);
      continue;
    }
    const data = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    const lines: FileLine[] = [];
    let start = 0;
    for (let end = data.indexOf(newline); end >= 0; end = data.indexOf(newline, start)) {
      number += 1;
      lines.push({ file, number, text: data.subarray(start, end), isWhole: true });
      start = end + 1;
    }
    rest = data.subarray(start);
    if (rest.length > mostBytes)
      throw new Error(`${file}: line ${number + 1} is too long for an audit trail`);
    yield lines;
  }
  if (rest.length > 0) yield [{ file, number: number + 1, text: rest, isWhole: false }];
}
