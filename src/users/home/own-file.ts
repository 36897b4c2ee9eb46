// Reads a user's own file in their own home: with the user's rights, never through a link, only so much of it, and
// for a short time at most.

import { setTimeout as delay } from 'node:timers/promises';
import { addon, type UserRecord } from '../../isolation/addon.ts';
import { Slots } from '../../lib/async/slots.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { UserDisk } from '../disk/user-disks.ts';
import { lastHome } from './private-home.ts';

export type OwnBytes =
  | { readonly data: Buffer }
  | { readonly problem: string; readonly late?: true }
  | undefined;
export type OwnText = { readonly text: string } | { readonly problem: string } | undefined;

/** A home on a server that does not answer must not keep its user out. */
const patienceMs = 1_000;
/** Homes that hang keep no more threads than this of the four that all of the daemon's file work shares. */
const threads = new Slots(2);

export interface OwnFileOptions {
  readonly home: 'private' | 'host';
  readonly mostBytes: number;
  /** As sshd wants it for keys: nobody else may change it. */
  readonly strict: boolean;
}

export class OwnFiles {
  readonly #open: (uid: Uid) => Promise<UserDisk>;
  /** One reading at a time for each user: a home that hangs takes one thread at most. */
  readonly #pending = new Map<Uid, Promise<OwnBytes>>();

  /** `open`: the disk that a private home is on. */
  constructor(open: (uid: Uid) => Promise<UserDisk>) {
    this.#open = open;
  }

  /** Undefined where there is none. */
  async read(user: UserRecord, home: 'private' | 'host', name: string, mostBytes: number): Promise<OwnText> {
    return textOf(await this.readBytes(user, name, { home, mostBytes, strict: false }));
  }

  /** Whoever reads another file has an OwnFiles of their own. */
  async readBytes(user: UserRecord, name: string, options: OwnFileOptions): Promise<OwnBytes> {
    const pending = this.#pending.get(user.uid) ?? this.#begin(user, name, options);
    const late = delay(patienceMs, { problem: 'could not be read in time', late: true } as const, {
      ref: false,
    });
    return await Promise.race([pending, late]);
  }

  #begin(user: UserRecord, name: string, { home, mostBytes, strict }: OwnFileOptions): Promise<OwnBytes> {
    const { uid, gid } = user;
    const reading = threads
      .run(async () => {
        await using disk = home === 'host' ? undefined : await this.#open(uid);
        const folder = disk === undefined ? user.home : await lastHome(disk);
        const read = await addon().readOwnFile(folder, name, uid, gid, mostBytes, strict);
        if (read === null) return undefined;
        return read.data === undefined ? { problem: read.problem ?? 'cannot be read' } : { data: read.data };
      })
      .finally(() => this.#pending.delete(uid));
    this.#pending.set(uid, reading);
    return reading;
  }
}

function textOf(read: OwnBytes): OwnText {
  if (read === undefined || 'problem' in read) return read;
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(read.data) };
  } catch {
    return { problem: 'is not UTF-8 text' }; // nothing else can be wrong with it
  }
}
