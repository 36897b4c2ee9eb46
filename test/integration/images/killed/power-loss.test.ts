// The power fails in the middle of something. ext4 can be told to stop at once, with nothing more written of what
// it has in memory, its journal included (EXT4_IOC_SHUTDOWN without a flush): mounted again, it is what a machine
// finds that lost its power at that moment. Disks that lie about what they have written are another matter.

import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../../fixtures/machine.ts';
import { type Running, run, runOk, waitUntil } from '../../../fixtures/process.ts';
import { VerbsHost } from '../../verbs/verbs-host.ts';
import { builtImage, writeLayout } from '../image-builder.ts';
import { randomLayers } from '../random-layers.ts';
import { KillHost } from './kill-host.ts';
import { killSeed, type Moment, momentsOf, roundsOf } from './kill-moments.ts';

const usualRounds = 5;
const longEnough = 30 * 60_000;

class Disk implements AsyncDisposable {
  readonly folder: string;
  readonly #file: string;

  private constructor(folder: string, file: string) {
    this.folder = folder;
    this.#file = file;
  }

  static async make(): Promise<Disk> {
    const place = await mkdtemp('/tmp/dockersh-test-disk-');
    const disk = new Disk(join(place, 'disk'), join(place, 'image'));
    await mkdir(disk.folder);
    await runOk('truncate', ['-s', '600M', disk.#file]);
    await runOk('mkfs.ext4', ['-q', disk.#file]);
    await disk.mount();
    return disk;
  }

  async mount(): Promise<void> {
    await runOk('mount', ['-o', 'loop', this.#file, this.folder]);
  }

  /** Nothing more gets to the disk. */
  async cut(): Promise<void> {
    const shutDown =
      'open F, "<", $ARGV[0] or die; my $how = pack("I", 2); ioctl(F, 0x8004587D, $how) or die $!';
    await runOk('perl', ['-e', shutDown, this.folder]);
  }

  async unmount(): Promise<void> {
    const isFree = async (): Promise<boolean> => (await run('umount', [this.folder])).code === 0;
    await waitUntil(isFree, 'the disk to be unused', 20_000);
    // Some mount namespace may have the dead file system yet, and would lend it to the next mount of the file.
    await runOk('cp', ['--sparse=auto', this.#file, `${this.#file}.new`]);
    await rename(`${this.#file}.new`, this.#file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unmount();
    await rm(join(this.folder, '..'), { recursive: true, force: true });
  }
}

describe.skipIf(lacks('mkfs.ext4', 'perl', 'busybox'))(`power that fails, with seed ${killSeed}`, () => {
  const parts = new AsyncDisposableStack();
  let disk: Disk;
  let verbs: VerbsHost;
  let kill: KillHost;
  const ctl = (...args: string[]) => verbs.host.ctlOk(...args);
  const userFile = (...names: string[]): string =>
    join(verbs.host.stateFolder, 'users', String(verbs.user.uid), ...names);
  const snapshotNames = async (): Promise<string[]> =>
    (await kill.ask('snapshot.ls', { user: verbs.name })).snapshots.map(({ name }) => name);

  beforeAll(async () => {
    process.stderr.write(`DOCKERSH_KILL_SEED=${killSeed}\n`);
    disk = parts.use(await Disk.make());
    verbs = parts.use(
      await VerbsHost.start({
        policy: { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } },
        stateFolder: join(disk.folder, 'state'),
      }),
    );
    kill = new KillHost(verbs.host);
    await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
    await verbs.inside(
      'mkdir /srv/many; for n in $(seq 200); do echo $n >/srv/many/$n; done; echo A >/srv/state',
    );
    await ctl('stop', verbs.name); // what runs would keep the disk in use
    await ctl('snapshot', verbs.name, 'A');
  });
  afterAll(async () => {
    await parts.disposeAsync();
  });

  const rounds = async (
    words: readonly string[],
    check: (told: boolean, about: string) => Promise<void>,
  ): Promise<void> => {
    const span = await kill.timed(...words);
    await check(true, 'undisturbed');
    for (const moment of momentsOf(`power ${words.join(' ')}`, roundsOf(usualRounds), span)) {
      const about = `${words.join(' ')} ${JSON.stringify(moment satisfies Moment)}`;
      await using command: Running = kill.command(...words);
      await sleep(moment.afterMs);
      await disk.cut();
      const told = command.exited && (await command.finished()).code === 0;
      await verbs.host.killDaemon('SIGKILL');
      await command.finished();
      await disk.unmount();
      await disk.mount();
      await verbs.host.startDaemon();
      await kill.expectWhole(about);
      expect(await kill.digestOf('lab/base:1'), about).toBeDefined();
      expect(await readFile(userFile('snapshots/A/upper/srv/many/200'), 'utf8'), about).toBe('200\n');
      await check(told, about);
      await kill.expectNoGarbage(about);
    }
  };

  it(
    'takes nothing of an import that was told to be done, and leaves nothing half',
    async () => {
      const image = builtImage(randomLayers(3, 60, 30_000));
      const layout = await writeLayout(join(verbs.host.folder, 'imported'), image);
      await rounds(['image', 'import', 'lab/imported:1', layout], async (told, about) => {
        const digest = await kill.digestOf('lab/imported:1');
        if (told || digest !== undefined) expect(digest, about).toBe(image.manifest.digest);
        if (digest !== undefined) await kill.remove('lab/imported:1');
      });
    },
    longEnough,
  );

  it(
    'takes nothing of a commit',
    async () => {
      await rounds(['commit', verbs.name, 'lab/made:1'], async (told, about) => {
        const made = await kill.digestOf('lab/made:1');
        if (told) expect(made, about).toBeDefined();
        if (made !== undefined) await kill.remove('lab/made:1');
      });
    },
    longEnough,
  );

  it(
    'takes nothing of a snapshot',
    async () => {
      await rounds(['snapshot', verbs.name, 'new'], async (told, about) => {
        const there = (await snapshotNames()).includes('new');
        if (told) expect(there, about).toBe(true);
        if (!there) return;
        expect(await readFile(userFile('snapshots/new/upper/srv/many/200'), 'utf8'), about).toBe('200\n');
        await kill.ask('snapshot.rm', { user: verbs.name, name: 'new' });
      });
    },
    longEnough,
  );

  it(
    'takes nothing of a layer that is reset and rolled back',
    async () => {
      await rounds(['reset', verbs.name, '--yes'], async (told, about) => {
        const saved = (await snapshotNames()).filter((name) => name !== 'A');
        const state = await readFile(userFile('layer/upper/srv/state'), 'utf8').catch(() => 'none');
        if (told) expect(state, about).toBe('none');
        if (state === 'none') expect(saved, about).toHaveLength(1);
        for (const name of saved) {
          expect(await readFile(userFile('snapshots', name, 'upper/srv/state'), 'utf8'), about).toBe('A\n');
          await kill.ask('snapshot.rm', { user: verbs.name, name });
        }
        await kill.ask('rollback', { user: verbs.name, name: 'A' });
        for (const name of await snapshotNames()) {
          if (name !== 'A') await kill.ask('snapshot.rm', { user: verbs.name, name });
        }
        expect(await readFile(userFile('layer/upper/srv/state'), 'utf8'), about).toBe('A\n');
      });
    },
    longEnough,
  );
});
