// Lists what is in a tar, by dockersh-layer's account of it. Names are an archive's own to choose, and a small one can
// hold gigabytes of them: the list is read piece by piece and ends where an image archive's would long have ended.

import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { DockershError } from '../../lib/errors.ts';
import { follow, type LayerProgram } from '../layers/program.ts';

/** One member of a tar that holds an image. */
export interface TarMember {
  readonly kind: 'file' | 'link' | 'other';
  readonly name: string;
  /** Of a link, symbolic or hard. */
  readonly link: string;
  /** Of its data in the archive. */
  readonly offset: number;
  readonly size: number;
}

/** No image archive has as many members, nor as much to say of them; a root filesystem may. */
const mostMembers = 20_000;
const mostListBytes = 4 * 1024 * 1024;
/** Of one name or link, and the numbers beside it. */
const mostFieldBytes = 4096 + 64;

/**
 * The members of a plain tar: a file's path, which is read by seeking, or a stream. `whole` is false where it
 * is no tar, is damaged, or says more than an image archive does: `members` are those up to there.
 */
export async function listArchive(
  program: LayerProgram,
  archive: string | Readable,
  signal?: AbortSignal,
): Promise<{ readonly members: readonly TarMember[]; readonly whole: boolean }> {
  const args = ['list', '--max-entries', String(mostMembers)];
  await using input = typeof archive === 'string' ? await open(archive, 'r') : undefined;
  const child = spawn(program.path, args, {
    env: {},
    stdio: [input?.fd ?? 'pipe', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal === undefined ? {} : { signal }),
  });
  const { ended } = follow(child, false);
  if (child.stdout === null) throw new DockershError('E_INTERNAL', { what: 'list an archive' });
  // Neither a program that stops reading nor a source that breaks is a failure: see `whole`.
  if (typeof archive !== 'string' && child.stdin !== null) {
    pipeline(archive, child.stdin).catch(() => undefined);
  }
  const list = new MemberList();
  // Leaving the loop closes the pipe, which ends the program.
  for await (const chunk of child.stdout) if (!list.take(chunk as Buffer)) break;
  const { status } = await ended;
  return { members: list.members, whole: status === 0 && !list.cut };
}

const memberKinds: Readonly<Record<string, TarMember['kind']>> = { f: 'file', l: 'link' };

/** "KIND OFFSET SIZE NAME\\0LINK\\0" for each. */
export class MemberList {
  readonly members: TarMember[] = [];
  /** There was more than is taken. */
  cut = false;
  #bytes = 0;
  #rest: Buffer = Buffer.alloc(0);
  #first: string | undefined;

  /** False: no more is wanted. */
  take(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
      this.#field(bytes.toString('utf8', start, end));
      start = end + 1;
    }
    this.#rest = Buffer.from(bytes.subarray(start)); // a copy, so that the chunk can go
    this.cut = this.#bytes > mostListBytes || this.#rest.length > mostFieldBytes;
    return !this.cut;
  }

  #field(text: string): void {
    if (this.#first === undefined) {
      this.#first = text;
      return;
    }
    const match = /^([a-z]) (\d+) (\d+) (.*)$/s.exec(this.#first);
    this.#first = undefined;
    const [, kind = '', offset, size, name = ''] = match ?? [];
    const numbers = { offset: Number(offset), size: Number(size) };
    if (match === null) return;
    this.members.push({ kind: memberKinds[kind] ?? 'other', name, link: text, ...numbers });
  }
}
