// Reads a user's own file in their own home: with the user's rights, never through a link, only so much of it, and
// for a short time at most.

import { setTimeout as delay } from 'node:timers/promises';
import { addon, type UserRecord } from '../../isolation/addon.ts';
import { Slots } from '../../lib/async/slots.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { UserDisk } from '../disk/user-disks.ts';
import { lastHome } from './private-home.ts';

export type OwnText = { readonly text: string } | { readonly problem: string } | undefined;

/** A home on a server that does not answer must not keep its user out. */
const patienceMs = 1_000;
/** Homes that hang keep no more threads than this of the four that all of the daemon's file work shares. */
const mostThreads = 2;

export class OwnFiles {
  readonly #open: (uid: Uid) => Promise<UserDisk>;
  readonly #threads = new Slots(mostThreads);
  /** One reading at a time for each user: a home that hangs takes one thread at most. */
  readonly #pending = new Map<Uid, Promise<OwnText>>();

  /** `open`: the disk that a private home is on. */
  constructor(open: (uid: Uid) => Promise<UserDisk>) {
    this.#open = open;
  }

  /** Undefined where there is none. */
  async read(user: UserRecord, home: 'private' | 'host', name: string, mostBytes: number): Promise<OwnText> {
    const pending = this.#pending.get(user.uid) ?? this.#begin(user, home, name, mostBytes);
    const late = delay(patienceMs, { problem: 'could not be read in time' }, { ref: false });
    return await Promise.race([pending, late]);
  }

  #begin(user: UserRecord, home: 'private' | 'host', name: string, mostBytes: number): Promise<OwnText> {
    const { uid, gid } = user;
    const reading = this.#threads
      .run(async () => {
        await using disk = home === 'host' ? undefined : await this.#open(uid);
        const folder = disk === undefined ? user.home : await lastHome(disk);
        return textOf(await addon().readOwnFile(folder, name, uid, gid, mostBytes));
      })
      .finally(() => this.#pending.delete(uid));
    this.#pending.set(uid, reading);
    return reading;
  }
}

function textOf(read: { readonly data?: Buffer; readonly problem?: string } | null): OwnText {
  if (read === null) return undefined;
  if (read.data === undefined) return { problem: read.problem ?? 'cannot be read' };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(read.data) };
  } catch {
    return { problem: 'is not UTF-8 text' }; // nothing else can be wrong with it
  }
}
