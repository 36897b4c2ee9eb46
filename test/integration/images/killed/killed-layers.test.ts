// SIGKILL in the middle of what takes one step to be seen: names of images, and users' layers. Whoever looks
// afterwards finds what was there before or what was asked for, and nothing else. See killed.test.ts.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { resolved } from '../../../../src/lib/values/absolute-path.ts';
import { lacks } from '../../../fixtures/machine.ts';
import { VerbsHost } from '../../verbs/verbs-host.ts';
import { KillHost } from './kill-host.ts';
import { killSeed, type Moment, momentsOf, roundsOf } from './kill-moments.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };
const usualRounds = 6;
const longEnough = 30 * 60_000;

describe.skipIf(lacks('busybox'))(`SIGKILL with seed ${killSeed}`, () => {
  const parts = new AsyncDisposableStack();
  let verbs: VerbsHost;
  let kill: KillHost;
  const ctl = (...args: string[]) => verbs.host.ctlOk(...args);
  const state = async (): Promise<string> => await verbs.inside('cat /srv/state 2>/dev/null || echo none');
  const snapshotNames = async (): Promise<string[]> =>
    (await kill.ask('snapshot.ls', { user: verbs.name })).snapshots.map(({ name }) => name);

  beforeAll(async () => {
    process.stderr.write(`DOCKERSH_KILL_SEED=${killSeed}\n`);
    verbs = parts.use(await VerbsHost.start({ policy }));
    kill = new KillHost(verbs.host);
    await ctl('image', 'import', 'lab/base:first', await verbs.rootfs('one', { '/etc/release': 'one\n' }));
    await ctl('image', 'import', 'lab/base:second', await verbs.rootfs('two', { '/etc/release': 'two\n' }));
    await ctl('image', 'tag', 'lab/base:first', 'lab/base:1');
    await verbs.inside('mkdir /srv/many; for n in $(seq 300); do echo $n >/srv/many/$n; done');
    await verbs.inside(
      'for n in 1 2 3 4 5 6; do head -c 4000000 /dev/urandom >/srv/$n; done; echo A >/srv/state',
    );
    await ctl('snapshot', verbs.name, 'A');
    await verbs.inside('echo B >/srv/state');
  });
  afterAll(async () => {
    await parts.disposeAsync();
  });

  /** `check` hears whether the command had told of its success; afterwards everything is as it was. */
  const rounds = async (
    words: readonly string[],
    prepare: () => Promise<void>,
    check: (told: boolean, about: string) => Promise<void>,
  ): Promise<void> => {
    await prepare();
    const span = await kill.timed(...words);
    await check(true, 'not killed');
    for (const moment of momentsOf(words.join(' '), roundsOf(usualRounds), span)) {
      const about = `${words.join(' ')} ${JSON.stringify(moment satisfies Moment)}`;
      await prepare();
      const told = await kill.interrupt(moment, ...words);
      await kill.expectNoLeftovers(about);
      await check(told, about);
      await kill.expectNoGarbage(about);
    }
    await kill.expectWhole('at the end');
  };

  beforeEach(async () => {
    expect(await state()).toBe('B\n');
    expect(await snapshotNames()).toEqual(['A']);
  });

  it(
    'of image rm',
    async () => {
      const rootfs = await verbs.rootfs('doomed', { '/srv/file': 'x'.repeat(100_000) });
      const imported = async () =>
        void (await kill.ask('image.import', { name: 'lab/doomed', path: resolved(rootfs) }));
      await rounds(['image', 'rm', 'lab/doomed'], imported, async (told, about) => {
        const left = await kill.digestOf('lab/doomed:latest');
        if (told) expect(left, about).toBeUndefined();
        if (left !== undefined) await kill.remove('lab/doomed');
      });
    },
    longEnough,
  );

  it(
    'of image tag',
    async () => {
      const second = await kill.digestOf('lab/base:second');
      const prepare = async () =>
        void (await kill.ask('image.tag', { source: 'lab/base:first', target: 'x:1' }));
      const first = await kill.digestOf('lab/base:first');
      await rounds(['image', 'tag', 'lab/base:second', 'x:1'], prepare, async (told, about) => {
        expect(told ? [second] : [first, second], about).toContain(await kill.digestOf('x:1'));
      });
      await kill.remove('x:1');
    },
    longEnough,
  );

  it(
    'of a snapshot',
    async () => {
      await rounds(
        ['snapshot', verbs.name, 'new'],
        async () => undefined,
        async (told, about) => {
          const made = (await snapshotNames()).includes('new');
          if (told) expect(made, about).toBe(true);
          if (!made) return;
          expect(await readFile(snapshotFile('new', 'srv/state'), 'utf8'), about).toBe('B\n');
          expect(await readFile(snapshotFile('new', 'srv/many/300'), 'utf8'), about).toBe('300\n');
          await kill.ask('snapshot.rm', { user: verbs.name, name: 'new' });
        },
      );
    },
    longEnough,
  );

  const snapshotFile = (name: string, path: string): string =>
    join(verbs.host.stateFolder, 'users', String(verbs.user.uid), 'snapshots', name, 'upper', path);

  /** What a rollback or a reset saved goes, and the layer is made B again. */
  const backToB = async (about: string): Promise<void> => {
    for (const name of await snapshotNames()) {
      if (name === 'A') continue;
      expect(await readFile(snapshotFile(name, 'srv/state'), 'utf8'), about).toBe('B\n');
      await kill.ask('snapshot.rm', { user: verbs.name, name });
    }
    if ((await state()) === 'none\n') {
      await kill.ask('rollback', { user: verbs.name, name: 'A' });
      for (const name of await snapshotNames()) {
        if (name !== 'A') await kill.ask('snapshot.rm', { user: verbs.name, name });
      }
    }
    await verbs.inside('echo B >/srv/state');
  };

  it(
    'of a rollback',
    async () => {
      const run = async () => void (await verbs.inside('true'));
      await rounds(['rollback', verbs.name, 'A', '--yes'], run, async (told, about) => {
        const now = await state();
        expect(told ? ['A\n'] : ['A\n', 'B\n'], about).toContain(now);
        expect((await verbs.inside('ls /srv/many | wc -l')).trim(), about).toBe('300');
        if (now === 'A\n') expect((await snapshotNames()).length, about).toBeGreaterThan(1);
        await backToB(about);
      });
    },
    longEnough,
  );

  it(
    'of a reset',
    async () => {
      const run = async () => void (await verbs.inside('true'));
      await rounds(['reset', verbs.name, '--yes'], run, async (told, about) => {
        const now = await state();
        expect(told ? ['none\n'] : ['none\n', 'B\n'], about).toContain(now);
        if (now === 'none\n') expect((await snapshotNames()).length, about).toBe(2);
        await backToB(about);
      });
    },
    longEnough,
  );

  it(
    'of an upgrade',
    async () => {
      const release = async (): Promise<string> => await verbs.inside('cat /etc/release');
      const prepare = async (): Promise<void> => {
        await kill.ask('image.tag', { source: 'lab/base:first', target: 'lab/base:1' });
        await kill.ask('stop', { user: verbs.name });
        await kill.ask('upgrade', { user: verbs.name });
        expect(await release()).toBe('one\n');
        await kill.ask('image.tag', { source: 'lab/base:second', target: 'lab/base:1' });
      };
      await rounds(['upgrade', verbs.name], prepare, async (told, about) => {
        expect(await release(), about).toBe('one\n'); // it runs on
        await kill.ask('stop', { user: verbs.name });
        expect(told ? ['two\n'] : ['one\n', 'two\n'], about).toContain(await release());
      });
    },
    longEnough,
  );
});
