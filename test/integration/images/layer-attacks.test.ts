// Layers that attack what is below them, what is beside them, and overlayfs: by names that mean deletion, by kinds
// that change from entry to entry, by attributes that are overlayfs' own, by maps and headers without end.

import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { listTree } from '../../fixtures/images/tree-listing.ts';
import { file, folder, hardlink, opaque, symlink } from './feature-layers.ts';
import { builtImage, builtLayer, writeLayout } from './image-builder.ts';
import { mountImage } from './mounted.ts';
import { buildLayerProgram, refusals, Scratch } from './scratch.ts';
import { type TarEntry, tar, tarEntry } from './tar-builder.ts';

let scratch: Scratch;
let outside: string;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
  outside = scratch.path('outside');
  await mkdir(join(outside, 'sub'), { recursive: true });
  await writeFile(join(outside, 'secret'), 'secret');
});
afterEach(async () => {
  const [, ...lines] = listTree(outside, { attributes: '' });
  expect(lines).toEqual([
    expect.stringMatching(/^secret: 100644 0:0 \S+ 6 \w+$/),
    expect.stringMatching(/^sub: 040755 0:0 \S+$/),
  ]);
  expect((await lstat(join(outside, 'secret'))).nlink).toBe(1);
  await scratch[Symbol.asyncDispose]();
});

describe('names that mean deletion', () => {
  it.each(['.wh.', '.wh..', '.wh...', 'd/.wh...', './.wh..'])(
    'are refused where they hide no name: %s',
    async (name) => {
      const outcome = await scratch.unpack(tar(folder('d'), file('d/kept'), { name }));
      expect(outcome.stderr).toContain('a whiteout that hides no name');
      expect(outcome.status).toBe(65);
    },
  );

  it('are refused as folders, and left out where they are aufs own', async () => {
    for (const name of ['.wh.d/file', 'a/.wh.d/b/file', '.wh.d/../../x']) {
      const outcome = await scratch.unpack(tar(file(name)), `out-${name.replaceAll('/', '-')}`);
      expect(outcome.stderr).toMatch(/an entry in a folder that is a whiteout|the path leads out by '\.\.'/);
      expect(outcome.status).toBe(65);
    }
    const aufs = [
      folder('.wh..wh.plnk'),
      file('.wh..wh.plnk/12.34'),
      folder('.wh..wh.orph/x/y'),
      file('kept'),
    ];
    expect(await scratch.unpack(tar(...aufs))).toMatchObject({ status: 0 });
    expect(await readdir(scratch.path('out'))).toEqual(['kept']);
  });

  it('cannot reach outside through links', async () => {
    for (const [index, target] of [outside, '../outside', `../../../../../..${outside}`].entries()) {
      await scratch.unpack(
        tar(
          symlink('l', target),
          { name: 'l/.wh.secret' },
          opaque('l'),
          { name: 'l/sub/.wh.x' },
          opaque('l/sub'),
        ),
        `out-${index}`,
      );
    }
  });

  it('cannot be linked to, nor can folders', async () => {
    for (const [index, target] of ['gone', 'd', '.', '/'].entries()) {
      const outcome = await scratch.unpack(
        tar({ name: '.wh.gone' }, folder('d'), hardlink('h', target)),
        `out-${index}`,
      );
      expect(outcome.status, target).not.toBe(0);
      expect(outcome.stderr, target).toContain("entry 'h' at offset");
    }
  });
});

