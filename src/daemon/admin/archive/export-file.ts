// Writes an exported image or a user's data to a file: whole under its name, or not at all. Until it is whole it has no
// name, so that a daemon that is killed leaves nothing; where the file system can't do that, it has another name.

import { type FileHandle, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ImportOptions, reportEvery } from '../../../images/import/options.ts';
import type { ImageStore } from '../../../images/store/image-store.ts';
import { giveName, openUnnamed } from '../../../isolation/unnamed-file.ts';
import { isAtomicTemporary, temporaryFor } from '../../../lib/atomic-file.ts';
import { DockershError, hasErrno } from '../../../lib/errors.ts';
import { isPipe, writeEnd } from '../../../lib/fds/pipe.ts';
import type { AdminParams, AdminResult } from '../../../protocol/admin.ts';

/** Readable by root alone: it may hold what not everybody should see. */
const mode = 0o600;

export async function writeExport(
  images: ImageStore,
  { name, path: target, format }: AdminParams<'image.export'>,
  options: ImportOptions,
): Promise<AdminResult<'image.export'>> {
  const image = await images.exportImage(name, { format, signal: options.signal });
  await writeWhole(target, image.stream, options, image.sizeBytes);
  return { name, path: target, digest: image.digest, sizeBytes: image.sizeBytes };
}

/** Returns the bytes written. Consumes the stream, also where it fails. */
export async function writeWhole(
  target: string,
  stream: Readable,
  options: ImportOptions,
  totalBytes?: number,
): Promise<number> {
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  const total = totalBytes === undefined ? {} : { totalBytes };
  const temporary = temporaryFor(target);
  writing.add(temporary);
  try {
    await removeLeftovers(target);
    const { file, named } = await openNew(temporary);
    await using _file = file;
    {
      using _reports = reportEvery(options, () => ({ step: 'writing', bytes, ...total }));
      await file.writeFile(counted(), options.signal === undefined ? {} : { signal: options.signal });
    }
    await file.sync();
    if (named) await replace(temporary, target);
    else await nameIt(file, temporary, target);
  } catch (error) {
    stream.destroy();
    await rm(temporary, { force: true });
    throw error;
  } finally {
    writing.delete(temporary);
  }
  return bytes;
}

/** As writeWhole, or into a pipe of that name, to whoever reads from it. */
export async function writeOut(target: string, stream: Readable, options: ImportOptions): Promise<number> {
  if (!(await isPipe(target))) return await writeWhole(target, stream, options);
  const { signal } = options;
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  stream.pause(); // until the pipe takes it
  await pipeline(stream, writeEnd(target), signal === undefined ? {} : { signal });
  return bytes;
}

/** Of exports that go on. All others of such names are of a daemon that was killed: there is only one at a time. */
const writing = new Set<string>();

/** What an export to the same file has left that was killed. A name is taken away, whatever it is; no link is followed. */
async function removeLeftovers(target: string): Promise<void> {
  const folder = path.dirname(target);
  const names = await readdir(folder).catch(() => []); // opening the new file says what is wrong with it
  for (const name of names.filter((one) => isAtomicTemporary(one, path.basename(target)))) {
    const file = path.join(folder, name);
    if (!writing.has(file)) await unlink(file).catch(() => undefined); // it is in nobody's way
  }
}

async function openNew(file: string): Promise<{ readonly file: FileHandle; readonly named: boolean }> {
  try {
    const unnamed = await openUnnamed(path.dirname(file), mode);
    return unnamed === undefined
      ? { file: await open(file, 'wx', mode), named: true }
      : { file: unnamed, named: false };
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new DockershError('E_NOT_FOUND', { what: path.dirname(file), why: 'there is no such folder' });
  }
}

/** A name that is taken can be given by rename alone. */
async function nameIt(file: FileHandle, temporary: string, target: string): Promise<void> {
  try {
    await giveName(file, target);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
    await giveName(file, temporary);
    await replace(temporary, target);
  }
}

async function replace(temporary: string, target: string): Promise<void> {
  try {
    await rename(temporary, target);
  } catch (error) {
    if (!hasErrno(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) throw error;
    throw new DockershError('E_USAGE', { what: target, why: 'it is a folder', hint: 'Name a file.' });
  }
}
