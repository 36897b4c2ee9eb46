// Reads and compiles the profile that a policy names. Used by dockershd (root) when a sandbox starts and by "dockershctl
// policy check". The text is root's own, and nothing but this pure TypeScript looks at it; compiling takes a millisecond
// or two, so what has been compiled is kept in memory alone.

import { nativeFailureOf } from '../lib/errors.ts';
import { readTrustedFile, type TrustOptions } from '../lib/trusted-path.ts';
import type { Machine } from './calls.ts';
import { type CompiledFilter, compileFilter } from './compile.ts';
import { largestProfileBytes, parseProfile } from './profile.ts';

export class ProfileFiles {
  readonly #machine: Machine;
  readonly #options: TrustOptions;
  /** By path: the last text, and what it came to. */
  readonly #known = new Map<string, { readonly text: string; readonly compiled: CompiledFilter }>();

  constructor(machine: Machine, options: TrustOptions = {}) {
    this.#machine = machine;
    this.#options = options;
  }

  /** The problem fits after the file's name. */
  async filterOf(file: string): Promise<CompiledFilter> {
    const read = await this.#read(file);
    if (!read.ok)
      return { ok: false, problem: read.path === file ? read.reason : `${read.path} ${read.reason}` };
    const known = this.#known.get(file);
    if (known?.text === read.text) return known.compiled;
    const parsed = parseProfile(read.text);
    const compiled = parsed.ok ? compileFilter(parsed.profile, this.#machine) : parsed;
    this.#known.set(file, { text: read.text, compiled });
    return compiled;
  }

  async #read(file: string): ReturnType<typeof readTrustedFile> {
    try {
      return await readTrustedFile(file, largestProfileBytes, this.#options);
    } catch (error) {
      const native = nativeFailureOf(error);
      if (native === undefined) throw error;
      return { ok: false, path: file, reason: `cannot be read (${native.syscall}: ${native.errno})` };
    }
  }
}
