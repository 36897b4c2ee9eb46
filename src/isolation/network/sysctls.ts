// Changes settings of the host's network, and puts back what was there. What is changed is on the disk first, so that
// whoever takes dockersh away finds it however the daemon has ended.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hasErrno } from '../../lib/errors.ts';
import type { ChangedFiles } from './state.ts';

/** Where what is changed is remembered. */
export interface Memory {
  readonly changed: ChangedFiles;
  keepChanged(changed: ChangedFiles): Promise<void>;
}

export class Sysctls {
  readonly #memory: Memory;
  readonly #folder: string;
  readonly #boot: string;

  /** `folder`: /proc/sys, or what a test puts in its place. `boot`: says which start of the system this is. */
  constructor(memory: Memory, folder = '/proc/sys', boot = bootId()) {
    this.#memory = memory;
    this.#folder = folder;
    this.#boot = boot;
  }

  /** Undefined: there is none of this name. */
  read(name: string): string | undefined {
    try {
      return readFileSync(path.join(this.#folder, name), 'utf8').trim();
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
      return undefined;
    }
  }

  /** Of this boot: with another, the kernel has forgotten all of it. */
  #known(): ChangedFiles['files'] {
    const { boot, files } = this.#memory.changed;
    return boot === this.#boot ? files : {};
  }

  /** Throws ENOENT where there is none of this name. */
  async set(name: string, ours: string): Promise<void> {
    const before = this.read(name);
    if (before === ours) return;
    const known = this.#known();
    const entry = { before: known[name]?.before ?? before ?? '', ours };
    await this.#memory.keepChanged({ boot: this.#boot, files: { ...known, [name]: entry } });
    writeFileSync(path.join(this.#folder, name), ours);
  }

  /** What we have set and is still set. */
  held(): string[] {
    return Object.entries(this.#known()).flatMap(([name, { ours }]) =>
      this.read(name) === ours ? [name] : [],
    );
  }

  /** Puts back what nobody else has changed meanwhile. */
  async restore(): Promise<void> {
    for (const [name, { before, ours }] of Object.entries(this.#known())) {
      if (this.read(name) === ours) writeFileSync(path.join(this.#folder, name), before);
    }
    if (Object.keys(this.#memory.changed.files).length > 0)
      await this.#memory.keepChanged({ boot: this.#boot, files: {} });
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
