// Ten layers and an empty one that use everything that a layer can say, but for device nodes, which we never make.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sparseEntry } from './image-builder.ts';
import { type TarEntry, tar } from './tar-builder.ts';

export const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name: `${name}/`,
  type: '5',
  mode: 0o755,
  ...more,
});
export const file = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, data: name, ...more });
export const symlink = (name: string, link: string): TarEntry => ({ name, type: '2', link, mode: 0o777 });
export const hardlink = (name: string, link: string): TarEntry => ({ name, type: '1', link });
export const whiteout = (name: string): TarEntry => ({ name: name.replace(/[^/]+$/, '.wh.$&') });
export const opaque = (name: string): TarEntry => ({ name: `${name}/.wh..wh..opq` });

const capability = (bits: string): Buffer =>
  Buffer.from(`01000002${bits}00000000000000000000000000`.slice(0, 40), 'hex');
const list = Buffer.from(
  '0200000001000600ffffffff020004000700000004000000ffffffff10000600ffffffff20000000ffffffff',
  'hex',
);
const long = 'long-name-'.repeat(12);

/** Names that are no UTF-8 stand in latin1, as the builder writes them. */
const base = (): TarEntry[] => [
  folder('.', { mtime: 1_600_000_000 }),
  ...['bin', 'etc', 'usr', 'var', 'var/lib', 'gone-later', 'flip', 'opaque', 'opaque/sub', 'nested'].map(
    (name) => folder(name, { mtime: 1_500_000_000 }),
  ),
  folder('nested/opaque', { mode: 0o750, uid: 3 }),
  folder('root', { mode: 0o700, pax: { 'SCHILY.xattr.user.root': 'yes' } }),
  folder('tmp', { mode: 0o1777, uid: 1, gid: 2, mtime: 1_400_000_000 }),
  file('bin/sh', { mode: 0o755 }),
  file('bin/su', { mode: 0o4755 }),
  file('bin/wall', { mode: 0o2755, gid: 5 }),
  file('gone-later/inside'),
  file('flip/inside'),
  file('file-first'),
  file('opaque/old'),
  file('opaque/sub/old'),
  file('nested/opaque/old'),
  file('deleted'),
  file('deleted-and-back'),
  symlink('link-deleted', 'bin'),
  symlink('etc/alternatives', '../usr/alternatives'),
  file('var/ids', { uid: 65_535, gid: 65_535 }),
  file('bytes-\xff\xfe\x80'),
  symlink('link-\xe9', 'to-\xff'),
  folder('folder-\xc3('),
  file('folder-\xc3(/in'),
];

const second = (): TarEntry[] => [
  file('bin/first', { mode: 0o711, uid: 1, gid: 2 }),
  hardlink('bin/second', 'bin/first'),
  hardlink('bin/third', './bin/second'),
  hardlink('etc/across', '/bin/first'),
  symlink('etc/link', '../etc/passwd'),
  hardlink('etc/link-again', 'etc/link'),
  symlink('etc/nowhere', '/does/not/exist'),
  symlink('etc/long-target', 'x'.repeat(99)),
  { name: 'var/pipe', type: '6', mode: 0o620, uid: 3, gid: 4 },
  { ...file('etc/set-both'), mode: 0o6711, uid: 9, gid: 9 },
  file('bin/su', { mode: 0o755 }),
];

const third = (): TarEntry[] => [
  whiteout('deleted'),
  whiteout('deleted-and-back'),
  whiteout('link-deleted'),
  whiteout('gone-later'),
  whiteout('bin/second'),
  folder('etc'),
  whiteout('etc/across'),
  whiteout('etc/never-was'),
];

const fourth = (): TarEntry[] => [
  folder('opaque', { mode: 0o700 }),
  opaque('opaque'),
  file('opaque/new'),
  // Without an entry for the folder, and after what is in it.
  file('nested/opaque/new'),
  opaque('nested/opaque'),
];

const fifth = (): TarEntry[] => [
  file('etc/nanoseconds', { pax: { mtime: '1234567890.123456789' } }),
  file('etc/before-the-epoch', { pax: { mtime: '-5.25' } }),
  file('etc/far-off', { pax: { mtime: '4294967297.5' } }),
  folder('etc/folder-time', { pax: { mtime: '987654321.5' } }),
  file('etc/folder-time/x'),
  symlink('etc/link-time', 'x'),
  folder('usr', { pax: { mtime: '1000000000.000000001' } }),
];

