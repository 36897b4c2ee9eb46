// Images through a real registry, our pull and overlayfs, against what umoci makes of the same: file by file, with
// ids, modes, times, links, attributes and file capabilities. Where the two differ, who is right and why.

import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pullImage } from '../../../src/images/registry/pull.ts';
import type { ImageStore } from '../../../src/images/store/image-store.ts';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { RealRegistry, skopeo } from '../registry/real-registry.ts';
import { featureLayers, file, folder, hardlink, opaque, symlink, whiteout } from './feature-layers.ts';
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

/** Without the root itself, which is the sandbox's own, and without devices, which we never make. */
const compared = (root: string): string[] =>
  listTree(root)
    .slice(1)
    .filter((line) => !/: 0[26]0/.test(line));

async function ours(name: string): Promise<string[]> {
  await using mounted = await mountImage(scratch, store, name);
  return compared(mounted.root);
}

async function theirs(layout: string, bundle: string): Promise<string[]> {
  await runOk('umoci', ['unpack', '--image', layout, scratch.path(bundle)], { timeoutMs: 180_000 });
  return compared(scratch.path(bundle, 'rootfs'));
}

/** Pushes the image of a layout with skopeo and pulls it; its name here. */
async function through(registry: RealRegistry, layout: string, path: string): Promise<string> {
  const name = `${registry.host}/${path}`;
  await skopeo(
    scratch.folder,
    'copy',
    '--quiet',
    '--dest-tls-verify=false',
    `oci:${layout}`,
    `docker://${name}`,
  );
  await pullImage(store, name, { registry: { dockerConfigFolder: undefined, certificateFolders: [] } });
  return name;
}

describe.skipIf(lacks('umoci', 'skopeo', 'docker-registry', 'python3'))('through a registry', () => {
  let registry: RealRegistry;
  beforeEach(async () => {
    registry = await RealRegistry.start(scratch.path('registry'));
  });
  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
  });

  it('layers with every feature become what umoci makes of them', async () => {
    const layers = featureLayers().map((layer) => builtLayer(layer));
    const layout = `${await writeLayout(scratch.path('layout'), builtImage(layers))}:test`;
    const wanted = await theirs(layout, 'bundle');
    expect(wanted.length).toBeGreaterThan(60);
    expect(await ours(await through(registry, layout, 'lab/features:1'))).toEqual(wanted);
    expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
  });

  it.skipIf(lacks('mmdebstrap'))(
    'so does a Debian of mmdebstrap, and what umoci repacks of it',
    async () => {
      const archive = scratch.path('debian.tar');
      const include = '--include=iputils-ping,libcap2-bin';
      await runOk('mmdebstrap', ['--mode=root', '--variant=essential', include, 'bookworm', archive], {
        timeoutMs: 280_000,
      });
      const layout = `${scratch.path('debian')}:first`;
      await runOk('umoci', ['init', '--layout', scratch.path('debian')]);
      await runOk('umoci', ['new', '--image', layout]);
      await runOk('umoci', ['raw', 'add-layer', '--image', layout, archive], { timeoutMs: 180_000 });
      const first = await theirs(layout, 'first');
      expect(first.length).toBeGreaterThan(2000);
      expect(first.some((line) => line.includes('security.capability='))).toBe(true);
      expect(first.some((line) => /: 104755 /.test(line))).toBe(true);
      expect(await ours(await through(registry, layout, 'lab/debian:1'))).toEqual(first);
      const rootfs = scratch.path('first/rootfs');
      await rm(`${rootfs}/usr/share/doc`, { recursive: true });
      await rm(`${rootfs}/usr/lib/os-release`);
      await cp(`${rootfs}/bin/ping`, `${rootfs}/usr/lib/os-release`);
      await mkdir(`${rootfs}/usr/share/doc`, { mode: 0o700 });
      await writeFile(`${rootfs}/usr/share/doc/new`, 'x');
      await runOk('ln', [`${rootfs}/bin/tar`, `${rootfs}/bin/tar-again`]);
      const second = `${scratch.path('debian')}:second`;
      await runOk('umoci', ['repack', '--image', second, scratch.path('first')], { timeoutMs: 180_000 });
      const wanted = await theirs(second, 'second');
      expect(wanted).not.toEqual(first);
      expect(await ours(await through(registry, second, 'lab/debian:2'))).toEqual(wanted);
      expect(await store.verify({ layers: true })).toMatchObject({ problems: [] });
    },
    600_000,
  );
});

