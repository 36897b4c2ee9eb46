// Facts that layers state only together: folders that an upper layer merely implies, opaque roots, accounts, and what
// garbage collection and verify make of it.

import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { builtImage, builtLayer, writeLayout } from './image-builder.ts';
import { mountImage } from './mounted.ts';
import { buildLayerProgram, Scratch } from './scratch.ts';
import { type TarEntry, tar } from './tar-builder.ts';

let scratch: Scratch;
let store: ImageStore;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  store = await scratch.openStore();
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name: `${name}/`,
  type: '5',
  mode: 0o755,
  ...more,
});
const file = (name: string, data = name): TarEntry => ({ name, data });

let images = 0;
async function importLayers(name: string, ...layers: readonly (readonly TarEntry[])[]): Promise<void> {
  images += 1;
  const image = builtImage(layers.map((entries) => builtLayer(tar(...entries))));
  await store.importImage(name, await writeLayout(scratch.path(`layout-${images}`), image));
}

async function seen(name: string): Promise<Map<string, string>> {
  await using mounted = await mountImage(scratch, store, name);
  const lines = listTree(mounted.root).slice(1);
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]));
}

const chains = (): Promise<string[]> => readdir(scratch.path('store/chains/sha256'));

const base = [
  folder('.', { mtime: 1_500_000_000 }),
  folder('root', {
    mode: 0o700,
    mtime: 1_400_000_000,
    pax: {
      'SCHILY.xattr.user.note': 'of the lowest',
      'SCHILY.acl.default': 'u::rwx,u:12:r-x,g::---,m::r-x,o::---',
    },
  }),
  folder('tmp', { mode: 0o1777, uid: 3, gid: 4, mtime: 1_400_000_001 }),
  folder('var', { mode: 0o2711, uid: 9 }),
  folder('var/lib', { mode: 0o750, gid: 7, mtime: 1_400_000_002 }),
  file('var/lib/below'),
];

