// Detects what kind of image an administrator named: by content, never by name.

import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { decompressor, sniff } from '../blobs/compression.ts';
import type { StoreContext } from '../store/context.ts';
import { type Bundle, belowOneFolder, folderBundle, tarBundle } from './bundle.ts';
import { type BundleKind, kindOf } from './bundle-kind.ts';
import { listArchive, type TarMember } from './list-archive.ts';
import { type ImportOptions, reportEvery } from './options.ts';

export type Found =
  | { readonly kind: 'rootfs' }
  /** An image with its documents. Disposing removes what was unpacked of it. */
  | FoundImage;

interface FoundImage extends AsyncDisposable {
  readonly kind: BundleKind;
  readonly bundle: Bundle;
}

const rootfs = { kind: 'rootfs' } as const;

/** Of an archive that is spooled. */
const mostBytes = 256 * 1024 ** 3;
/** Enough of a compressed archive to tell what it is. */
const headBytes = 1024 * 1024;

/** Throws E_NOT_FOUND and E_USAGE. Spools a compressed image archive to tmp/: its parts come in no order. */
export async function detect(context: StoreContext, file: string, options: ImportOptions): Promise<Found> {
  const stats = await statOrRefuse(file);
  if (stats.isDirectory()) return detectFolder(file);
  const { compression, stream } = await sniff(createReadStream(file));
  stream.destroy();
  const undo = decompressor(file, compression);
  if (undo === undefined) return (await imageTar(context, file, file)) ?? rootfs;
  undo.destroy();
  const head = await headMembers(context, file, options.signal);
  return looksLikeImage(head) ? ((await spooled(context, file, stats.size, options)) ?? rootfs) : rootfs;
}

/** Of a file or a folder; throws for anything else. */
export async function statOrRefuse(file: string): Promise<Stats> {
  let stats: Stats;
  try {
    stats = await stat(file);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) {
      throw new DockershError('E_NOT_FOUND', { what: file, why: 'there is no such file or folder' });
    }
    throw error;
  }
  if (stats.isDirectory() || stats.isFile()) return stats;
  throw new DockershError('E_USAGE', {
    what: file,
    why: 'it is neither a folder nor a file',
    hint: 'Name a root filesystem, a tar of one, or an image archive.',
  });
}

const nothingToDispose = { [Symbol.asyncDispose]: async () => undefined };

async function detectFolder(folder: string): Promise<Found> {
  const bundle = folderBundle(folder);
  const kind = await kindOf(bundle);
  return kind === undefined ? rootfs : { kind, bundle, ...nothingToDispose };
}

/** A plain tar, if it is an image's. */
async function imageTar(
  { program }: StoreContext,
  shown: string,
  file: string,
): Promise<FoundImage | undefined> {
  const { members, whole } = await listArchive(program, file);
  if (!whole) return undefined;
  const all = tarBundle(shown, file, members);
  for (const bundle of [all, belowOneFolder(all, members)]) {
    const kind = await kindOf(bundle);
    if (kind !== undefined) return { kind, bundle, ...nothingToDispose };
  }
  return undefined;
}

async function headMembers(
  { program }: StoreContext,
  file: string,
  signal: AbortSignal | undefined,
): Promise<readonly TarMember[]> {
  const { compression, stream } = await sniff(createReadStream(file));
  const undo = decompressor(file, compression);
  // A failure of this pipeline is one of its last stream as well, which headOf() reads.
  if (undo !== undefined) pipeline(stream, undo).catch(() => undefined);
  const head = Readable.from(headOf(undo ?? stream), { objectMode: false });
  const { members } = await listArchive(program, head, signal);
  return members;
}

/** The first bytes; damage further on is found when the whole is read. */
async function* headOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  for await (const chunk of stream) {
    yield chunk;
    bytes += chunk.length;
    if (bytes >= headBytes) return;
  }
}

function limitTo(limit: number, what: string): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= limit) done(null, chunk);
      else {
        done(new DockershError('E_ARCHIVE_REFUSED', { what, why: `it unpacks to more than ${limit} bytes` }));
      }
    },
  });
}

const imageNames =
  /^(manifest\.json|repositories|oci-layout|index\.json|version$|blobs\/|[0-9a-f]{64}(\.json|\.tar|\/|$))/;

/** What is in an image's archive, at its top or below one folder. */
function looksLikeImage(members: readonly TarMember[]): boolean {
  const names = members.map(({ name }) => path.posix.normalize(name)).filter((name) => name !== './');
  const top = names[0]?.split('/', 1)[0] ?? '';
  const below = names.filter((name) => name !== `${top}/`).map((name) => name.slice(top.length + 1));
  const allNamed = (some: readonly string[]): boolean =>
    some.length > 0 && some.slice(0, 4).every((name) => imageNames.test(name));
  return allNamed(names) || (names.every((name) => name.startsWith(`${top}/`)) && allNamed(below));
}

async function spooled(
  context: StoreContext,
  file: string,
  totalBytes: number,
  options: ImportOptions,
): Promise<FoundImage | undefined> {
  const folder = await mkdtemp(path.join(context.layout.tmp, 'spool-'));
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  await using undoing = new AsyncDisposableStack();
  undoing.defer(dispose);
  const plain = path.join(folder, 'archive');
  const source = createReadStream(file, { highWaterMark: 256 * 1024 });
  {
    using _reports = reportEvery(options, () => ({ step: 'reading', bytes: source.bytesRead, totalBytes }));
    const { compression, stream } = await sniff(source);
    const undo = decompressor(file, compression);
    const sink = createWriteStream(plain, { flags: 'wx', mode: 0o600 });
    const limit = limitTo(context.program.limits.maxBytes ?? mostBytes, file);
    const middle = undo === undefined ? [limit] : [undo, limit];
    await pipeline([stream, ...middle, sink], options.signal === undefined ? {} : { signal: options.signal });
  }
  const found = await imageTar(context, file, plain);
  if (found === undefined) return undefined;
  undoing.move();
  return { ...found, [Symbol.asyncDispose]: dispose };
}
