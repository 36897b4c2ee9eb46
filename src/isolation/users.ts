// Looks up accounts in the host's name service, and remembers them for a moment: a warm login must not wait for a
// directory service.

import { statSync } from 'node:fs';
import type { Uid } from '../lib/values/uid.ts';
import { addon, type UserRecord } from './addon.ts';

/** LOGIN_NAME_MAX, without its NUL. */
const longestName = 255;
/** How long an account from a directory service is believed; a change in /etc is seen at once. */
const believedMs = 60_000;

interface Remembered {
  readonly record: UserRecord;
  readonly untilMs: number;
  readonly files: string;
}

const watched = ['/etc/passwd', '/etc/group', '/etc/nsswitch.conf'];

function filesNow(): string {
  return watched
    .map((file) => {
      const info = statSync(file, { throwIfNoEntry: false });
      return info === undefined ? '' : `${info.ino}:${info.mtimeMs}:${info.size}`;
    })
    .join('|');
}

const isName = (text: string): boolean => Buffer.byteLength(text) <= longestName && !text.includes('\0');

export class Users {
  /** By what was asked for: two accounts can have one uid. */
  readonly #known = new Map<Uid | string, Remembered>();
  /** However long ago; for the log. */
  readonly #names = new Map<Uid, string>();
  readonly #pending = new Map<Uid | string, Promise<UserRecord | undefined>>();

  /** The account, without waiting; undefined where it has to be looked up. */
  remembered(user: Uid | string): UserRecord | undefined {
    const found = this.#known.get(user);
    if (found === undefined || found.untilMs < Date.now() || found.files !== filesNow()) return undefined;
    return found.record;
  }

  /** The name that the uid had when it was last looked up. */
  nameOf(uid: Uid): string | undefined {
    return this.#names.get(uid);
  }

  /** The account; undefined where the host has none. Many who ask for one at once share the look-up. */
  find(user: Uid | string): Promise<UserRecord | undefined> {
    if (typeof user === 'string' && !isName(user)) return Promise.resolve(undefined);
    const pending = this.#pending.get(user) ?? this.#lookUp(user).finally(() => this.#pending.delete(user));
    this.#pending.set(user, pending);
    return pending;
  }

  async #lookUp(user: Uid | string): Promise<UserRecord | undefined> {
    const files = filesNow();
    const record = await addon().lookupUser(user);
    if (record === null) return undefined;
    this.#names.set(record.uid, record.name);
    this.#known.set(user, { record, untilMs: Date.now() + believedMs, files });
    return record;
  }
}
