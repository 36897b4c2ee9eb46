// Archives unpacked by dockersh-layer: everything that it keeps, and everything that it refuses.

import { spawnSync } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { program } from '../../fixtures/machine.ts';
import { buildLayerProgram, layer, refusals, Scratch } from './scratch.ts';
import { header, type TarEntry, tar, tarEntry } from './tar-builder.ts';

let scratch: Scratch;
beforeAll(buildLayerProgram);
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: '5',
  mode: 0o755,
  ...more,
});
const symlink = (name: string, link: string): TarEntry => ({ name, type: '2', link });
const hardlink = (name: string, link: string): TarEntry => ({ name, type: '1', link });

function xattr(path: string, name: string): string | undefined {
  const got = spawnSync('python3', [
    '-c',
    'import os,sys; sys.stdout.write(os.getxattr(sys.argv[1], sys.argv[2], follow_symlinks=False).hex())',
    path,
    name,
  ]);
  return got.status === 0 ? Buffer.from(got.stdout.toString(), 'hex').toString('latin1') : undefined;
}

describe('what an archive holds', () => {
  it('keeps owners, modes, times, links, pipes and empty folders', async () => {
    const outcome = await scratch.unpack(
      tar(
        folder('./', { mode: 0o711, mtime: 1_500_000_000 }),
        folder('d/', { uid: 5, gid: 6, mode: 0o3775, mtime: 1_600_000_000 }),
        { name: 'd/su', data: 'x'.repeat(70_000), mode: 0o6755, uid: 65_535, gid: 12 },
        // The folder gives what is made in it another group, and what ends in zeros is written shorter than it is.
        { name: 'd/plain', data: 'x', mode: 0o604 },
        { name: 'd/zeros', data: `x${'\0'.repeat(200_000)}`, mode: 0, gid: 6 },
        hardlink('d/su2', 'd/su'),
        symlink('d/link', '/etc/shadow'),
        { name: 'd/pipe', type: '6', mode: 0o620, uid: 3 },
        { name: 'old', pax: { mtime: '-86400.5', path: 'x'.repeat(150) } },
      ),
    );
    expect(outcome.stderr).toBe('');
    expect(JSON.parse(outcome.stdout.toString())).toMatchObject({ entries: 9, skippedDevices: 0 });
    const stat = (name: string) => lstat(scratch.path('out', name));
    expect(await stat('d/plain')).toMatchObject({ mode: 0o100604, uid: 0, gid: 0, size: 1 });
    expect(await stat('d/zeros')).toMatchObject({ mode: 0o100000, uid: 0, gid: 6, size: 200_001 });
    expect(await stat('')).toMatchObject({ mode: 0o40711, mtimeMs: 1_500_000_000_000 });
    expect(await stat('d')).toMatchObject({ mode: 0o43775, uid: 5, gid: 6, mtimeMs: 1_600_000_000_000 });
    const su = await stat('d/su');
    expect(su).toMatchObject({ mode: 0o106755, uid: 65_535, gid: 12, size: 70_000, nlink: 2 });
    expect((await stat('d/su2')).ino).toBe(su.ino);
    expect(await readlink(scratch.path('out/d/link'))).toBe('/etc/shadow');
    expect(await stat('d/pipe')).toMatchObject({ mode: 0o10620, uid: 3 });
    expect((await stat('x'.repeat(150))).mtimeMs).toBe(-86_400_500);
  });

  it('keeps attributes and file capabilities, and leaves out those that belong to a host', async () => {
    const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
    const outcome = await scratch.unpack(
      tar({
        name: 'ping',
        mode: 0o755,
        uid: 7,
        pax: {
          'SCHILY.xattr.security.capability': capability,
          'SCHILY.xattr.user.note': 'a\0b\n',
          'SCHILY.xattr.trusted.overlay.redirect': '/elsewhere',
          'SCHILY.xattr.user.overlay.opaque': 'y',
          'SCHILY.xattr.security.selinux': 'x',
        },
      }),
    );
    expect(outcome.stderr).toBe('');
    expect(JSON.parse(outcome.stdout.toString())).toMatchObject({ skippedXattrs: 3 });
    const file = scratch.path('out/ping');
    expect(xattr(file, 'security.capability')).toBe(capability.toString('latin1'));
    expect(xattr(file, 'user.note')).toBe('a\0b\n');
    expect(xattr(file, 'trusted.overlay.redirect')).toBeUndefined();
    expect(xattr(file, 'user.overlay.opaque')).toBeUndefined();
  });

  it('reads what GNU tar and bsdtar dialects write: long names, sparse files of every version', async () => {
    const source = scratch.path('source');
    await mkdir(`${source}/${'long'.repeat(30)}/${'name'.repeat(30)}`, { recursive: true });
    await writeFile(`${source}/${'long'.repeat(30)}/${'name'.repeat(30)}/file`, 'deep');
    spawnSync('sh', [
      '-c',
      'truncate -s 20M "$1/sparse"; printf middle | dd of="$1/sparse" bs=1 seek=9000000 conv=notrunc 2>&1; for i in 1 2 3 4 5 6; do printf $i | dd of="$1/sparse" bs=1 seek=$((i*1000000)) conv=notrunc 2>&1; done',
      'sh',
      source,
    ]);
    const variants = [
      ['gnu', '--format=gnu', '--sparse'],
      ['pax00', '--format=pax', '--sparse', '--sparse-version=0.0'],
      ['pax01', '--format=pax', '--sparse', '--sparse-version=0.1'],
      ['pax10', '--format=pax', '--sparse', '--sparse-version=1.0'],
      ['oldgnu', '--format=oldgnu'],
    ] as const;
    const wanted = await readFile(`${source}/sparse`);
    for (const [name, ...args] of variants) {
      const made = spawnSync('tar', [...args, '-C', source, '-cf', '-', '.'], { maxBuffer: 64 << 20 });
      const outcome = await scratch.unpack(made.stdout, name);
      expect(outcome, name).toMatchObject({ status: 0, stderr: '' });
      expect(wanted.equals(await readFile(scratch.path(name, 'sparse'))), name).toBe(true);
      expect((await lstat(scratch.path(name, 'sparse'))).blocks, name).toBeLessThan(1000);
      const deep = scratch.path(name, 'long'.repeat(30), 'name'.repeat(30), 'file');
      expect(await readFile(deep, 'utf8'), name).toBe('deep');
    }
  });

  it('never makes a device node, and says how many there were', async () => {
    const outcome = await scratch.unpack(
      tar(
        folder('dev/'),
        { name: 'dev/sda', type: '4' },
        { name: 'dev/null', type: '3' },
        { name: 'dev/zero-zero', type: '3' },
      ),
    );
    expect(JSON.parse(outcome.stdout.toString())).toMatchObject({ skippedDevices: 3 });
    // What stands in their place is what overlayfs takes for "nothing here", and no device.
    const names = await readdir(scratch.path('out/dev'));
    const places = await Promise.all(names.map((name) => lstat(scratch.path('out/dev', name))));
    expect(places.map(({ rdev }) => rdev)).toEqual(names.map(() => 0));
  });

  it("turns whiteouts into overlay's own, in whatever order they come", async () => {
    const outcome = await scratch.unpack(
      tar(
        { name: 'etc/.wh.gone' },
        { name: 'opaque/.wh..wh..opq' },
        { name: 'opaque/kept', data: 'x' },
        { name: '.wh.replaced' },
        folder('replaced/'),
        folder('late/'),
        { name: '.wh.late' },
        { name: 'file', data: 'new' },
        { name: '.wh.file' },
        { name: '.wh..wh.plnk' },
      ),
    );
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    const gone = await lstat(scratch.path('out/etc/gone'));
    expect(gone.isCharacterDevice()).toBe(true);
    expect(gone.rdev).toBe(0);
    for (const name of ['opaque', 'replaced', 'late']) {
      expect(xattr(scratch.path('out', name), 'trusted.overlay.opaque'), name).toBe('y');
    }
    expect(await readFile(scratch.path('out/file'), 'utf8')).toBe('new');
    expect((await readdir(scratch.path('out'))).sort()).toEqual(
      ['etc', 'file', 'late', 'opaque', 'replaced'].sort(),
    );
  });

  it('lets the last of several entries of one name count', async () => {
    const outcome = await scratch.unpack(
      tar(
        { name: 'a', data: 'first' },
        hardlink('b', 'a'),
        { name: 'a', data: 'second' },
        folder('d/'),
        { name: 'd/in', data: 'x' },
        symlink('d', 'elsewhere'),
        symlink('s', 'a'),
        { name: 's', data: 'file now' },
      ),
    );
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect(await readFile(scratch.path('out/a'), 'utf8')).toBe('second');
    expect(await readFile(scratch.path('out/b'), 'utf8')).toBe('first');
    expect(await readlink(scratch.path('out/d'))).toBe('elsewhere');
    expect(await readFile(scratch.path('out/s'), 'utf8')).toBe('file now');
  });
});