describe('folders that an upper layer merely implies', () => {
  it('keep what the layer below says of them', async () => {
    await importLayers('plain', base);
    const before = await seen('plain');
    await importLayers('image', base, [file('root/x'), file('tmp/y'), file('var/lib/deep/z')]);
    const after = await seen('image');
    for (const name of ['root', 'tmp', 'var', 'var/lib'])
      expect(after.get(name), name).toBe(before.get(name));
    expect(after.get('root')).toMatch(/^040700 0:0 1400000000\.0+ system\.posix_acl_default=\w+ user\.note=/);
    expect(after.get('tmp')).toBe('041777 3:4 1400000001.000000000');
    // What no layer speaks of: root's, 0755, as old as what it is there for.
    expect(after.get('var/lib/deep')).toBe('040755 0:0 1700000000.000000000');
    expect([...after.keys()].sort()).toEqual(
      [...before.keys(), 'root/x', 'tmp/y', 'var/lib/deep', 'var/lib/deep/z'].sort(),
    );
    // A layer without such folders costs nothing; one with them a layer more.
    expect((await store.resolve('plain'))?.layers).toHaveLength(1);
    expect((await store.resolve('image'))?.layers).toHaveLength(3);
    expect((await store.list()).find(({ name }) => name === 'image:latest')?.layers).toBe(2);
  });

  it('are as the uppermost layer says that speaks of them, however many imply them', async () => {
    const quiet = (name: string): TarEntry[] => [file(`tmp/${name}`)];
    await importLayers(
      'image',
      base,
      quiet('a'),
      [folder('tmp', { mode: 0o755, uid: 8 })],
      quiet('b'),
      quiet('c'),
    );
    expect((await seen('image')).get('tmp')).toBe('040755 8:0 1700000000.000000000');
    // An entry counts wherever in the layer it stands.
    await importLayers('late', base, [file('tmp/a'), folder('tmp', { mode: 0o700 })]);
    expect((await seen('late')).get('tmp')).toBe('040700 0:0 1700000000.000000000');
    expect((await store.resolve('late'))?.layers).toHaveLength(2);
    await importLayers(
      'gone',
      base,
      [folder('tmp', { mode: 0o700 }), { name: 'tmp', data: '' }, file('tmp', 'x')],
      [file('tmp/a')],
    );
    expect((await seen('gone')).get('tmp')).toBe('040755 0:0 1700000000.000000000');
  });

  it('are made anew where the layer deletes the one below, and keep what they are where it empties it', async () => {
    const made = '040755 0:0 1700000000.000000000';
    const kept = '041777 3:4 1400000001.000000000';
    const hidden: readonly (readonly [string, TarEntry[], string])[] = [
      ['opaque', [{ name: 'tmp/.wh..wh..opq' }, file('tmp/new')], kept],
      ['opaque after', [file('tmp/new'), { name: 'tmp/.wh..wh..opq' }], kept],
      ['whiteout', [{ name: '.wh.tmp' }, file('tmp/new')], made],
      ['whiteout after', [file('tmp/new'), { name: '.wh.tmp' }], made],
      ['both', [file('tmp/new'), { name: '.wh.tmp' }, { name: 'tmp/.wh..wh..opq' }], made],
    ];
    for (const [index, [label, entries, wanted]] of hidden.entries()) {
      await importLayers(`hidden-${index}`, [...base, file('tmp/old'), folder('tmp/sub')], entries);
      const found = await seen(`hidden-${index}`);
      expect(found.get('tmp'), label).toBe(wanted);
      expect([...found.keys()].filter((name) => name.startsWith('tmp/'))).toEqual(['tmp/new']);
    }
    await importLayers('cut', base, [file('var/lib', 'now a file')], [file('var/x')]);
    expect((await seen('cut')).get('var')).toMatch(/^042711 9:0/);
  });

  it('replace a link of a layer below, as with docker, containerd and the overlay of podman', async () => {
    // umoci and whoever else unpacks all layers into one folder follow the link; no layer by itself could.
    await importLayers(
      'link',
      [
        folder('usr'),
        folder('usr/lib', { mode: 0o700 }),
        file('usr/lib/old'),
        { name: 'lib', type: '2', link: 'usr/lib' },
      ],
      [file('lib/new')],
    );
    const found = await seen('link');
    expect(found.get('lib')).toBe('040755 0:0 1700000000.000000000');
    expect(found.has('lib/new')).toBe(true);
    expect(found.has('usr/lib/new')).toBe(false);
    expect(found.get('usr/lib')).toMatch(/^040700/);
  });

  it('say nothing to a user whose own layer is on top, nor to what is committed of it', async () => {
    await importLayers('image', base, [file('root/x'), file('var/lib/deep/z')]);
    const [upper, work] = [scratch.path('upper'), scratch.path('work')];
    await mkdir(upper);
    await mkdir(work);
    {
      await using mounted = await mountImage(scratch, store, 'image', { upper, work });
      await writeFile(join(mounted.root, 'root/mine'), 'x');
      await writeFile(join(mounted.root, 'var/lib/deep/mine'), 'x');
    }
    expect((await stat(join(upper, 'root'))).mode & 0o7777).toBe(0o700);
    const lowers = (await store.resolve('image'))?.layers.map(({ path }) => path) ?? [];
    const changes: string[] = [];
    for await (const { kind, path } of store.diff(upper, lowers, undefined)) changes.push(`${kind} ${path}`);
    expect(changes).toEqual([
      'C /root',
      'A /root/mine',
      'C /var',
      'C /var/lib',
      'C /var/lib/deep',
      'A /var/lib/deep/mine',
    ]);
    await store.commit(upper, undefined, 'image', { name: 'committed' });
    expect((await seen('committed')).get('root')).toMatch(/^040700 0:0 .*user\.note=/);
  });
});

describe('an opaque root', () => {
  it('hides every layer below', async () => {
    await importLayers('image', base, [{ name: '.wh..wh..opq' }, file('only')], [file('more')]);
    expect([...(await seen('image')).keys()]).toEqual(['more', 'only']);
    expect((await store.resolve('image'))?.layers).toHaveLength(2);
    expect((await store.resolve('image'))?.passwd).toBeUndefined();
  });
});