describe('kinds that change from entry to entry', () => {
  const flips = (target: string): readonly (readonly [string, TarEntry[]])[] => [
    ['folder, link, file through it', [folder('d'), file('d/a'), symlink('d', target), file('d/new')]],
    ['link, folder, file in it', [symlink('d', target), folder('d'), file('d/new')]],
    [
      'deep',
      [folder('a'), folder('a/b'), file('a/b/x'), symlink('a', target), file('a/sub/new'), file('a/b/y')],
    ],
    ['a link in the place of an implied folder', [file('a/b/c'), symlink('a/b', target), file('a/b/secret')]],
    ['a link to a link', [symlink('one', 'two'), symlink('two', target), file('one/new'), folder('one/sub')]],
    ['a link in a circle', [symlink('one', 'two'), symlink('two', 'one'), file('one/new')]],
    ['a link to itself by way of a folder', [folder('d'), symlink('d/up', '..'), file('d/up/d/up/new')]],
    ['a hard link to a link, then through it', [symlink('l', target), hardlink('h', 'l'), file('h/new')]],
    [
      'a file in the place of a hard link to a link',
      [symlink('l', `${target}/secret`), hardlink('h', 'l'), file('h')],
    ],
    ['a hard link through a link', [symlink('l', target), hardlink('h', 'l/secret'), file('h')]],
    ['a pipe through a link', [symlink('l', `${target}/secret`), { name: 'l', type: '6' }]],
    [
      'attributes through a link',
      [symlink('l', target), folder('l', { mode: 0o777, uid: 5, pax: { 'SCHILY.xattr.user.x': 'y' } })],
    ],
    ['a folder with a slash at a link', [symlink('l', `${target}/sub`), folder('l/', { mode: 0o777 })]],
    ['times through a link', [folder('d'), file('d/x'), folder('d', { mtime: 5 }), symlink('d', target)]],
  ];
  it.each(flips('/').map(([label], index) => [label, index] as const))(
    'stay inside: %s',
    async (_label, index) => {
      for (const [number, target] of [outside, '../outside', '/', `/../../..${outside}`].entries()) {
        const [, entries = []] = flips(target)[index] ?? [];
        const outcome = await scratch.unpack(tar(...entries), `out-${number}`);
        // Whether it can be made sense of or not: the afterEach looks at what is outside.
        expect([0, ...refusals, 71, 80]).toContain(outcome.status);
      }
    },
  );

  it('leave the last one', async () => {
    const entries = [
      folder('d'),
      file('d/x'),
      symlink('d', 'e'),
      folder('d', { mode: 0o711 }),
      file('d/y'),
      symlink('d', 'f'),
      file('d'),
    ];
    expect(await scratch.unpack(tar(...entries))).toMatchObject({ status: 0, stderr: '' });
    expect(await readFile(scratch.path('out/d'), 'utf8')).toBe('d');
    expect(await readdir(scratch.path('out'))).toEqual(['d']);
  });
});

describe("overlayfs' own attributes", () => {
  const names = [
    'opaque',
    'redirect',
    'metacopy',
    'origin',
    'impure',
    'nlink',
    'upper',
    'uuid',
    'xwhiteouts',
    'whiteout',
    'overlay.opaque',
  ];
  const pax = Object.fromEntries(
    ['trusted.overlay.', 'user.overlay.', 'trusted.', 'security.'].flatMap((prefix) =>
      names.map((name) => [`SCHILY.xattr.${prefix}${name}`, name === 'redirect' ? '/secret-folder' : 'y']),
    ),
  );

  it('do not get in, on files, folders or the root', async () => {
    await using store = await scratch.openStore();
    const lower = [
      folder('.'),
      folder('d'),
      file('d/kept'),
      folder('secret-folder', { mode: 0o700 }),
      file('secret-folder/x'),
    ];
    const upper = [
      folder('.', { pax }),
      folder('d', { pax }),
      file('d/new', { pax }),
      file('plain', { pax, data: '' }),
    ];
    const image = builtImage([lower, upper].map((entries) => builtLayer(tar(...entries))));
    await store.importImage('image', await writeLayout(scratch.path('layout'), image));
    const [top = ''] = (await store.resolve('image'))?.layers.map(({ path }) => path) ?? [];
    const attributes = listTree(top, { attributes: '.' }).filter((line) => line.includes('='));
    expect(attributes).toEqual([]);
    await using mounted = await mountImage(scratch, store, 'image');
    expect((await readdir(mounted.root)).sort()).toEqual(['d', 'plain', 'secret-folder']);
    expect((await readdir(join(mounted.root, 'd'))).sort()).toEqual(['kept', 'new']);
    expect(await readFile(join(mounted.root, 'd/new'), 'utf8')).toBe('d/new');
  });

  it('do not get in by way of our own marks, nor out of a commit', async () => {
    const marks = {
      'SCHILY.xattr.trusted.dockersh.implied': 'y',
      'SCHILY.xattr.trusted.dockersh.whiteouts': 'y',
    };
    await scratch.unpack(tar(folder('.', { pax: marks }), folder('d', { pax: marks })));
    expect(listTree(scratch.path('out'), { attributes: '.' }).filter((line) => line.includes('='))).toEqual(
      [],
    );
  });

  it('are only there where the layer says so in its own words', async () => {
    await scratch.unpack(tar(file('implied/x'), opaque('o'), { name: 'w/.wh.gone' }));
    const marks = listTree(scratch.path('out'), { attributes: '.' }).flatMap(
      (line) => line.match(/^\S*|trusted\S+/g) ?? [],
    );
    expect(marks).toEqual([
      ':',
      'trusted.dockersh.whiteouts=79',
      'implied:',
      'trusted.dockersh.implied=79',
      'implied/x:',
      'o:',
      'trusted.dockersh.implied=79',
      'trusted.overlay.opaque=79',
      'w:',
      'trusted.dockersh.implied=79',
      'w/gone:',
    ]);
  });
});