describe('an archive that tries to get out', () => {
  let outside: string;
  beforeEach(async () => {
    outside = scratch.path('outside');
    await mkdir(outside);
    await writeFile(`${outside}/secret`, 'secret');
  });
  afterEach(async () => {
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readFile(`${outside}/secret`, 'utf8')).toBe('secret');
    expect((await lstat(`${outside}/secret`)).nlink).toBe(1);
  });

  it('finds absolute paths below its own folder', async () => {
    expect(await scratch.unpack(tar({ name: `${outside}/new`, data: 'x' }))).toMatchObject({ status: 0 });
    expect(await readFile(scratch.path('out', outside, 'new'), 'utf8')).toBe('x');
  });

  it("takes '..' by the text where it stays inside, and never by a link", async () => {
    const outcome = await scratch.unpack(
      tar(
        { name: 'a/../b', data: 'b' },
        symlink('link', outside),
        { name: 'link/../new', data: 'x' },
        hardlink('c', 'nowhere/../b'),
        folder('d/'),
        { name: 'd/e/../.wh.gone' },
      ),
    );
    expect(outcome).toMatchObject({ status: 0, stderr: '' });
    expect((await readdir(scratch.path('out'))).sort()).toEqual(['b', 'c', 'd', 'link', 'new']);
    expect(await readFile(scratch.path('out/c'), 'utf8')).toBe('b');
    expect(await readdir(scratch.path('out/d'))).toEqual(['gone']);
  });

  it.each(['../outside/new', 'a/../../outside/new', '..', '/../outside/new'])(
    'is refused: %s',
    async (name) => {
      const outcome = await scratch.unpack(tar({ name, data: 'x' }));
      expect(outcome.status).toBe(65);
      expect(outcome.stderr).toBe(
        `dockersh-layer: entry '${name}' at offset 0: the path leads out by '..'\n`,
      );
    },
  );

  it('cannot write, link, or remove through symbolic links', async () => {
    for (const [index, target] of [outside, '../outside', `../../../../../../..${outside}`].entries()) {
      const name = `out${index}`;
      await scratch.unpack(
        tar(
          symlink('link', target),
          { name: 'link/new', data: 'x' },
          folder('link/folder/'),
          hardlink('stolen', 'link/secret'),
        ),
        name,
      );
      await scratch.unpack(
        tar(symlink('link', `${target}/secret`), { name: 'link', data: 'x' }),
        `${name}-w`,
      );
      await scratch.unpack(tar(symlink('link', `${target}/secret`), hardlink('h', 'link')), `${name}-h`);
    }
  });

  it('cannot link to files outside', async () => {
    for (const [index, target] of [`${outside}/secret`, '/etc/passwd', 'missing'].entries()) {
      const outcome = await scratch.unpack(tar(hardlink('stolen', target)), `out${index}`);
      expect(outcome.status).not.toBe(0);
      expect(outcome.stderr).toMatch(/^dockersh-layer: entry 'stolen' at offset 0: .*\n$/);
    }
    const outcome = await scratch.unpack(tar(hardlink('stolen', '../outside/secret')), 'dots');
    expect(outcome.stderr).toContain("the path leads out by '..'");
  });

  it('shows control characters of a name as text', async () => {
    const outcome = await scratch.unpack(tar({ name: '../\x1b[2J\nx' }));
    expect(outcome.stderr).toBe(
      "dockersh-layer: entry '../\\x1b[2J\\x0ax' at offset 0: the path leads out by '..'\n",
    );
  });

  it('may close its root to everybody', async () => {
    for (const [index, mode] of [0, 0o111, 0o311].entries()) {
      const outcome = await scratch.unpack(
        tar({ name: './', type: '5', mode }, { name: 'f' }),
        `closed${index}`,
      );
      expect(outcome).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('cannot hide depth behind links', async () => {
    const entries: TarEntry[] = [];
    let link = '';
    for (let round = 0; round < 5; round += 1) {
      const path = `${link}${Array.from({ length: 60 }, () => 'd').join('/')}`;
      entries.push(folder(`${path}/`), symlink(`l${round}`, path));
      link = `l${round}/`;
    }
    const outcome = await scratch.unpack(tar(...entries), 'out', ['--max-depth', '200']);
    expect(outcome.status).toBe(65);
    expect(outcome.stderr).toContain('too deep a path once its links are followed');
  });
});

describe('an archive that is wrong or too much', () => {
  const cases: readonly (readonly [string, Buffer, readonly string[], RegExp])[] = [
    [
      'an id too large',
      tar({ name: 'f', uid: 65_536 }),
      [],
      /entry 'f' at offset 0: an id above 65535 'uid 65536'/,
    ],
    ['a gid too large', tar({ name: 'f', pax: { gid: '100000' } }), [], /an id above 65535 'gid 100000'/],
    ['no archive', Buffer.alloc(2048, 'x'), [], /at offset 0: not a tar header/],
    ['nothing', Buffer.alloc(0), [], /ends too early/],
    ['no end', tarEntry({ name: 'f', data: 'x' }), [], /ends too early/],
    [
      'cut data',
      tar({ name: 'f', data: 'x'.repeat(5000) }).subarray(0, 3000),
      [],
      /entry 'f'.*ends too early/,
    ],
    ['a wrong size', tar({ name: 'f', size: 9_000_000_000_000 }), [], /entry 'f'.*ends too early/],
    [
      'an endless pax header',
      tar({ name: 'x', type: 'x', size: 2 ** 30 }),
      [],
      /extended header of more than 1 MiB/,
    ],
    ['a type nobody knows', tar({ name: 'f', type: 'Q' }), [], /unknown type of entry 'Q'/],
    ['a root that is a link', tar(symlink('./', '/')), [], /the root of the layer is no folder/],
    [
      'many entries',
      tar(...Array.from({ length: 30 }, (_, i) => ({ name: `f${i}` }))),
      ['--max-entries', '20'],
      /entry 'f20'.*more entries than the limit/,
    ],
    [
      'folders that a path implies',
      tar({ name: 'a/b/c/d/e/f' }),
      ['--max-entries', '4'],
      /more entries than the limit/,
    ],
    [
      'many bytes',
      tar({ name: 'f', data: 'x'.repeat(100_000) }),
      ['--max-bytes', '50000'],
      /entry 'f'.*larger than the limit of bytes/,
    ],
    [
      'zeros without end',
      Buffer.concat([tar({ name: 'f' }), Buffer.alloc(1 << 20)]),
      ['--max-bytes', '50000'],
      /larger than the limit of bytes/,
    ],
    [
      'a deep path',
      tar({
        name: Array.from({ length: 250 }, () => 'd').join('/'),
        pax: { path: Array.from({ length: 250 }, () => 'd').join('/') },
      }),
      ['--max-depth', '200'],
      /deeper than the limit/,
    ],
    ['a long path', tar({ name: 'f', pax: { path: 'x/'.repeat(3000) } }), [], /longer than the limit/],
    ['a long name', tar({ name: 'f', pax: { path: 'x'.repeat(300) } }), [], /longer than 255 bytes/],
    [
      'a sparse map out of bounds',
      tar({ name: 'f', data: 'abcd', pax: { 'GNU.sparse.map': '10,4', 'GNU.sparse.size': '12' } }),
      [],
      /malformed map/,
    ],
    [
      'a capability that is none',
      tar({ name: 'f', pax: { 'SCHILY.xattr.security.capability': 'x' } }),
      [],
      /malformed attribute/,
    ],
    [
      'a lone zero block',
      Buffer.concat([Buffer.alloc(512), header({ name: 'f' }), Buffer.alloc(1024)]),
      [],
      /single block of zeros/,
    ],
  ];
  it.each(cases)('is refused: %s', async (_name, archive, args, message) => {
    const outcome = await scratch.unpack(archive, 'out', args);
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.split('\n')).toHaveLength(2);
    expect(refusals).toContain(outcome.status);
    expect(outcome.stdout.toString()).toBe('');
  });

  it('cannot take all memory', async () => {
    const xattr = { 'SCHILY.xattr.user.x': 'x'.repeat(60_000) };
    const one = tarEntry({ name: 'f', pax: xattr }).subarray(0, -512);
    const outcome = await scratch.unpack(
      Array.from({ length: 1500 }, () => one),
      'out',
      ['--max-memory', String(32 << 20)],
    );
    expect([71, 80]).toContain(outcome.status);
    expect(outcome.stderr).toMatch(/remember .* \(errno 12\)/);
  });

  it('says so where the disk is full', async () => {
    const disk = scratch.path('disk');
    await mkdir(disk);
    expect(spawnSync(program('mount'), ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status).toBe(0);
    try {
      await mkdir(`${disk}/tree`);
      const outcome = await layer(
        ['unpack', `${disk}/tree`],
        tar({ name: 'f', data: Buffer.alloc(200_000, 'x') }),
      );
      expect(outcome.stderr).toMatch(/entry 'f' at offset 0: write: .*\(errno 28\)/);
      expect(outcome.status).toBe(81);
    } finally {
      spawnSync(program('umount'), [disk]);
    }
  });
});

describe('packing', () => {
  it('gives the same bytes for the same tree, and unpacking gives the tree', async () => {
    const source = scratch.path('source');
    await mkdir(source);
    const made = spawnSync('sh', [
      '-ec',
      'cd "$1"; mkdir -m 2775 d; echo x > d/file; ln d/file d/hard; ln -s /nowhere link; mkfifo pipe; mkdir empty; touch -d "2001-02-03 04:05:06.789" empty; chown 12:34 d/file; chmod 4711 d/file; cp -a d dd; mknod zero c 1 5; : > "$(printf "%0200d" 0)"',
      'sh',
      source,
    ]);
    expect(made.stderr.toString()).toBe('');
    const first = await layer(['pack', source]);
    const second = await layer(['pack', source]);
    expect(first.status).toBe(0);
    expect(JSON.parse(first.stderr)).toMatchObject({ skippedDevices: 1, changed: 0 });
    expect(first.stdout.equals(second.stdout)).toBe(true);
    expect(await scratch.unpack(first.stdout)).toMatchObject({ status: 0 });
    expect((await layer(['pack', scratch.path('out')])).stdout.equals(first.stdout)).toBe(true);
    // An independent reader agrees.
    const listed = spawnSync('tar', ['-tvf', '-'], { input: first.stdout, encoding: 'utf8' });
    expect(listed.stderr).toBe('');
    expect(listed.stdout).toContain('-rws--x--x 12/34');
  });

  it('stays on one file system, and refuses ids and names that cannot come back', async () => {
    const source = scratch.path('source');
    await mkdir(`${source}/mounted`, { recursive: true });
    expect(spawnSync(program('mount'), ['-t', 'tmpfs', 'tmpfs', `${source}/mounted`]).status).toBe(0);
    try {
      await writeFile(`${source}/mounted/file`, 'x');
      const { stdout } = await layer(['pack', source]);
      const listed = spawnSync('tar', ['-tf', '-'], { input: stdout, encoding: 'utf8' });
      expect(listed.stdout).toBe('./\nmounted/\n');
    } finally {
      spawnSync(program('umount'), [`${source}/mounted`]);
    }
    await writeFile(`${source}/.wh.x`, '');
    expect((await layer(['pack', source])).stderr).toContain(
      "entry '.wh.x': a name that means a deleted file",
    );
    spawnSync('sh', ['-ec', 'rm "$1/.wh.x"; : > "$1/f"; chown 100000 "$1/f"', 'sh', source]);
    expect(await layer(['pack', source])).toMatchObject({
      status: 84,
      stderr: "dockersh-layer: entry 'f': an id above 65535 'uid 100000'\n",
    });
  });
});
