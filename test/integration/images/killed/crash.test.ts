// SIGKILL at any moment, of the process that has the store open and all that it started: what was whole is
// there, nothing half made is seen, nothing is left over.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cleanUserFolder, listSnapshots, takeSnapshot } from '../../../../src/users/layer/snapshots.ts';
import { listTree } from '../../../fixtures/images/tree-listing.ts';
import { checkout, nodeProgram } from '../../../fixtures/paths.ts';
import { builtImage, builtLayer, dockerArchive, tenLayers, writeLayout } from '../image-builder.ts';
import { buildLayerProgram, layerProgram, Scratch } from '../scratch.ts';
import { roundsOf } from './kill-moments.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const rounds = roundsOf(50); // of six things, it is to meet each
const userRounds = roundsOf(10);
const program = { path: layerProgram, limits: {} };

function start(script: string, ...args: readonly string[]): ChildProcess {
  return spawn(nodeProgram, ['--input-type=module', '-e', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
}

/** Lets it work for a while once it says so, then kills its whole process group. */
async function kill(child: ChildProcess, workMs: number): Promise<void> {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  child.once('close', () => end());
  child.stdout?.once('data', () => resolve());
  await ready;
  await sleep(workMs);
  if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  await ended;
}

const busy = `
  import { Readable } from 'node:stream';
  import { openImageStore } from '${checkout}/src/images/store/image-store.ts';
  const [folder, hostRoot, layout, archive, rootfs, upper] = process.argv.slice(1);
  const store = await openImageStore(folder, { layerProgram: '${layerProgram}', hostRoot });
  process.stdout.write('open');
  const start = Math.floor(Math.random() * 6);
  for (let round = start; ; round += 1) {
    const work = [
      () => store.importImage('oci', layout),
      () => store.importImage(undefined, archive),
      () => store.importImage('rootfs', rootfs),
      () => store.commit(upper, undefined, 'kept', { name: 'committed' }),
      async () => (await store.exportImage('kept', { format: 'oci', compression: 'gzip' })).stream.resume(),
      () => store.collectGarbage(),
    ];
    await Promise.all([work[round % 6](), work[(round * 5 + 1) % 6]()]);
    if (round % 3 === 2) for (const { name, virtual } of await store.list()) {
      if (!virtual && name !== 'kept:latest' && Math.random() < 0.5) await store.remove(name);
    }
  }`;

describe('SIGKILL', () => {
  it(`of the store at ${rounds} moments loses nothing whole and shows nothing half made`, async () => {
    const layers = tenLayers('all');
    const layout = await writeLayout(
      scratch.path('layout'),
      builtImage(layers.map((one) => builtLayer(one))),
    );
    await writeFile(scratch.path('archive'), dockerArchive([...layers].reverse(), ['lab/docker:1']));
    for (const name of ['rootfs', 'upper']) {
      await mkdir(scratch.path(name, 'etc'), { recursive: true });
      for (let file = 0; file < 50; file += 1) {
        await writeFile(scratch.path(name, `etc/${file}`), Buffer.alloc(20_000, `${name}${file}`));
      }
    }
    {
      await using store = await scratch.openStore();
      await store.importImage('kept', layout);
    }
    const names = ['store', 'bare-host', 'layout', 'archive', 'rootfs', 'upper'];
    const paths = names.map((name) => scratch.path(name));
    const seen = new Set<string>();
    for (let round = 0; round < rounds; round += 1) {
      // Some work takes longer than other, and where the disk is busy all of it does.
      await kill(start(busy, ...paths), Math.random() * 250 * (1 + (round % 3)));
      await using store = await scratch.openStore();
      const left = await readdir(scratch.path('store/tmp'));
      expect(
        left.filter((name) => !name.startsWith('partial-')),
        `round ${round}`,
      ).toEqual([]);
      const report = await store.verify({ layers: round % 5 === 0 });
      expect(report.problems, `round ${round}`).toEqual([]);
      for (const { name, virtual, layers: count } of await store.list()) {
        seen.add(name);
        if (virtual) continue;
        const trees = (await store.resolve(name))?.layers.map(({ path }) => path) ?? [];
        expect(
          trees.filter((tree) => tree.includes('/layers/')),
          name,
        ).toHaveLength(count);
        // What its layers say together comes with them: some of their folders are only implied.
        if (name === 'kept:latest') expect(trees.some((tree) => tree.includes('/chains/'))).toBe(true);
      }
      await store.collectGarbage();
      expect((await store.usage()).unnamedBytes).toBe(0);
    }
    expect([...seen].sort()).toEqual([
      'committed:latest',
      'host',
      'kept:latest',
      'lab/docker:1',
      'oci:latest',
      'rootfs:latest',
    ]);
  }, 300_000);

  it(`of snapshots at ${userRounds} moments leaves the old layer or the new one`, async () => {
    const folder = scratch.path('users/1000');
    await mkdir(`${folder}/layer/upper`, { recursive: true });
    await mkdir(`${folder}/layer/work`);
    for (let file = 0; file < 200; file += 1) await writeFile(`${folder}/layer/upper/${file}`, `${file}`);
    await takeSnapshot(program, folder, 'kept');
    const full = listTree(`${folder}/layer/upper`);
    const work = `
      import { removeSnapshot, resetLayer, rollbackLayer, takeSnapshot } from '${checkout}/src/users/layer/snapshots.ts';
      const program = { path: '${layerProgram}', limits: {} };
      const folder = process.argv[1];
      process.stdout.write('ready');
      await rollbackLayer(program, folder, 'kept');
      for (let round = 0; ; round += 1) {
        const name = 'n' + process.pid + '-' + round;
        await resetLayer(program, folder, undefined, { name: 'full-' + name });
        await rollbackLayer(program, folder, 'kept', { save: { name: 'empty-' + name } });
        await removeSnapshot(program, folder, 'empty-' + name);
        await removeSnapshot(program, folder, 'full-' + name);
        await takeSnapshot(program, folder, name);
        if (round % 2 === 0) await removeSnapshot(program, folder, name);
      }`;
    for (let round = 0; round < userRounds; round += 1) {
      await kill(start(work, folder), Math.random() * 150);
      await cleanUserFolder(program, folder);
      expect((await readdir(folder)).sort()).toEqual(['layer', 'snapshots']);
      expect((await readdir(`${folder}/layer`)).sort()).toEqual(['upper', 'work']);
      const upper = listTree(`${folder}/layer/upper`);
      const saved = (await listSnapshots(folder)).map(({ name }) => name);
      // What has been replaced is a snapshot by then.
      if (upper.length === 1) expect(saved.join()).toContain('full-');
      else expect(upper).toEqual(full);
      for (const name of saved) {
        const tree = listTree(`${folder}/snapshots/${name}/upper`);
        if (name.startsWith('empty-')) expect(tree, name).toHaveLength(1);
        else expect(tree, name).toEqual(full);
      }
      expect(await readdir(`${folder}/snapshots`)).toContain('kept');
    }
  }, 120_000);
});
