// Native programs for a daemon, of which dockersh-layer waits before one of its jobs for as long as a file names that job:
// an operation of any length stands in its midst for as long as a test wants.

import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkout, programsOf } from '../../fixtures/paths.ts';
import { waitUntil } from '../../fixtures/process.ts';

export class HeldLayerTool implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<HeldLayerTool> {
    const folder = await mkdtemp('/tmp/dockersh-test-programs-');
    const { build } = programsOf(checkout);
    for (const name of await readdir(build)) {
      if (name !== 'dockersh-layer') await symlink(join(build, name), join(folder, name));
    }
    const script = `#!/bin/sh
if [ -e "${folder}/hold-$1" ]; then echo >"${folder}/held-$1"; fi
while [ -e "${folder}/hold-$1" ]; do /bin/sleep 0.1; done
exec ${build}/dockersh-layer "$@"
`;
    await writeFile(join(folder, 'dockersh-layer'), script);
    await chmod(join(folder, 'dockersh-layer'), 0o755);
    return new HeldLayerTool(folder);
  }

  /** For HostOptions. */
  get libexec(): string {
    return this.#folder;
  }

  async hold(job: string): Promise<void> {
    await rm(join(this.#folder, `held-${job}`), { force: true });
    await writeFile(join(this.#folder, `hold-${job}`), '');
  }

  /** Resolves when a process stands there. */
  async waitHeld(job: string): Promise<void> {
    await waitUntil(() => existsSync(join(this.#folder, `held-${job}`)), `${job} to be begun`, 120_000);
  }

  async release(job: string): Promise<void> {
    await rm(join(this.#folder, `hold-${job}`), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