describe.skipIf(lacks('umoci', 'python3'))('one feature at a time', () => {
  const lower = [
    folder('.'),
    folder('d', { mode: 0o700, uid: 5 }),
    file('d/old'),
    folder('e'),
    file('f'),
    symlink('l', 'e'),
  ];
  let count = 0;

  async function both(
    ...layers: readonly (readonly TarEntry[])[]
  ): Promise<{ ours: string[]; theirs: string[] }> {
    count += 1;
    const built = layers.map((entries) => builtLayer(tar(...entries)));
    const layout = await writeLayout(scratch.path(`layout-${count}`), builtImage(built));
    await store.importImage(`image-${count}`, layout);
    return { ours: await ours(`image-${count}`), theirs: await theirs(`${layout}:test`, `bundle-${count}`) };
  }

  const same: readonly (readonly [string, ...TarEntry[][]])[] = [
    ['a file in a folder that is not spoken of', [file('d/new')]],
    ['a folder again, without its attributes', [folder('d', { mode: 0o711 })]],
    ['an opaque folder, told first', [opaque('d'), file('d/new')]],
    ['an opaque folder, told last', [file('d/new'), opaque('d')]],
    ['an opaque folder with an entry', [folder('d'), opaque('d'), file('d/new')]],
    ['an opaque root', [opaque('.'), file('only')]],
    ['a folder that becomes a link', [symlink('d', 'e')]],
    ['a link that becomes a folder', [folder('l', { mode: 0o711 }), file('l/in')]],
    ['a folder, a link, a folder', [symlink('d', 'e')], [folder('d')]],
    [
      'a file that becomes a folder and a file again',
      [folder('f'), file('f/in')],
      [file('f', { data: 'x' })],
    ],
    ['a whiteout of what comes back later', [whiteout('d')], [folder('d', { mode: 0o711 }), file('d/new')]],
    ['a whiteout of nothing', [whiteout('nothing'), whiteout('d/nothing')]],
    ['a whiteout, and the folder anew', [whiteout('d'), folder('d'), file('d/new')]],
    ['a link to a folder deleted', [whiteout('l')]],
    ["aufs' own names", [{ name: '.wh..wh.plnk/', type: '5' }, { name: '.wh..wh.aufs' }]],
    ['a hard link to a symbolic one', [symlink('s', 'x'), hardlink('h', 's')]],
    ['two files apart after they were one', [file('a'), hardlink('b', 'a'), file('a', { data: 'x' })]],
    ['a hard link and its target deleted later', [file('a'), hardlink('b', 'a')], [whiteout('a')]],
    ['no entry at all', []],
    ['no root', [file('x')]],
    ['names that are no UTF-8', [file('\xff\xfe'), symlink('\xe9', '\x80')]],
  ];
  it.each(same.map(([label, ...layers]) => ({ label, layers })))(
    'is what umoci makes of it: $label',
    async ({ layers }) => {
      const found = await both(lower, ...layers);
      expect(found.ours).toEqual(found.theirs);
    },
  );

  it('a whiteout hides what is below wherever it stands', async () => {
    // layer.md: what is in the layer of the whiteout itself is not hidden. So order says nothing; with umoci a folder
    // that has got a new file before its whiteout keeps the attributes of the folder that is deleted.
    const first = await both(lower, [whiteout('d'), file('d/new')]);
    const last = await both(lower, [file('d/new'), whiteout('d')]);
    expect(last.ours).toEqual(first.ours);
    expect(last.ours.find((line) => line.startsWith('d:'))).toMatch(/^d: 040755 0:0 /);
    expect(last.theirs.find((line) => line.startsWith('d:'))).toMatch(/^d: 040700 5:0 /);
  });

  it('a whiteout in a folder that nobody has makes that folder, as with docker, and is not seen in it', async () => {
    const found = await both(lower, [whiteout('no/thing')]);
    expect(found.ours.filter((line) => line.startsWith('no'))).toEqual([
      'no: 040755 0:0 1700000000.000000000',
    ]);
    expect(found.theirs.filter((line) => line.startsWith('no'))).toEqual([]);
  });

  it('a folder that is only implied has a time that does not depend on today', async () => {
    const entries = [file('x/in', { mtime: 1_234_567_890 })];
    expect((await both(lower, entries)).ours).toContain('x: 040755 0:0 1234567890.000000000');
    expect((await both(lower, entries)).theirs).not.toContain('x: 040755 0:0 1234567890.000000000');
  });

  it('a file below a link of another layer makes that a folder, as with docker and containerd', async () => {
    const found = await both(lower, [file('l/in')]);
    expect(found.theirs.some((line) => line.startsWith('e/in:'))).toBe(true);
    expect(found.ours.some((line) => line.startsWith('l/in:'))).toBe(true);
    expect(found.ours.some((line) => line.startsWith('e/in:'))).toBe(false);
  });

  it('a hard link to a file of another layer is refused, as docker does', async () => {
    // Layers are unpacked by themselves; what makes layers writes the file again for this very reason.
    await expect(both(lower, [hardlink('h', 'f')])).rejects.toMatchObject({
      code: 'E_ARCHIVE_REFUSED',
      message: expect.stringContaining("hard link to what this layer does not have 'f'"),
    });
  });
});