describe('maps and headers', () => {
  const sparse = (map: string, data: string, size: string): TarEntry => ({
    name: 'f',
    data,
    pax: { 'GNU.sparse.map': map, 'GNU.sparse.size': size },
  });
  const second = (map: string, size: string): TarEntry => ({
    name: 'f',
    data: map.padEnd(512, '\0'),
    pax: { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': size },
  });
  const cases: readonly (readonly [string, Buffer | readonly Buffer[], RegExp])[] = [
    ['overlapping segments', tar(sparse('0,4,2,4', 'abcdefgh', '8')), /malformed map/],
    ['segments in the wrong order', tar(sparse('8,4,0,4', 'abcdefgh', '12')), /malformed map/],
    ['one segment twice', tar(sparse('0,4,0,4', 'abcdefgh', '8')), /malformed map/],
    ['less than the data', tar(sparse('0,4', 'abcdefgh', '8')), /malformed map/],
    ['more than the data', tar(sparse('0,16', 'abcdefgh', '16')), /malformed map/],
    ['half a segment', tar(sparse('0,4,8', 'abcd', '8')), /malformed pax record/],
    [
      'numbers that overflow',
      tar(sparse('9223372036854775807,9223372036854775807', 'a', '8')),
      /malformed map/,
    ],
    ['a count without segments', tar(second('1000000000\n', '8')), /malformed map/],
    ['segments without end', tar(second('99999999999999999999999\n', '8')), /malformed map/],
    [
      'eight exbibytes of nothing',
      tar(second('0\n', '9223372036854775807')),
      /larger than the limit of bytes/,
    ],
    [
      'many files of holes',
      [
        ...Array.from({ length: 9 }, (_, index) =>
          tarEntry({ ...second('0\n', String(2 ** 33)), name: `f${index}` }),
        ),
        tar(),
      ],
      /entry 'f8'.*larger than the limit of bytes/,
    ],
    [
      'attributes beyond what a file can have',
      tar({
        name: 'f',
        pax: Object.fromEntries(
          Array.from({ length: 9 }, (_, index) => [`SCHILY.xattr.user.${index}`, Buffer.alloc(65_000, 'x')]),
        ),
      }),
      /set the attribute/,
    ],
    [
      'an attribute with an endless name',
      tar({ name: 'f', pax: { [`SCHILY.xattr.user.${'x'.repeat(256)}`]: 'y' } }),
      /set the attribute/,
    ],
    [
      'headers one after the other',
      [
        ...Array.from({ length: 40 }, () =>
          tarEntry({ name: 'f', pax: { 'SCHILY.xattr.user.x': Buffer.alloc(900_000, 'x') } }).subarray(
            0,
            -512,
          ),
        ),
      ],
      /ends too early|remember/,
    ],
    [
      'a long name of a mebibyte',
      tar({ name: '././@LongLink', type: 'L', data: Buffer.alloc(1 << 20, 'x') }, file('f')),
      /longer than/,
    ],
    ['a record of nothing', tar({ name: 'x', type: 'x', data: '3 =\n' }, file('f')), /malformed pax header/],
    [
      'a record longer than its header',
      tar({ name: 'x', type: 'x', data: '999999999 path=x\n' }, file('f')),
      /malformed pax header/,
    ],
    ['a negative size', tar({ name: 'f', pax: { size: '-1' } }), /malformed pax record/],
  ];
  it.each(cases)('are refused: %s', async (_label, archive, message) => {
    const outcome = await scratch.unpack(archive);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.split('\n')).toHaveLength(2);
    expect([...refusals, 71, 80, 81]).toContain(outcome.status);
    expect(outcome.stdout.toString()).toBe('');
  });
});