const sixth = (): TarEntry[] => [
  file('bin/ping', { mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability('00200000') } }),
  file('bin/both', {
    mode: 0o4755,
    uid: 7,
    pax: { 'SCHILY.xattr.security.capability': capability('01000000'), 'SCHILY.xattr.user.a': 'b' },
  }),
  file('etc/attributes', {
    pax: { 'SCHILY.xattr.user.one': 'value', 'SCHILY.xattr.user.two': Buffer.from([0, 1, 10, 255]) },
  }),
  file('etc/list', { mode: 0o660, pax: { 'SCHILY.xattr.system.posix_acl_access': list } }),
  folder('var/attributes', { pax: { 'SCHILY.xattr.user.folder': 'yes' } }),
  // What is set again loses what it had.
  folder('var/lib', { mode: 0o711, pax: { 'SCHILY.xattr.user.new': 'x' } }),
];

const seventh = (): TarEntry[] => [
  file('root/x'),
  file('tmp/y'),
  file('var/lib/deeper', { pax: { path: `var/lib/${long}` } }),
  { name: '././@LongLink', type: 'L', data: `usr/gnu-${long}\0` },
  file('cut'),
  { name: '././@LongLink', type: 'K', data: `${'to/'.repeat(60)}\0` },
  symlink('usr/long-link', 'cut'),
  file('bytes', { pax: { path: Buffer.from('usr/pax-\xff\x80', 'latin1') } }),
];

const eighth = (): TarEntry[] => [
  file('etc/twice', { data: 'first', mode: 0o777 }),
  file('etc/twice', { data: 'second', mode: 0o600 }),
  symlink('etc/link-then-file', 'bin'),
  file('etc/link-then-file', { data: 'now a file' }),
  file('etc/file-then-link'),
  symlink('etc/file-then-link', 'twice'),
  folder('etc/folder-twice', { pax: { 'SCHILY.xattr.user.lost': 'x' } }),
  file('etc/folder-twice/kept'),
  folder('etc/folder-twice', { mode: 0o711, uid: 4 }),
  file('etc/one'),
  hardlink('etc/other', 'etc/one'),
  file('etc/one', { data: 'apart now' }),
  file('bin/third', { data: 'a file of its own now' }),
];

const tenth = (): TarEntry[] => [
  file('flip', { data: 'a file now' }),
  folder('file-first', { mode: 0o1777 }),
  file('file-first/in'),
  file('deleted-and-back', { data: 'back again' }),
  folder('gone-later', { mode: 0o700 }),
  file('gone-later/new'),
  symlink('opaque/sub', '../bin'),
  symlink('var/attributes', 'lib'),
  symlink('etc/alternatives', '/elsewhere'),
  whiteout('etc/twice'),
];

/**
 * What GNU tar writes: long names, a sparse file, ids and a fraction in the times. In the form of pax: umoci takes
 * no sparse files in GNU tar's own (type S), which is a defect of umoci, and no reason for us.
 */
function fromGnuTar(): Buffer {
  const place = mkdtempSync(join(tmpdir(), 'dockersh-test-layer-'));
  try {
    mkdirSync(join(place, `usr/${long}/${long}`), { recursive: true });
    writeFileSync(join(place, `usr/${long}/${long}/file`), 'deep');
    mkdirSync(join(place, 'var'));
    writeFileSync(join(place, 'var/sparse'), 'start'.repeat(1000));
    truncateSync(join(place, 'var/sparse'), 5_000_000);
    writeFileSync(join(place, 'var/sparse'), 'end', { flag: 'a' });
    const args = [
      '--format=pax',
      '--sparse',
      '--sort=name',
      '--owner=8',
      '--group=9',
      '--mtime=@1300000000.25',
    ];
    return execFileSync('tar', [...args, '-C', place, '-cf', '-', 'usr', 'var'], { maxBuffer: 1 << 24 });
  } finally {
    rmSync(place, { recursive: true });
  }
}

export function featureLayers(): Buffer[] {
  return [
    tar(...base()),
    tar(...second()),
    tar(...third()),
    tar(...fourth()),
    tar(...fifth()),
    tar(...sixth()),
    tar(...seventh(), sparseEntry),
    fromGnuTar(),
    tar(...eighth()),
    tar(),
    tar(...tenth()),
  ];
}
