// Says what is in an archive with a user's data. It is a tar; its first file is this manifest, and a folder for each tree
// follows. The manifest is all that the daemon reads of it itself: every other byte is dockersh-layer's to read.

import * as z from 'zod';
import { prepended } from '../../images/blobs/compression.ts';
import { tarHeader } from '../../images/export/tar-writer.ts';
import { DockershError } from '../../lib/errors.ts';
import { layerBase, snapshotInfo, snapshotName } from '../layer/files.ts';
import { Choices } from '../own/choices.ts';
import { mostNotices, notice } from '../own/notices.ts';
import { archiveIds } from './ids.ts';

const manifestName = 'dockersh-user.json';
const block = 512;
/** There may be hundreds of snapshots. */
const maxBytes = 1024 * 1024;

/** Written down as they are, and shown: nothing but what this version could have written. */
const digest = z.string().regex(/^(sha256:[0-9a-f]{64}|virtual:[\w:.-]{1,200})$/);
const base = layerBase.extend({
  image: z.string().regex(/^[\x21-\x7e]{1,512}$/),
  digest,
  before: digest.optional(),
  refused: digest.optional(),
});
const info = snapshotInfo.extend({ createdAt: z.iso.datetime(), message: z.string().max(4096).optional() });

const tree = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('layer'), base: base.optional() }),
  z.strictObject({ kind: z.literal('home') }),
  z.strictObject({
    kind: z.literal('snapshot'),
    name: z.string().regex(snapshotName),
    base: base.optional(),
    info,
  }),
]);
export type ArchivedTree = z.infer<typeof tree>;

export const archiveManifest = z.strictObject({
  /** What the archive is, and in which version of this form. */
  dockersh: z.literal('user'),
  version: z.literal(1),
  createdAt: z.string().max(64),
  /** The account on the host that it was made on. */
  user: z.strictObject({ name: z.string().min(1).max(256), uid: z.int().nonnegative() }),
  ids: archiveIds,
  trees: z
    .array(tree)
    .max(4096)
    .refine((trees) => new Set(trees.map(folderOf)).size === trees.length, 'it names a tree twice'),
  /** Besides files: what the user has chosen, and what they are still to be told. */
  own: z.strictObject({ choices: Choices.optional(), notices: z.array(notice).max(mostNotices) }).optional(),
});
export type ArchiveManifest = z.infer<typeof archiveManifest>;

/** The tree's folder in the archive. */
export function folderOf(one: ArchivedTree): string {
  return one.kind === 'snapshot' ? `snapshot-${one.name}` : one.kind;
}

/** How the archive begins. */
export function manifestBytes(manifest: ArchiveManifest): Buffer {
  const text = Buffer.from(`${JSON.stringify(manifest)}\n`);
  const size = Math.ceil(text.length / block) * block;
  if (size > maxBytes) {
    throw new DockershError('E_USAGE', {
      what: `an archive of ${manifest.user.name}`,
      why: 'there are too many snapshots for one',
      hint: 'Remove some: dockershctl snapshot --rm.',
    });
  }
  // Blanks fill the block: they are JSON as well.
  return Buffer.concat([
    tarHeader({ name: manifestName, size }),
    text,
    Buffer.alloc(size - text.length, ' '),
  ]);
}

/** The manifest at the beginning of an archive, and the bytes that follow it. Throws E_ARCHIVE_REFUSED. */
export async function readManifest(
  archive: AsyncIterable<Uint8Array>,
): Promise<{ readonly manifest: ArchiveManifest; readonly rest: AsyncIterable<Uint8Array> }> {
  const bytes = archive[Symbol.asyncIterator]();
  const start = await take(bytes, block);
  const size = Number.parseInt(start.taken.toString('latin1', 124, 135), 8);
  const sound = size > 0 && size <= maxBytes && size % block === 0;
  if (!sound || !start.taken.equals(tarHeader({ name: manifestName, size }))) {
    throw refused('it is none that "dockershctl user export" has written');
  }
  const { taken, left } = await take(bytes, size, start.left);
  return { manifest: parsed(taken.toString('utf8')), rest: prepended(left, bytes) };
}

function parsed(text: string): ArchiveManifest {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refused('what it says of itself is damaged');
  }
  const { version } = z.looseObject({ version: z.unknown() }).catch({ version: 1 }).parse(content);
  if (version !== 1) throw refused(`it is of version ${String(version)}, which a later dockersh has written`);
  const manifest = archiveManifest.safeParse(content);
  if (manifest.success) return manifest.data;
  throw refused(`what it says of itself is not understood: ${z.prettifyError(manifest.error)}`);
}

/** So many bytes, `first` those that are there already; and what has come beyond them. */
async function take(
  bytes: AsyncIterator<Uint8Array>,
  size: number,
  first: Uint8Array = Buffer.alloc(0),
): Promise<{ readonly taken: Buffer; readonly left: Buffer }> {
  const chunks = [first];
  for (let length = first.length; length < size; ) {
    const next = await bytes.next();
    if (next.done === true) throw refused('it ends too early');
    chunks.push(next.value);
    length += next.value.length;
  }
  const all = Buffer.concat(chunks);
  return { taken: all.subarray(0, size), left: all.subarray(size) };
}

export function refused(why: string): DockershError {
  return new DockershError('E_ARCHIVE_REFUSED', {
    what: 'the archive',
    why,
    hint: 'Make it again: dockershctl user export.',
  });
}
