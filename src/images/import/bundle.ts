// Reads members by name from what an administrator imports, be it a folder or a tar file.

import { constants, createReadStream } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { parseBoundedJson } from '../../lib/bounded-json.ts';
import { collect } from '../../lib/collect.ts';
import { DockershError, hasErrno } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { maxDocumentBytes } from '../oci.ts';
import type { TarMember } from './list-archive.ts';

export interface Member {
  readonly size: number;
  /** From byte `offset` on. */
  open(offset: number): Promise<Readable>;
}

export interface Bundle {
  /** What messages call it. */
  readonly path: string;
  /** Undefined where there is no such file. */
  member(name: string): Promise<Member | undefined>;
  /** Whether there is a folder of this name at its top. */
  hasFolder(name: string): Promise<boolean>;
}

const highWaterMark = 256 * 1024;
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export function folderBundle(folder: string): Bundle {
  return {
    path: folder,
    async member(name) {
      if (!isPlain(name)) return undefined;
      const file = path.join(folder, name);
      const size = await fileSize(file);
      if (size === undefined) return undefined;
      return {
        size,
        open: async (start) => (await open(file, readFlags)).createReadStream({ start, highWaterMark }),
      };
    },
    hasFolder: async (name) => (await ifThere(lstat(path.join(folder, name))))?.isDirectory() ?? false,
  };
}

/** No way out of the folder by name. */
function isPlain(name: string): boolean {
  return !name.startsWith('/') && !name.split('/').includes('..');
}

async function fileSize(file: string): Promise<number | undefined> {
  try {
    await using handle = await open(file, readFlags);
    const stats = await handle.stat();
    return stats.isFile() ? stats.size : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
}

const mostLinks = 4;

/** Of a plain tar. `shown` is what messages call it. The last of several members of one name counts. */
export function tarBundle(shown: string, file: string, members: readonly TarMember[]): Bundle {
  const byName = new Map(members.map((member) => [path.posix.normalize(member.name), member]));
  const find = (name: string, links = 0): TarMember | undefined => {
    const member = byName.get(path.posix.normalize(name));
    if (member?.kind !== 'link') return member?.kind === 'file' ? member : undefined;
    // docker save writes a layer that two images share as a link to it.
    const target = path.posix.join(path.posix.dirname(name), member.link);
    return links < mostLinks ? (find(target, links + 1) ?? find(member.link, links + 1)) : undefined;
  };
  return {
    path: shown,
    async member(name) {
      const member = find(name);
      if (member === undefined) return undefined;
      const { offset, size } = member;
      const end = offset + size - 1;
      // A stream cannot be told to read nothing: its end is its last byte.
      const read = async (start: number): Promise<Readable> =>
        start < size
          ? createReadStream(file, { start: offset + start, end, highWaterMark })
          : createReadStream('/dev/null');
      return { size, open: read };
    },
    hasFolder: async (name) => members.some((member) => topOf(member) === name && member.kind === 'other'),
  };
}

function topOf({ name }: TarMember): string {
  return path.posix.normalize(name).split('/', 1)[0] ?? '';
}

/** The bundle below a folder of its own, as "tar -c FOLDER" makes it; itself where there is none or more beside it. */
export function belowOneFolder(bundle: Bundle, members: readonly TarMember[]): Bundle {
  const tops = new Set(members.map(topOf));
  tops.delete('.');
  const [top] = tops;
  if (top === undefined || tops.size > 1) return bundle;
  return {
    path: bundle.path,
    member: (name) => bundle.member(`${top}/${name}`),
    hasFolder: async (name) =>
      members.some(
        (member) => member.kind === 'other' && path.posix.normalize(member.name) === `${top}/${name}/`,
      ),
  };
}

/** A whole document. Throws E_IMAGE_BROKEN where it is missing or too large. */
export async function readMember(bundle: Bundle, name: string): Promise<Buffer> {
  const member = await bundle.member(name);
  if (member === undefined) throw brokenBundle(bundle, `it has no file ${JSON.stringify(name)}`);
  const why = `${JSON.stringify(name)} is larger than ${maxDocumentBytes} bytes`;
  const tooLarge = (): Error => brokenBundle(bundle, why);
  if (member.size > maxDocumentBytes) throw tooLarge();
  // Again while it is read: a file may have grown meanwhile.
  return await collect(await member.open(0), maxDocumentBytes, tooLarge);
}

/** A document of the format itself, which has no digest. */
export async function readMemberJson(bundle: Bundle, name: string): Promise<unknown> {
  const bytes = await readMember(bundle, name);
  try {
    return parseBoundedJson(bytes);
  } catch (error) {
    throw brokenBundle(bundle, `${JSON.stringify(name)} is not JSON${reasonOf(error)}`, error);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof SyntaxError ? ` (${error.message})` : '';
}

export function brokenBundle(bundle: Bundle, why: string, cause?: unknown): DockershError {
  return new DockershError('E_IMAGE_BROKEN', {
    what: bundle.path,
    why,
    hint: 'Export or save the image again.',
    cause,
  });
}

/** What is something else in the form of an image. */
export function noImage(bundle: Bundle, why: string): DockershError {
  return new DockershError('E_USAGE', {
    what: bundle.path,
    why,
    hint: 'Only images of root filesystems can be imported.',
  });
}
