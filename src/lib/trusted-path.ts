// Checks that only root can change what a path leads to. Used by dockershd (root) for the policy file and for
// everything it executes: a file that somebody else can change would be a way to become root.
//
// Every component from / on is looked at, symbolic links are followed by hand and must themselves belong to
// root. A folder may be writable by others only when it is sticky (/tmp): there nobody can replace an entry
// that belongs to root, and each entry's owner is checked in its turn.

import type { Stats } from 'node:fs';
import { constants } from 'node:fs';
import { lstat, open, readlink } from 'node:fs/promises';
import path from 'node:path';
import { DockershError, type ErrorCode, hasErrno } from './errors.ts';

/** An expected refusal: `path` is the component at fault, `reason` fits after it. */
export interface Refusal {
  readonly ok: false;
  readonly path: string;
  readonly reason: string;
  /** Absent when the content is at fault, which only the reader of the content can name. */
  readonly code?: Extract<ErrorCode, 'E_UNTRUSTED_PATH' | 'E_NOT_FOUND'>;
}

export type PathTrust = { readonly ok: true; readonly realPath: string } | Refusal;

export interface TrustOptions {
  /** Owners that count as trusted. Production code leaves this alone: root only. */
  readonly trustedUids?: readonly number[];
}

/** As many links as the kernel follows (path_resolution(7)). */
const maxLinks = 40;
const groupOrOtherWrite = 0o022;
const stickyBit = 0o1000;

function faultOf(stats: Stats, trustedUids: readonly number[]): string | undefined {
  if (!trustedUids.includes(stats.uid)) return `belongs to uid ${stats.uid}, not to root`;
  if (stats.isSymbolicLink() || (stats.mode & groupOrOtherWrite) === 0) return undefined;
  if (stats.isDirectory() && (stats.mode & stickyBit) !== 0) return undefined;
  const who = (stats.mode & 0o002) === 0 ? 'its group' : 'everybody';
  return `is writable by ${who} (mode ${(stats.mode & 0o7777).toString(8).padStart(4, '0')})`;
}

/** Checks the file or folder at an absolute path and every folder and link on the way to it. */
export async function checkTrustedPath(target: string, options: TrustOptions = {}): Promise<PathTrust> {
  const trustedUids = options.trustedUids ?? [0];
  const refuse = (at: string, reason: string, code: Refusal['code'] = 'E_UNTRUSTED_PATH'): Refusal => ({
    ok: false,
    path: at,
    reason,
    code,
  });
  if (!path.isAbsolute(target) || target.includes('\0')) return refuse(target, 'is not an absolute path');

  const pending = target.split('/').reverse();
  let reached = '/';
  let links = 0;
  while (pending.length > 0) {
    const name = pending.pop() ?? '';
    const next = name === '..' ? path.dirname(reached) : path.join(reached, name);
    const stats = await lstatOrErrno(next);
    if (stats === 'ENOENT') return refuse(next, 'does not exist', 'E_NOT_FOUND');
    if (typeof stats === 'string') return refuse(next, `cannot be looked at (${stats})`);
    const fault = faultOf(stats, trustedUids);
    if (fault !== undefined) return refuse(next, fault);
    if (stats.isSymbolicLink()) {
      links += 1;
      if (links > maxLinks) return refuse(next, 'leads through too many symbolic links');
      const link = await readlink(next);
      pending.push(...link.split('/').reverse());
      if (path.isAbsolute(link)) reached = '/';
    } else {
      reached = next;
    }
  }
  return { ok: true, realPath: reached };
}

/** Like checkTrustedPath, for callers to whom a refusal is fatal: throws E_UNTRUSTED_PATH, returns the real path. */
export async function requireTrustedPath(target: string, options: TrustOptions = {}): Promise<string> {
  const trust = await checkTrustedPath(target, options);
  if (trust.ok) return trust.realPath;
  throw new DockershError(trust.code ?? 'E_UNTRUSTED_PATH', {
    what: trust.path,
    why: trust.reason,
  });
}

export type TrustedText = { readonly ok: true; readonly text: string } | Refusal;

/** Reads a small UTF-8 text file that only root can change. */
export async function readTrustedFile(
  target: string,
  maxBytes: number,
  options: TrustOptions = {},
): Promise<TrustedText> {
  const trust = await checkTrustedPath(target, options);
  if (!trust.ok) return trust;
  const refuse = (reason: string): Refusal => ({ ok: false, path: target, reason });
  // O_NONBLOCK: opening a fifo must not wait for a writer. The path needs no second look after opening:
  // only root could have replaced any part of it since.
  await using file = await open(
    trust.realPath,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  const stats = await file.stat();
  if (!stats.isFile()) return refuse('is not a regular file');
  if (stats.size > maxBytes) return refuse(`is larger than ${maxBytes} bytes`);
  const bytes = await file.readFile();
  try {
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    if (hasErrno(error, 'ERR_ENCODING_INVALID_ENCODED_DATA')) return refuse('is not UTF-8 text');
    throw error;
  }
}

async function lstatOrErrno(target: string): Promise<Stats | string> {
  try {
    return await lstat(target);
  } catch (error) {
    // What cannot be reached cannot be trusted; anything else than these is a fault of the disk or of ours.
    for (const errno of ['ENOENT', 'ENOTDIR', 'EACCES', 'ENAMETOOLONG'] as const) {
      if (hasErrno(error, errno)) return errno;
    }
    throw error;
  }
}