describe('the accounts of an image', () => {
  const accounts = [folder('etc'), file('etc/passwd', 'lower\n'), file('etc/group', 'lower\n')];
  const cases: readonly (readonly [string, TarEntry[], string | undefined])[] = [
    ['another file in etc', [file('etc/other')], 'lower\n'],
    ['a file of its own', [file('etc/passwd', 'upper\n')], 'upper\n'],
    ['a whiteout of the file', [{ name: 'etc/.wh.passwd' }], undefined],
    ['a whiteout of etc', [{ name: '.wh.etc' }], undefined],
    ['a whiteout of etc, and a new one', [{ name: '.wh.etc' }, file('etc/other')], undefined],
    ['an opaque etc', [{ name: 'etc/.wh..wh..opq' }], undefined],
    ['an opaque root', [{ name: '.wh..wh..opq' }], undefined],
    ['etc as a file', [file('etc')], undefined],
    ['etc as a link', [{ name: 'etc', type: '2', link: '/etc' }], undefined],
    ['a link', [{ name: 'etc/passwd', type: '2', link: '/etc/shadow' }], undefined],
    ['a pipe', [{ name: 'etc/passwd', type: '6' }], undefined],
    ['a folder', [folder('etc/passwd')], undefined],
    ['far too much', [file('etc/passwd', 'x'.repeat(1_100_000))], undefined],
  ];
  it.each(cases)('with %s on top', async (_label, entries, wanted) => {
    await importLayers('image', accounts, entries, [file('unrelated')]);
    expect((await store.resolve('image'))?.passwd).toBe(wanted);
    await using mounted = await mountImage(scratch, store, 'image');
    const there = await readFile(join(mounted.root, 'etc/other'), 'utf8').catch(() => 'none');
    expect(there).toBe(JSON.stringify(entries).includes('etc/other') ? 'etc/other' : 'none');
  });

  it('are found below layers that do not speak of them', async () => {
    await importLayers('image', accounts, [file('a')], [file('etc/b')], [{ name: 'etc/.wh.group' }]);
    expect(await store.resolve('image')).toMatchObject({ passwd: 'lower\n', group: undefined });
  });
});

describe('what is known of layers together', () => {
  it('goes with the last image that needs it, and not under a sandbox', async () => {
    await importLayers('image', base, [file('root/x')]);
    await store.tag('image', 'other');
    const [known] = await chains();
    await store.remove('image');
    expect(await chains()).toEqual([known]);
    const tree = (await store.resolve('other'))?.layers[0]?.path ?? '';
    await store[Symbol.asyncDispose]();
    store = await scratch.openStore({ inUse: () => new Set([tree]) });
    await store.remove('other');
    expect(await chains()).toEqual([known]);
    await store[Symbol.asyncDispose]();
    store = await scratch.openStore();
    await store.collectGarbage();
    expect(await chains()).toEqual([]);
    expect(await readdir(scratch.path('store/tmp'))).toEqual([]);
    expect(await store.usage()).toMatchObject({ totalBytes: 0 });
  });

  it('is made again where it has gone, and is no part of an image', async () => {
    await importLayers('image', base, [file('root/x')]);
    const before = await seen('image');
    const digest = (await store.resolve('image'))?.digest;
    await store[Symbol.asyncDispose]();
    await rm(scratch.path('store/chains'), { recursive: true });
    store = await scratch.openStore();
    expect(await seen('image')).toEqual(before);
    expect((await store.resolve('image'))?.digest).toBe(digest);
    expect((await store.inspect('image')).layers).toHaveLength(2);
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });

  it('is compared by verify', async () => {
    await importLayers('image', base, [file('root/x')]);
    const tree = (await store.resolve('image'))?.layers[0]?.path ?? '';
    execFileSync('chmod', ['755', join(tree, 'root')]);
    expect(await store.verify()).toMatchObject({ problems: [] });
    const { problems } = await store.verify({ layers: true });
    expect(problems).toMatchObject([{ kind: 'image', why: expect.stringContaining('say together') }]);
  });

  it('cannot be forged by an archive', async () => {
    await importLayers('image', base, [
      folder('tmp', { mode: 0o700, pax: { 'SCHILY.xattr.trusted.dockersh.implied': 'y' } }),
    ]);
    expect((await seen('image')).get('tmp')).toMatch(/^040700/);
  });
});
