// Tells which files of a user's layer hide what has changed between two images: after an upgrade the old ones are still to be
// seen there, whatever the new image has.

import { createReadStream } from 'node:fs';
import type { LayerChange } from './diff.ts';
import { type Found, findExact } from './find.ts';

export interface Shadowed {
  readonly count: number;
  /** The first of them, by path. */
  readonly examples: readonly string[];
  /** The database of installed packages is one: inside, it knows nothing of the new image's. */
  readonly packages: boolean;
}

const mostExamples = 20;
const packageDatabases = ['/var/lib/dpkg/status', '/var/lib/rpm/rpmdb.sqlite', '/lib/apk/db/installed'];

/**
 * `changes`: of the layer, against the newer image. `before`, `after`: layers of the images, top first. A file that the user
 * has deleted hides as well. Of folders it is what is in them that counts.
 */
export async function shadowedBy(
  changes: AsyncIterable<LayerChange>,
  before: readonly string[],
  after: readonly string[],
  signal: AbortSignal,
): Promise<Shadowed> {
  const examples: string[] = [];
  let count = 0;
  let packages = false;
  for await (const { kind, path } of changes) {
    signal.throwIfAborted();
    // What is in no image hides nothing; a path with two slashes in a row is too long to be one.
    if (kind === 'A' || path.includes('//')) continue;
    const newer = await findExact(after, path);
    if (newer.kind === 'none' || (newer.kind === 'folder' && kind === 'C')) continue;
    if (await isSame(await findExact(before, path), newer)) continue;
    count += 1;
    packages ||= packageDatabases.includes(path);
    if (examples.length < mostExamples) examples.push(path);
  }
  return { count, examples, packages };
}

async function isSame(one: Found, other: Found): Promise<boolean> {
  if (one.kind === 'link' && other.kind === 'link') return one.target === other.target;
  if (one.kind !== 'file' || other.kind !== 'file') return one.kind === other.kind;
  if (one.path === other.path) return true;
  const [a, b] = [one.stats, other.stats];
  if (a.size !== b.size || a.mode !== b.mode || !a.isFile()) return false;
  return await haveSameBytes(one.path, other.path);
}

async function haveSameBytes(one: string, other: string): Promise<boolean> {
  const options = { highWaterMark: 256 * 1024 };
  const others = createReadStream(other, options)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    // Of one size, so that the pieces are of one length.
    for await (const piece of createReadStream(one, options) as AsyncIterable<Buffer>) {
      const next = await others.next();
      if (next.done === true || !piece.equals(next.value)) return false;
    }
    return true;
  } finally {
    await others.return?.();
  }
}
