// The file system that holds the state is full.

import { existsSync } from 'node:fs';
import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, run, runOk } from '../../fixtures/process.ts';
import { uniqueName } from '../../fixtures/shell-text.ts';
import { World } from '../../fixtures/world.ts';

/** A small ext4 of its own in a file. */
class SmallDisk implements AsyncDisposable {
  readonly mountPoint: string;
  readonly #file: string;

  private constructor(mountPoint: string, file: string) {
    this.mountPoint = mountPoint;
    this.#file = file;
  }

  static async mount(): Promise<SmallDisk> {
    const mountPoint = await mkdtemp('/tmp/dockersh-test-disk-');
    const file = `${mountPoint}.img`;
    await writeFile(file, '');
    const disk = new SmallDisk(mountPoint, file);
    try {
      await runOk('truncate', ['-s', '16M', file]);
      await runOk('mkfs.ext4', ['-q', '-O', '^has_journal', '-m', '0', '-N', '2000', file]);
      await runOk('mount', ['-o', 'loop', file, mountPoint]);
      return disk;
    } catch (error) {
      await disk[Symbol.asyncDispose]();
      throw error;
    }
  }

  async fill(): Promise<void> {
    // To the last block: a large file first, then small ones.
    await run('dd', ['if=/dev/zero', `of=${this.mountPoint}/filler`, 'bs=64k']);
    for (const name of ['a', 'b'])
      await run('dd', ['if=/dev/zero', `of=${this.mountPoint}/${name}`, 'bs=1k']);
    const { stdout } = await run('df', ['--output=avail', this.mountPoint]);
    expect(stdout.toString()).toMatch(/\n\s*0\n/);
  }

  async makeRoom(): Promise<void> {
    await runOk('rm', [
      join(this.mountPoint, 'filler'),
      join(this.mountPoint, 'a'),
      join(this.mountPoint, 'b'),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', [this.mountPoint]);
    await rmdir(this.mountPoint);
    await runOk('rm', ['-f', this.#file]);
  }
}

describe.skipIf(control)('a full disk', () => {
  it('refuses a first login, says why, and lets it in when there is room again', async () => {
    await using disk = await SmallDisk.mount();
    await using world = await World.create({ stateFolder: join(disk.mountPoint, 'state') });
    const login = world.login('shell');
    expect((await world.login('force').ssh('exit 3')).code).toBe(3);

    await disk.fill();
    const marker = `/tmp/${uniqueName('ran')}`;
    const refused = await login.ssh(`touch ${marker}; echo ran`);
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toMatch(/E_DISK_FULL, session/);
    expect(refused.stdout.length).toBe(0);
    expect(existsSync(marker)).toBe(false);
    // A sandbox that runs goes on, and its user reads the kernel's own message.
    const running = await world.login('force').ssh('head -c 100000 /dev/zero > ~/big; echo "status $?"');
    expect(running.stdout.toString()).toBe('status 1\n');
    expect(running.stderr.toString()).toMatch(/No space left/);

    await disk.makeRoom();
    const after = await login.ssh('exit 4');
    expect(after.code, describeFinished(after)).toBe(4);
  });
});
