// SIGKILL of dockershd, of the command that asked, or of both, in the middle of what changes images and
// users' layers. DOCKERSH_KILL_ROUNDS=100 for more moments, DOCKERSH_KILL_SEED for the same ones again.

import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lacks } from '../../../fixtures/machine.ts';
import { Running, run, runOk, waitUntil } from '../../../fixtures/process.ts';
import { RealRegistry, skopeo } from '../../registry/real-registry.ts';
import { VerbsHost } from '../../verbs/verbs-host.ts';
import { builtImage, writeLayout } from '../image-builder.ts';
import { randomLayers } from '../random-layers.ts';
import { KillHost } from './kill-host.ts';
import { killSeed, momentsOf, randomOf, roundsOf } from './kill-moments.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };
const usualRounds = 20;
const longEnough = 30 * 60_000;

describe.skipIf(lacks('docker-registry', 'skopeo', 'busybox'))(`SIGKILL with seed ${killSeed}`, () => {
  const parts = new AsyncDisposableStack();
  let verbs: VerbsHost;
  let kill: KillHost;
  const ctl = (...args: string[]) => verbs.host.ctlOk(...args);

  beforeAll(async () => {
    process.stderr.write(`DOCKERSH_KILL_SEED=${killSeed}\n`);
    verbs = parts.use(await VerbsHost.start({ policy }));
    kill = new KillHost(verbs.host);
    await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('base', { '/etc/release': 'one\n' }));
    await verbs.inside('true');
  });
  afterAll(async () => {
    await parts.disposeAsync();
  });
  beforeEach(async () => {
    expect((await kill.images()).map(({ name }) => name)).toEqual(['lab/base:1']);
  });

  it(
    'of a pull',
    async () => {
      await using registry = await RealRegistry.start(join(verbs.host.folder, 'registry'));
      const image = builtImage(randomLayers(4, 60, 60_000));
      const layout = await writeLayout(join(verbs.host.folder, 'pulled'), image);
      const name = `${registry.host}/lab/pulled:1`;
      await skopeo(
        verbs.host.folder,
        'copy',
        '--dest-tls-verify=false',
        `oci:${layout}:test`,
        `docker://${name}`,
      );
      const verb = ['image', 'pull', name, '--as', 'lab/pulled:1'];
      const span = await kill.timed(...verb);
      await kill.remove('lab/pulled:1');
      const seen = { whole: 0, resumable: 0 };
      for (const moment of momentsOf('pull', roundsOf(usualRounds), span)) {
        const about = `pull ${JSON.stringify(moment)}`;
        const told = await kill.interrupt(moment, ...verb);
        await kill.expectWhole(about);
        const digest = await kill.digestOf('lab/pulled:1');
        if (told || digest !== undefined) expect(digest, about).toBe(image.manifest.digest);
        if (digest !== undefined) seen.whole += 1;
        const tmp = join(verbs.host.stateFolder, 'images/tmp');
        const partial = await readdir(tmp);
        if (partial.length > 0) seen.resumable += 1;
        // Every second time the next pull finds what this one left.
        if (moment.round % 2 === 0) for (const file of partial) await rm(join(tmp, file));
        if (moment.round % 5 === 0) {
          await ctl(...verb);
          expect(await kill.digestOf('lab/pulled:1'), about).toBe(image.manifest.digest);
          await kill.expectWhole(about);
        }
        if (await kill.digestOf('lab/pulled:1')) await kill.remove('lab/pulled:1');
        await kill.expectNoGarbage(about);
      }
      expect(seen.resumable).toBeGreaterThan(0);
    },
    longEnough,
  );

  it(
    'of an import',
    async () => {
      const image = builtImage(randomLayers(3, 80, 60_000));
      const layout = await writeLayout(join(verbs.host.folder, 'imported'), image);
      const rootfs = await verbs.rootfs('rootfs');
      for (let file = 0; file < 300; file += 1)
        await writeFile(join(rootfs, `srv/${file}`), randomBytes(40_000));
      for (const source of [layout, rootfs]) {
        const verb = ['image', 'import', 'lab/imported:1', source];
        const span = await kill.timed(...verb);
        const digest = await kill.digestOf('lab/imported:1');
        await kill.remove('lab/imported:1');
        for (const moment of momentsOf(
          `import ${source === layout}`,
          Math.ceil(roundsOf(usualRounds) / 2),
          span,
        )) {
          const about = `import of ${source} ${JSON.stringify(moment)}`;
          const told = await kill.interrupt(moment, ...verb);
          await kill.expectWhole(about);
          const after = await kill.digestOf('lab/imported:1');
          if (told) expect(after, about).toBeDefined();
          if (source === layout && after !== undefined) expect(after, about).toBe(digest);
          if (after !== undefined) await kill.remove('lab/imported:1');
          await kill.expectNoGarbage(about);
        }
      }
    },
    longEnough,
  );

  it(
    'of a bootstrap',
    async () => {
      const verb = ['image', 'bootstrap', 'busybox', 'lab/boot:1'];
      const scratch = join(verbs.host.stateFolder, 'tmp');
      /** Resolves when the daemon is at it. */
      const begun = async (command: Running): Promise<void> =>
        await waitUntil(
          () => (existsSync(scratch) && readdirSync(scratch).length > 0) || command.process.exitCode !== null,
          'the bootstrap to begin',
        );
      await using undisturbed = kill.command(...verb);
      await begun(undisturbed);
      const started = performance.now();
      expect((await undisturbed.finished()).code).toBe(0);
      const span = { startMs: 0, endMs: performance.now() - started };
      await kill.remove('lab/boot:1');
      const seen = { whole: 0, none: 0 };
      for (const moment of momentsOf('bootstrap', roundsOf(usualRounds / 2), span)) {
        const about = `bootstrap ${JSON.stringify(moment)}`;
        const told = await kill.interruptOnce(moment, begun, ...verb);
        await kill.expectWhole(about);
        const made = await kill.digestOf('lab/boot:1');
        if (told) expect(made, about).toBeDefined();
        seen[made === undefined ? 'none' : 'whole'] += 1;
        if (made !== undefined) {
          const file = join(verbs.host.folder, 'boot.tar');
          await ctl('image', 'export', 'lab/boot:1', file);
          await rm(file);
          await kill.remove('lab/boot:1');
        }
        await kill.expectNoGarbage(about);
      }
      process.stderr.write(`bootstrap: ${JSON.stringify(seen)}\n`);
    },
    longEnough,
  );

  it('of a bootstrap leaves nothing that a start depends on', async () => {
    const { host } = verbs;
    const half = join(host.stateFolder, 'tmp/bootstrap-killed');
    await mkdir(half, { recursive: true });
    await writeFile(join(half, 'stuck'), '');
    await runOk('chattr', ['+i', join(half, 'stuck')]);
    await host.killDaemon('SIGKILL');
    await host.startDaemon();
    expect(await verbs.inside('cat /etc/release')).toBe('one\n');
    expect(JSON.stringify(host.logRecords())).toContain('is left over');
    await runOk('chattr', ['-i', join(half, 'stuck')]);
    await host.killDaemon('SIGTERM');
    await host.startDaemon();
    await kill.expectNoLeftovers('once it can go');
  });

  it(
    'of an export',
    async () => {
      const layout = join(verbs.host.folder, 'large');
      await ctl(
        'image',
        'import',
        'lab/large:1',
        await writeLayout(layout, builtImage(randomLayers(3, 250, 60_000))),
      );
      const folder = join(verbs.host.folder, 'exported');
      await mkdir(folder);
      const file = join(folder, 'large.tar');
      const verb = ['image', 'export', 'lab/large:1', file];
      /** Resolves when the file is being written: it has no name yet, but a descriptor. */
      const begun = async (command: Running): Promise<void> =>
        await waitUntil(
          () => kill.daemonHas(`${folder}/#`) || command.process.exitCode !== null,
          'the export to begin',
        );
      await using undisturbed = kill.command(...verb);
      await begun(undisturbed);
      const started = performance.now();
      expect((await undisturbed.finished()).code).toBe(0);
      const spanMs = performance.now() - started;
      const whole = await readFile(file);
      const random = randomOf('export');
      const seen = { whole: 0, none: 0 };
      const rounds = roundsOf(usualRounds / 2);
      for (let round = 0; round < rounds; round += 1) {
        const isNew = round % 2 === 0;
        if (isNew) await rm(file, { force: true });
        else await writeFile(file, whole);
        await using command = kill.command(...verb);
        await begun(command);
        const afterMs = ((round + random()) / rounds) * spanMs;
        const about = `export, ${afterMs} ms after it began`;
        await sleep(afterMs);
        await verbs.host.killDaemon('SIGKILL');
        const told = (await command.finished()).code === 0;
        const left = await readdir(folder);
        if (told || !isNew) expect(left, about).toContain('large.tar');
        // Where it takes another's place, there is an instant at which it is whole under another name.
        if (isNew)
          expect(
            left.filter((name) => name !== 'large.tar'),
            about,
          ).toEqual([]);
        for (const name of left)
          expect(whole.equals(await readFile(join(folder, name))), `${name}, ${about}`).toBe(true);
        if (isNew) seen[left.length === 0 ? 'none' : 'whole'] += 1;
        await verbs.host.startDaemon();
        await kill.expectWhole(about);
      }
      process.stderr.write(`export: ${JSON.stringify(seen)}\n`);
      expect(seen.none).toBeGreaterThan(0);
      await kill.remove('lab/large:1');
      await kill.expectNoGarbage('after exports');
    },
    longEnough,
  );

  it(
    'of a commit, with people at work in the sandbox',
    async () => {
      const { uid, gid } = verbs.user;
      await using session = new Running(verbs.host.client, ['-c', 'cat'], { uid, gid, stdio: 'pipe' });
      session.process.stdin?.write('start\n');
      await session.waitForOutput('start');
      await verbs.inside('for n in 1 2 3 4 5 6 7 8; do head -c 2000000 /dev/urandom >/srv/$n; done');
      const span = await kill.timed('commit', verbs.name, 'lab/made:1');
      await kill.remove('lab/made:1');
      for (const moment of momentsOf('commit', roundsOf(usualRounds), span)) {
        const about = `commit ${JSON.stringify(moment)}`;
        const login = run(verbs.host.client, ['-c', `echo ${moment.round} >/srv/changed; cat /srv/changed`], {
          uid,
          gid,
        });
        const told = await kill.interrupt(moment, 'commit', verbs.name, 'lab/made:1');
        const { code, stdout } = await login;
        expect([code, stdout.toString()], about).toEqual([0, `${moment.round}\n`]);
        await kill.expectWhole(about);
        const made = await kill.digestOf('lab/made:1');
        if (told) expect(made, about).toBeDefined();
        if (made !== undefined) await kill.remove('lab/made:1');
        await kill.expectNoGarbage(about);
        session.process.stdin?.write(`${about}\n`);
        await session.waitForOutput(about);
      }
      session.process.stdin?.end();
      expect((await session.finished()).code).toBe(0);
    },
    longEnough,
  );

  it(
    'of gc',
    async () => {
      const garbage = join(verbs.host.folder, 'garbage');
      const store = join(verbs.host.stateFolder, 'images');
      await ctl(
        'image',
        'import',
        'lab/garbage:1',
        await writeLayout(`${garbage}-layout`, builtImage(randomLayers(2, 300, 500))),
      );
      await mkdir(join(garbage, 'layers'), { recursive: true });
      const places = ['blobs', 'layers'];
      // Not Node's cp: it cuts times short, which are part of a layer.
      const copy = (from: string, to: string) => runOk('cp', ['--archive', '--no-clobber', from, to]);
      for (const place of places) await copy(join(store, place), garbage);
      await kill.remove('lab/garbage:1');
      const litter = async (): Promise<void> => {
        for (const place of places) await copy(join(garbage, place), store);
      };
      await litter();
      const span = await kill.timed('image', 'gc');
      for (const moment of momentsOf('gc', roundsOf(usualRounds), span)) {
        const about = `gc ${JSON.stringify(moment)}`;
        await litter();
        await kill.interrupt(moment, 'image', 'gc');
        await kill.expectWhole(about);
        await kill.expectNoGarbage(about);
        expect(await verbs.inside('cat /etc/release'), about).toBe('one\n');
      }
    },
    longEnough,
  );
});
