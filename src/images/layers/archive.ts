// Opens the bytes of a layer: a chain of streams that ends in an uncompressed tar, with constant memory.

import { stat } from 'node:fs/promises';
import type { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { DockershError } from '../../lib/errors.ts';
import { DigestTap } from '../blobs/tap.ts';
import { type LayerProgram, layerFailure, marked, type PackOptions, startPack } from './program.ts';

export interface ArchiveSource {
  /** First the source, then what transforms it. */
  readonly stages: readonly [Readable, ...Transform[]];
  /** Bytes read from the source so far. */
  readBytes(): number;
  /** Settles when the source has given everything; rejects where it could not. */
  readonly complete: Promise<void>;
}

/** Refuses to make an image of the host itself. */
export async function requireOrdinaryFolder(path: string): Promise<void> {
  const [given, root] = [await stat(path), await stat('/')];
  if (given.ino !== root.ino || given.dev !== root.dev) return;
  throw new DockershError('E_USAGE', {
    what: path,
    why: "it is the host's own root: its secrets would be every user's to read",
    hint: 'Name a root filesystem folder, or a tar of one.',
  });
}

/** Files and folders of a user's layer that no image can hold; a folder counts once, with all that is in it. */
export interface LeftOut {
  readonly count: number;
  /** The first of them, "'PATH': why". */
  readonly examples: readonly string[];
}

interface PackedArchive extends ArchiveSource {
  readonly leftOut: Promise<LeftOut>;
}

/** A folder as an archive, packed while it is read. The caller consumes `stages` to the end. */
export function packedArchive(program: LayerProgram, path: string, options: PackOptions): PackedArchive {
  const { child, ended } = startPack(program, path, options);
  const tap = new DigestTap();
  // Consumed from the start: Node throws away what nobody reads of a process that has ended. A failure of
  // this stream is one of `tap` as well, and its cause is in the exit status.
  pipeline(child.stdout, tap).catch(() => undefined);
  const complete = ended.then((exit) => {
    // SIGPIPE: whoever read the archive gave up, and says why itself.
    if (exit.status !== 0 && exit.signal !== 'SIGPIPE') throw layerFailure(`read ${path}`, exit);
  });
  complete.catch(() => undefined); // awaited by the consumer, once the stream has ended
  const leftOut = ended.then(({ stderr }) => leftOutOf(stderr));
  leftOut.catch(() => undefined); // as `complete`
  return { stages: [tap], readBytes: () => tap.bytes, complete, leftOut };
}

const packReport = z.looseObject({ leftOut: z.int().nonnegative() });

/** A line for each of the first ("'PATH': why"), and last the report. */
function leftOutOf(stderr: string): LeftOut {
  const report = stderr.trimEnd().split('\n').at(-1) ?? '';
  return { count: packReport.parse(JSON.parse(report)).leftOut, examples: marked('leftOut', stderr) };
}
