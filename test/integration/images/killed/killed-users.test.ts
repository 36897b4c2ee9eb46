// SIGKILL in the middle of what writes all that is kept of a user to a file, puts a file's content in its place, or
// removes it. Whoever looks afterwards finds all of it or nothing, and no half file. See killed.test.ts.

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolved } from '../../../../src/lib/values/absolute-path.ts';
import { lacks } from '../../../fixtures/machine.ts';
import { VerbsHost } from '../../verbs/verbs-host.ts';
import { KillHost } from './kill-host.ts';
import { killSeed, momentsOf, roundsOf } from './kill-moments.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms', home: 'private' } };
const usualRounds = 6;
const longEnough = 30 * 60_000;

describe.skipIf(lacks('busybox'))(`SIGKILL with seed ${killSeed}`, () => {
  const parts = new AsyncDisposableStack();
  let verbs: VerbsHost;
  let kill: KillHost;
  let folder: string;
  /** With what the user had at first: "A" in the layer and at home, and a snapshot. */
  let first: string;

  const has = async (): Promise<string> =>
    await verbs.inside(
      'cat /srv/state ~/state 2>/dev/null; ls /srv/many ~/many 2>/dev/null | grep -c "^[0-9]"; true',
    );
  const of = (state: string): string => `${state}\n${state}\n600\n`;
  const nothing = '0\n';
  const userFolders = async (): Promise<string[]> => await readdir(join(verbs.host.stateFolder, 'users'));
  const snapshots = async (): Promise<string[]> =>
    (await kill.ask('snapshot.ls', { user: verbs.name })).snapshots.map(({ name }) => name);
  const set = async (state: string): Promise<void> =>
    void (await verbs.inside(`echo ${state} >/srv/state; echo ${state} >~/state`));
  const restored = async (): Promise<void> => {
    if ((await userFolders()).length > 0) {
      await kill.ask('account.forget', { user: verbs.name, force: true });
    }
    await kill.ask('account.import', { path: resolved(first) });
  };
  /** Read to its end, which says that nothing of it is missing. */
  const expectWhole = async (file: string, about: string): Promise<void> => {
    const tar = zstdDecompressSync(await readFile(file));
    expect(tar.subarray(0, 18).toString(), about).toBe('dockersh-user.json');
    expect(tar.subarray(-1024).equals(Buffer.alloc(1024)), about).toBe(true);
  };

  beforeAll(async () => {
    process.stderr.write(`DOCKERSH_KILL_SEED=${killSeed}\n`);
    verbs = parts.use(await VerbsHost.start({ policy }));
    kill = new KillHost(verbs.host);
    folder = join(verbs.host.folder, 'files');
    first = join(folder, 'first.tar.zst');
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
    for (const place of ['/srv', '~']) {
      await verbs.inside(`mkdir ${place}/many; for n in $(seq 300); do echo $n >${place}/many/$n; done`);
      await verbs.inside(`for n in a b c; do head -c 2000000 /dev/urandom >${place}/many/$n; done`);
    }
    await set('A');
    await verbs.host.ctlOk('snapshot', verbs.name, 'A');
    await mkdir(folder);
    await verbs.host.ctlOk('user', 'export', verbs.name, first);
  }, 120_000);
  afterAll(async () => {
    await parts.disposeAsync();
  }, 120_000);

  it(
    'of a user export',
    async () => {
      const file = join(folder, 'one.tar.zst');
      const verb = ['user', 'export', verbs.name, file];
      const span = await kill.timed(...verb);
      await expectWhole(file, 'not killed');
      for (const moment of momentsOf('user export', roundsOf(usualRounds), span)) {
        const about = `user export ${JSON.stringify(moment)}`;
        if (moment.round % 2 === 0) await rm(file, { force: true });
        const was = existsSync(file);
        const told = await kill.interrupt(moment, ...verb);
        if (told || was) expect(existsSync(file), about).toBe(true);
        for (const name of await readdir(folder)) await expectWhole(join(folder, name), `${name}, ${about}`);
        await kill.expectNoLeftovers(about);
        expect(await has(), about).toBe(of('A'));
      }
      await rm(file, { force: true });
    },
    longEnough,
  );

  it(
    'of a user import in the place of what is there',
    async () => {
      const old = join(folder, 'old.tar.zst');
      const verb = ['user', 'import', first, '--replace', old];
      await set('B');
      const span = await kill.timed(...verb);
      expect(await has()).toBe(of('A'));
      for (const moment of momentsOf('user import', roundsOf(usualRounds), span)) {
        const about = `user import ${JSON.stringify(moment)}`;
        await set('B');
        await rm(old, { force: true });
        const told = await kill.interrupt(moment, ...verb);
        await kill.expectNoLeftovers(about);
        const now = await has();
        expect(told ? [of('A')] : [of('A'), of('B')], about).toContain(now);
        expect(await snapshots(), about).toEqual(['A']);
        // Nothing is replaced that is not in the other file.
        if (now === of('A')) expect(existsSync(old), about).toBe(true);
        if (existsSync(old)) await expectWhole(old, about);
        if (now !== of('A')) continue;
        await kill.ask('account.forget', { user: verbs.name, force: true });
        await kill.ask('account.import', { path: resolved(old) });
        expect(await has(), about).toBe(of('B'));
      }
      await rm(old, { force: true });
      await restored();
    },
    longEnough,
  );

  it(
    'of a user forget',
    async () => {
      const verb = ['user', 'forget', verbs.name, '--force', '--yes'];
      expect(await has()).toBe(of('A'));
      const span = await kill.timed(...verb);
      expect(await userFolders()).toEqual([]);
      for (const moment of momentsOf('user forget', roundsOf(usualRounds), span)) {
        const about = `user forget ${JSON.stringify(moment)}`;
        await restored();
        expect(await has(), about).toBe(of('A'));
        const told = await kill.interrupt(moment, ...verb);
        const gone = (await userFolders()).length === 0;
        if (told) expect(gone, about).toBe(true);
        expect(await has(), about).toBe(gone ? nothing : of('A'));
        expect(await snapshots(), about).toEqual(gone ? [] : ['A']);
        await kill.expectNoLeftovers(about);
        await kill.expectNoGarbage(about);
      }
      await restored();
      await kill.expectWhole('at the end');
    },
    longEnough,
  );

  it(
    'of a user forget that keeps the private home',
    async () => {
      const to = join(folder, 'kept');
      const kept = join(to, 'home');
      const verb = ['user', 'forget', verbs.name, '--keep-home', to, '--force', '--yes'];
      const inKept = async (): Promise<number> =>
        existsSync(join(kept, 'many')) ? (await readdir(join(kept, 'many'))).length : 0;
      const atHome = async (): Promise<number> =>
        Number(await verbs.inside('ls ~/many 2>/dev/null | grep -c . || true'));
      const span = await kill.timed(...verb);
      expect(await inKept()).toBe(303);
      for (const moment of momentsOf('user forget --keep-home', roundsOf(usualRounds), span)) {
        const about = `user forget --keep-home ${JSON.stringify(moment)}`;
        await restored();
        await rm(to, { recursive: true, force: true });
        const told = await kill.interrupt(moment, ...verb);
        const gone = (await userFolders()).length === 0;
        if (told) expect(gone, about).toBe(true);
        // All of it in one place, whatever has become of the rest.
        const where = [await inKept(), await atHome()];
        expect(
          gone
            ? [[303, 0]]
            : [
                [303, 0],
                [0, 303],
              ],
          about,
        ).toContainEqual(where);
        await kill.expectNoLeftovers(about);
        await kill.expectNoGarbage(about);
        // Whoever does it again has what there is.
        if (where[0] === 303) continue;
        await rm(to, { recursive: true, force: true });
        await kill.ask('account.forget', { user: verbs.name, force: true, keepHome: resolved(to) });
        expect(await inKept(), about).toBe(303);
      }
      await rm(to, { recursive: true, force: true });
      await restored();
    },
    longEnough,
  );
});
