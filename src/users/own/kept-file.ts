// Reads and writes a small file of ours in each user's folder in the state. It is looked at anew each time, which is one stat(2)
// where it is as it was: what is removed or moved with the folder is never remembered for who has the uid next.

import { readFileSync, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import type * as z from 'zod';
import { Serial } from '../../lib/async/serial.ts';
import { temporaryFor, writeFileAtomic } from '../../lib/atomic-file.ts';
import type { AbsolutePath } from '../../lib/values/absolute-path.ts';
import type { Uid } from '../../lib/values/uid.ts';

interface Options<T> {
  readonly place: (uid: Uid) => AbsolutePath;
  readonly schema: z.ZodType<T>;
  /** Of a user who has none, and of one whose file is damaged. */
  readonly nothing: T;
  /** Whether a power cut may take the last change. */
  readonly isLasting: boolean;
}

export class KeptFile<T> {
  readonly #options: Options<T>;
  readonly #known = new Map<Uid, { readonly stamp: string; readonly value: T }>();
  readonly #writes = new Serial();

  constructor(options: Options<T>) {
    this.#options = options;
  }

  read(uid: Uid): T {
    const { place, nothing } = this.#options;
    const file = place(uid);
    const found = statSync(file, { throwIfNoEntry: false, bigint: true });
    if (found === undefined) return nothing;
    const stamp = `${found.ino}:${found.mtimeNs}:${found.size}`;
    const known = this.#known.get(uid);
    if (known?.stamp === stamp) return known.value;
    const value = this.#parsed(readFileSync(file, 'utf8'));
    this.#known.set(uid, { stamp, value });
    return value;
  }

  #parsed(text: string): T {
    try {
      return this.#options.schema.parse(JSON.parse(text));
    } catch {
      return this.#options.nothing;
    }
  }

  /** One after the other. The user's folder must be there. `to` gives the same value back where nothing changes. */
  async change(uid: Uid, to: (value: T) => T): Promise<void> {
    await this.#writes.take(async () => {
      const before = this.read(uid);
      const after = to(before);
      if (after === before) return;
      const file = this.#options.place(uid);
      const text = `${JSON.stringify(after)}\n`;
      if (this.#options.isLasting) await writeFileAtomic(file, text);
      else await replace(file, text);
    });
  }
}

/** As writeFileAtomic, without waiting for the disk. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = temporaryFor(file);
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
