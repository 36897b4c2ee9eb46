// Keeps a copy of the policy that was accepted last in the state folder: a daemon that is started while the files are
// broken (at a boot after a bad edit, say) goes by it instead of locking everybody out.
//
// The copy is the text of the files, so that a daemon of another version reads it by its own rules, and refuses
// whatever it does not know. Only root can enter the state folder; the copy is believed on the same terms as a policy.

import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { isAtomicTemporary, writeFileAtomic } from '../../lib/atomic-file.ts';
import type { Logger } from '../../lib/log.ts';
import { readTrustedFile } from '../../lib/trusted-path.ts';
import { version } from '../../lib/version.ts';
import { assemble } from '../../policy/parse/assemble.ts';
import { parseFile } from '../../policy/parse/file.ts';
import type { Policy } from '../../policy/policy.ts';
import { formatProblem } from '../../policy/problem.ts';

export const keptPolicyName = 'last-good-policy.json';
/** Far above any policy of a host; larger ones are not kept. */
const largestBytes = 64 * 1024 * 1024;

const copySchema = z.strictObject({
  format: z.literal(1),
  /** Of the daemon that kept it. */
  version: z.string(),
  /** When it was accepted. */
  since: z.iso.datetime(),
  /** The main file that it was read from. */
  main: z.string(),
  files: z.array(z.strictObject({ file: z.string(), text: z.string() })),
});
type Copy = z.infer<typeof copySchema>;
export type PolicyTexts = readonly Readonly<Copy['files'][number]>[];

export type Kept =
  | { readonly ok: true; readonly policy: Policy; readonly since: string; readonly version: string }
  | { readonly ok: false; readonly why: string };

export class KeptPolicy implements AsyncDisposable {
  readonly #state: string;
  readonly #main: string;
  readonly #log: Logger;
  #copy: Copy | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(state: string, main: string, log: Logger) {
    this.#state = state;
    this.#main = main;
    this.#log = log;
  }

  get file(): string {
    return path.join(this.#state, keptPolicyName);
  }

  /** Call before keep(): what is the same as before is not written again. */
  async read(): Promise<Kept> {
    try {
      await this.#removeHalfWritten();
      const read = await readTrustedFile(this.file, largestBytes);
      if (!read.ok)
        return refused(read.code === 'E_NOT_FOUND' ? 'there is none' : `${read.path} ${read.reason}`);
      return this.#take(read.text);
    } catch (error) {
      return refused(error instanceof Error ? error.message : String(error)); // a disk that fails, say
    }
  }

  async #removeHalfWritten(): Promise<void> {
    const names = await readdir(this.#state);
    const half = names.filter((name) => isAtomicTemporary(name, keptPolicyName));
    for (const name of half) await rm(path.join(this.#state, name), { force: true });
  }

  #take(text: string): Kept {
    const copy = parsed(text);
    if (copy === undefined) return refused(`${this.file} is damaged, or of another version of dockersh`);
    if (copy.main !== this.#main) return refused(`${this.file} is of ${copy.main}`);
    this.#copy = copy;
    const { policy, problems } = assemble(
      copy.files.map((one) => parseFile(one.text, one.file)),
      copy.main,
    );
    if (policy !== undefined) return { ok: true, policy, since: copy.since, version: copy.version };
    const why = problems.map(formatProblem).join('; ');
    return refused(`${this.file}, kept by version ${copy.version}, is not valid in ${version}: ${why}`);
  }

  /** Since when this policy is in force. It is written in the background: no login waits for the disk. */
  keep(files: PolicyTexts): string {
    const known = this.#copy !== undefined && sameTexts(this.#copy.files, files) ? this.#copy : undefined;
    if (known?.version === version) return known.since;
    const since = known?.since ?? new Date().toISOString();
    const copy: Copy = { format: 1, version, since, main: this.#main, files: [...files] };
    this.#copy = copy;
    this.#writing = this.#writing.then(() => this.#write(copy));
    return since;
  }

  async #write(copy: Copy): Promise<void> {
    if (copy !== this.#copy) return; // a newer one is next
    try {
      const text = JSON.stringify(copy);
      if (Buffer.byteLength(text) > largestBytes) throw new Error('it is too large');
      await writeFileAtomic(this.file, text);
    } catch (error) {
      // An older one would undo what has been decided since, unnoticed, after the next start.
      await rm(this.file, { force: true }).catch(() => undefined);
      this.#copy = undefined;
      this.#log.error(
        { err: error, file: this.file },
        'the policy could not be kept for a start after a bad edit',
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
  }
}

const refused = (why: string): Kept => ({ ok: false, why });

function parsed(text: string): Copy | undefined {
  try {
    return copySchema.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function sameTexts(one: PolicyTexts, other: PolicyTexts): boolean {
  return (
    one.length === other.length &&
    one.every(({ file, text }, index) => file === other[index]?.file && text === other[index]?.text)
  );
}
