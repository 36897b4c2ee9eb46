// A user's changes: told, made an image, put aside and brought back.

import { execFileSync } from 'node:child_process';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LayerChange } from '../../../src/images/layers/diff.ts';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import {
  cleanUserFolder,
  layerBases,
  layerUsage,
  listSnapshots,
  readLayerBase,
  removeSnapshot,
  resetLayer,
  rollbackLayer,
  takeSnapshot,
  writeLayerBase,
} from '../../../src/users/layer/snapshots.ts';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { program } from '../../fixtures/machine.ts';
import { nodeProgram } from '../../fixtures/paths.ts';
import { builtImage, builtLayer, writeLayout } from './image-builder.ts';
import { buildLayerProgram, layerProgram, Scratch } from './scratch.ts';
import { tar } from './tar-builder.ts';

let scratch: Scratch;
let store: ImageStore;
const bases = (): Promise<Set<string>> => layerBases(scratch.path('users'));
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  store = await scratch.openStore({ bases });
  await importBase('base');
  await mkdir(scratch.path('users/1000/layer/upper'), { recursive: true });
  await mkdir(scratch.path('users/1000/layer/work'));
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const native = { path: layerProgram, limits: {} };
const firstId = 2_147_549_184;
const map = (own: number): string =>
  `0 ${firstId} ${own}\n${own} ${own} 1\n${own + 1} ${firstId + own + 1} ${65_535 - own}\n`;
const ids = { uidMap: map(1000), gidMap: map(1000) };

async function importBase(name: string): Promise<void> {
  const folder = (path: string) => ({ name: `${path}/`, type: '5', mode: 0o755 });
  const layers = [
    tar(
      ...['etc', 'opt', 'opt/old', 'opt/old/deep', 'srv', 'srv/same'].map(folder),
      { name: 'etc/passwd', data: 'root\n' },
      { name: 'etc/motd', data: 'hello' },
      { name: 'opt/old/a', data: 'a' },
      { name: 'opt/old/deep/b', data: 'b' },
      { name: 'hidden', data: 'x' },
    ),
    tar({ name: '.wh.hidden' }, folder('srv'), { name: 'srv/file', data: 'second layer' }),
  ];
  const image = builtImage(layers.map((layer) => builtLayer(layer)));
  await store.importImage(name, await writeLayout(scratch.path(`layout-${name}`), image));
}

const upper = (): string => scratch.path('users/1000/layer/upper');
const user = (): string => scratch.path('users/1000');

async function lowers(name: string): Promise<string[]> {
  return ((await store.resolve(name))?.layers ?? []).map(({ path }) => path);
}

function shell(script: string, ...args: readonly string[]): void {
  execFileSync('sh', ['-euc', script, 'sh', ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Runs a script in the overlay of base and upper, as a sandbox would, then gives what is root's to its ids. */
async function change(script: string, name = 'base'): Promise<string[]> {
  const merged = scratch.path('merged');
  await mkdir(merged, { recursive: true });
  const layers = (await lowers(name)).join(':');
  const options = `lowerdir=${layers},upperdir=${upper()},workdir=${scratch.path('users/1000/layer/work')}`;
  execFileSync(program('mount'), ['-t', 'overlay', 'overlay', '-o', options, merged]);
  try {
    shell(`cd "$1"; ${script}`, merged);
    return listTree(merged).slice(1);
  } finally {
    execFileSync(program('umount'), [merged]);
    shell(`find "$1" -uid 0 -exec chown -h ${firstId}:${firstId} {} +`, upper());
  }
}

const changes = `
  echo changed >etc/motd
  echo new >etc/new; ln etc/new etc/new-link; chown 1000:1000 etc/new
  rm -r opt/old; mkdir opt/old; echo c >opt/old/c
  rm srv/file
  mkdir -p a/b; ln -s ../etc a/link; mkfifo a/pipe; chmod 4755 a/b
  touch -d @1500000000.123456789 a/b
  truncate -s 3M a/sparse; echo end >>a/sparse
  setfattr -n user.note -v hi etc/passwd
  chmod 700 srv/same`;

async function diff(name = 'base'): Promise<string[]> {
  const found: LayerChange[] = [];
  for await (const one of store.diff(upper(), await lowers(name), ids)) found.push(one);
  return found.map(({ kind, path }) => `${kind} ${path}`);
}

describe('diff', () => {
  it('tells what was added, changed and deleted, as docker does', async () => {
    expect(await diff()).toEqual([]);
    await change(changes);
    expect(await diff()).toEqual([
      'A /a',
      'A /a/b',
      'A /a/link',
      'A /a/pipe',
      'A /a/sparse',
      'C /etc',
      'C /etc/motd',
      'A /etc/new',
      'A /etc/new-link',
      'C /etc/passwd',
      'C /opt',
      'C /opt/old',
      'D /opt/old/a',
      'D /opt/old/deep',
      'A /opt/old/c',
      'C /srv',
      'D /srv/file',
      'C /srv/same',
    ]);
  });
});

describe('commit', () => {
  it('makes an image in which everything is as the user saw it', async () => {
    const seen = await change(changes);
    shell(
      'touch "$1/cap"; setfattr -n security.capability -v 0x010000030020000000000000000000000000000000000180 "$1/cap"; chown $2:$2 "$1/cap"; setfattr -n security.capability -v 0x010000030020000000000000000000000000000000000180 "$1/cap"',
      upper(),
      String(firstId),
    );
    const result = await store.commit(upper(), ids, 'base', {
      name: 'lab/mine:1',
      author: 'Ada',
      message: 'what I need',
      configChanges: { env: ['A=1'], labels: { by: 'ada' }, workingDir: '/a' },
    });
    const base = await store.inspect('base');
    expect(result).toMatchObject({ name: 'lab/mine:1', baseDigest: base.digest });
    expect(await store.resolve('lab/mine:1')).toMatchObject({
      digest: result.digest,
      config: { env: ['A=1'], workingDir: '/a', labels: { by: 'ada' } },
    });
    expect((await store.history('lab/mine:1'))[0]).toMatchObject({
      author: 'Ada',
      comment: 'what I need',
      createdBy: 'dockershctl commit',
      diffId: result.layer,
    });
    const [top = ''] = await lowers('lab/mine:1');
    expect(listTree(top).find((line) => line.startsWith('cap:'))).toMatch(
      / 0:0 .*security\.capability=0100000200200000000000000000000000000000$/,
    );
    shell('rm -r "$1"; mkdir "$1"', upper());
    const again = (await change('rm cap', 'lab/mine:1')).map((line) => line.replaceAll(`${firstId}`, '0'));
    expect(again).toEqual(seen);
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });

  it('leaves out what no image can hold, by name', async () => {
    await mkdir(`${upper()}/new`);
    for (const name of ['.wh.x', 'new/.wh..wh..opq', 'new/file']) await writeFile(`${upper()}/${name}`, '');
    for (let index = 0; index < 20; index += 1) await mkdir(`${upper()}/new/.wh.${index}`);
    const { leftOut } = await store.commit(upper(), ids, 'base', { name: 'x' });
    expect(leftOut.count).toBe(22);
    expect(leftOut.examples).toHaveLength(10);
    expect(leftOut.examples[0]).toBe("'.wh.x': a name that means a deleted file in layers");
    const [top = ''] = await lowers('x');
    expect(await readdir(`${top}/new`)).toEqual(['file']);
    expect((await lowers('x')).length).toBe((await lowers('base')).length + 1); // nothing counts as deleted
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
    await store.remove('x');
  });

  it('refuses what it cannot make an image of', async () => {
    await expect(store.commit(upper(), ids, 'none', { name: 'x' })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
    await expect(store.commit(upper(), ids, 'base', { name: 'host' })).rejects.toMatchObject({
      code: 'E_USAGE',
    });
  });

  it('gives ids that the sandbox does not know to nobody', async () => {
    await writeFile(`${upper()}/stray`, '');
    shell('chown 4242:4343 "$1/stray"', upper());
    await store.commit(upper(), ids, 'base', { name: 'x' });
    expect(listTree((await lowers('x'))[0] ?? '').find((line) => line.startsWith('stray'))).toContain(
      '65534:65534',
    );
  });
});

describe('versions', () => {
  it('stay as long as a layer or a snapshot is made on them, names or not', async () => {
    const digest = (await store.resolve('base'))?.digest ?? '';
    await writeLayerBase(user(), { image: 'base', digest });
    await takeSnapshot(native, user(), 'one');
    await store.remove('base');
    expect(await store.resolve(`base@${digest}`)).toMatchObject({ digest });
    expect(await store.verify()).toMatchObject({ images: 0, layers: 2, problems: [] });
    await resetLayer(native, user(), { image: 'other', digest: 'virtual:host:0' });
    await store.collectGarbage();
    expect(await store.resolve(`base@${digest}`)).toMatchObject({ digest });
    await removeSnapshot(native, user(), 'one');
    expect(await store.collectGarbage()).toMatchObject({ layers: 2 });
    expect(await store.resolve(`base@${digest}`)).toBeUndefined();
  });

  it('move with their name', async () => {
    const digest = (await store.resolve('base'))?.digest ?? '';
    await writeLayerBase(user(), { image: 'base', digest });
    expect(await store.hasMoved('base', digest)).toBe(false);
    await change('echo x >x');
    await store.commit(upper(), ids, 'base', { name: 'base' });
    expect(await store.hasMoved('base', digest)).toBe(true);
    expect(await store.tag(`base@${digest}`, 'before')).toEqual({ name: 'before:latest', digest });
    expect(await store.hasMoved('before', digest)).toBe(false);
  });
});

describe('snapshots', () => {
  /** The folder with overlay's own marks. */
  const raw = (folder: string): string[] => {
    const marks = execFileSync(program('getfattr'), ['-R', '-h', '-d', '-m', '^trusted', '.'], {
      cwd: folder,
      encoding: 'utf8',
    });
    return [...listTree(folder), ...marks.split('\n').sort()];
  };

  it('bring a layer back exactly, with its base', async () => {
    await change(changes);
    await writeLayerBase(user(), { image: 'base', digest: 'sha256:1' });
    const before = raw(upper());
    expect(before.join()).toContain('trusted.overlay.opaque');
    expect(await takeSnapshot(native, user(), 'one', { message: 'works' })).toMatchObject({
      message: 'works',
    });
    await expect(takeSnapshot(native, user(), 'one')).rejects.toMatchObject({ code: 'E_USAGE' });
    await expect(takeSnapshot(native, user(), '../x')).rejects.toMatchObject({ code: 'E_USAGE' });
    expect(raw(upper())).toEqual(before);
    await change('rm -r a etc; echo y >y');
    await writeLayerBase(user(), { image: 'base', digest: 'sha256:2' });
    await rollbackLayer(native, user(), 'one');
    expect(raw(upper())).toEqual(before);
    expect(await readLayerBase(user())).toEqual({ image: 'base', digest: 'sha256:1' });
    await resetLayer(native, user());
    expect(await readdir(upper())).toEqual([]);
    expect((await stat(upper())).uid).toBe(firstId);
    expect(await readLayerBase(user())).toEqual({ image: 'base', digest: 'sha256:1' });
    await rollbackLayer(native, user(), 'one');
    expect(raw(upper())).toEqual(before);
    expect(await listSnapshots(user())).toMatchObject([{ name: 'one', message: 'works' }]);
    expect((await layerUsage(native, user())).entries).toBeGreaterThan(10);
    await removeSnapshot(native, user(), 'one');
    await expect(rollbackLayer(native, user(), 'one')).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    expect((await readdir(user())).sort()).toEqual(['layer', 'snapshots']);
  });

  it('keep sparse files sparse and hard links joined', async () => {
    shell('truncate -s 1G "$1/big"; ln "$1/big" "$1/same"', upper());
    await takeSnapshot(native, user(), 'sparse');
    const copy = await stat(`${user()}/snapshots/sparse/upper/big`);
    expect([copy.size, copy.blocks, copy.nlink]).toEqual([2 ** 30, 0, 2]);
  });

  it('do not help somebody who makes folders too deep to walk', async () => {
    const deep = "for (let n = 0; n < 4000; n += 1) { fs.mkdirSync('d'); process.chdir('d'); }";
    execFileSync(nodeProgram, ['-e', deep], { cwd: upper() });
    await expect(takeSnapshot(native, user(), 'deep')).rejects.toThrow('deeper than the limit');
    const saved = await resetLayer(native, user(), undefined, { name: 'deep', message: 'in the way' });
    expect(saved).toMatchObject({ name: 'deep', message: 'in the way' });
    expect(await readdir(upper())).toEqual([]);
    expect(await listSnapshots(user())).toEqual([saved]);
    await expect(rollbackLayer(native, user(), 'deep')).rejects.toThrow('deeper than the limit');
    await removeSnapshot(native, user(), 'deep');
    expect((await readdir(user())).sort()).toEqual(['layer', 'snapshots']);
  });

  it('of what is replaced are there once it has been, whenever a crash comes', async () => {
    const info = '{"createdAt":"2026-01-01T00:00:00Z","sizeBytes":1,"files":1}';
    // Described, and the new layer ready, but not exchanged yet.
    await writeFile(`${upper()}/old`, '');
    await writeFile(`${user()}/layer/snapshot.json`, info);
    await mkdir(`${user()}/.saving-one/upper`, { recursive: true });
    await mkdir(`${user()}/.saving-one/work`);
    await cleanUserFolder(native, user());
    expect(await readdir(upper())).toEqual(['old']);
    expect((await readdir(`${user()}/layer`)).sort()).toEqual(['upper', 'work']);
    expect(await readdir(user())).toEqual(['layer']);
    // Exchanged.
    await mkdir(`${user()}/.saving-two/upper`, { recursive: true });
    await mkdir(`${user()}/.saving-two/work`);
    await writeFile(`${user()}/.saving-two/upper/older`, '');
    await writeFile(`${user()}/.saving-two/snapshot.json`, info);
    await cleanUserFolder(native, user());
    expect(await listSnapshots(user())).toMatchObject([{ name: 'two' }]);
    expect((await readdir(`${user()}/snapshots/two`)).sort()).toEqual(['snapshot.json', 'upper']);
    expect(await readdir(`${user()}/snapshots/two/upper`)).toEqual(['older']);
    expect((await readdir(user())).sort()).toEqual(['layer', 'snapshots']);
  });

  it('leave nothing half made after a crash', async () => {
    await mkdir(`${user()}/.aside-0123`, { recursive: true });
    await mkdir(`${user()}/snapshots/.aside-4567/upper`, { recursive: true });
    await writeFile(`${user()}/layer/.base.json.0123456789abcdef.tmp`, '');
    await cleanUserFolder(native, user());
    expect(await readdir(user())).not.toContain('.aside-0123');
    expect(await readdir(`${user()}/snapshots`)).toEqual([]);
    expect((await readdir(`${user()}/layer`)).sort()).toEqual(['upper', 'work']);
  });
});
