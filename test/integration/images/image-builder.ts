// Makes images by hand, wrong ones included: OCI layouts, docker archives, and one with every layer feature.

import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Digest } from '../../../src/images/digest.ts';
import type { Descriptor } from '../../../src/images/oci.ts';
import { type TarEntry, tar } from './tar-builder.ts';

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

const suffixes = { none: '', gzip: '+gzip', zstd: '+zstd' } as const;
type Compression = keyof typeof suffixes;

function compress(bytes: Buffer, compression: Compression): Buffer {
  if (compression === 'none') return bytes;
  return compression === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes);
}

export interface BuiltLayer {
  readonly blob: Descriptor;
  readonly bytes: Buffer;
  readonly diffId: Digest;
}

export function builtLayer(archive: Buffer, compression: Compression = 'gzip'): BuiltLayer {
  const bytes = compress(archive, compression);
  const mediaType = `application/vnd.oci.image.layer.v1.tar${suffixes[compression]}`;
  return {
    bytes,
    diffId: digestOf(archive),
    blob: { mediaType, digest: digestOf(bytes), size: bytes.length },
  };
}

export interface BuiltImage {
  readonly manifest: Descriptor;
  readonly blobs: Map<Digest, Buffer>;
  readonly config: Descriptor;
  readonly layers: readonly BuiltLayer[];
}

export function builtImage(
  layers: readonly BuiltLayer[],
  extra: { readonly config?: object; readonly diffIds?: readonly string[] } = {},
): BuiltImage {
  const blobs = new Map<Digest, Buffer>(layers.map(({ blob, bytes }) => [blob.digest, bytes]));
  const put = (mediaType: string, value: object): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(value));
    blobs.set(digestOf(bytes), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const config = put('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: extra.diffIds ?? layers.map(({ diffId }) => diffId) },
    ...extra.config,
  });
  const manifest = put('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: layers.map(({ blob }) => blob),
  });
  return { manifest, blobs, config, layers };
}

/** Writes an OCI layout whose one image is called `tag`. */
export async function writeLayout(folder: string, image: BuiltImage, tag = 'test'): Promise<string> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const listed = { ...image.manifest, annotations: { 'org.opencontainers.image.ref.name': tag } };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [listed] }));
  for (const [digest, bytes] of image.blobs)
    await writeFile(join(folder, 'blobs/sha256', digest.slice(7)), bytes);
  return folder;
}

/** What `docker save` of old wrote: a folder for each layer, and a link where two are the same. */
export function dockerArchive(archives: readonly Buffer[], tags: readonly string[]): Buffer {
  const { config, blobs } = builtImage(archives.map((archive) => builtLayer(archive, 'none')));
  const first = new Map<string, string>();
  const entries = archives.map((archive, index) => {
    const name = `${index}`.padStart(64, '0');
    const known = first.get(digestOf(archive));
    first.set(digestOf(archive), known ?? name);
    return known === undefined
      ? { name: `${name}/layer.tar`, data: archive }
      : { name: `${name}/layer.tar`, type: '2', link: `../${known}/layer.tar` };
  });
  const configName = `${config.digest.slice(7)}.json`;
  const saved = [{ Config: configName, RepoTags: tags, Layers: entries.map(({ name }) => name) }];
  return tar(
    ...entries,
    { name: configName, data: blobs.get(config.digest) ?? '' },
    { name: 'manifest.json', data: JSON.stringify(saved) },
    { name: 'repositories', data: '{}' },
  );
}

const capNetRaw = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const long = 'long-name-'.repeat(12);

/** A file with a hole, which holds "start" and, a mebibyte later, "tail". */
export const sparseEntry: TarEntry = {
  name: 'GNUSparseFile.0/var/holes',
  data: Buffer.concat([Buffer.from('2\n0\n5\n1048576\n4\n'.padEnd(512, '\0')), Buffer.from('starttail')]),
  pax: {
    'GNU.sparse.major': '1',
    'GNU.sparse.minor': '0',
    'GNU.sparse.name': 'var/holes',
    'GNU.sparse.realsize': '1048580',
  },
};

/**
 * Ten layers that use every feature that layers have, but for device nodes. `portable`: without what podman
 * does not take (a name twice in one layer) or does not give back (the map of a sparse file).
 */
export function tenLayers(features: 'all' | 'portable'): Buffer[] {
  const folder = (name: string, more: object = {}) => ({ name: `${name}/`, type: '5', mode: 0o755, ...more });
  const at = (mtime: string) => ({ pax: { mtime } });
  return [
    tar(
      folder('.', { mtime: 1_600_000_000 }),
      ...['bin', 'etc', 'var', 'var/lib', 'a', 'a/b', 'a/b/c', 'opaque', 'opaque/sub', 'swap-dir'].map(
        (name) => folder(name),
      ),
      { name: 'bin/sh', data: '#!binary', mode: 0o755 },
      { name: 'bin/su', data: 'setuid', mode: 0o4755 },
      { name: 'bin/wall', data: 'setgid', mode: 0o2755, gid: 5 },
      { name: 'etc/passwd', data: 'root:x:0:0::/root:/bin/sh\n' },
      { name: 'a/b/c/file', data: 'one' },
      { name: 'opaque/old', data: 'old' },
      { name: 'opaque/sub/old', data: 'old' },
      { name: 'swap-dir/inside', data: 'x' },
      { name: 'swap-file', data: 'file first' },
      { name: 'gone', data: 'deleted later' },
    ),
    tar(
      { name: 'bin/first', data: 'shared inode', mode: 0o711, uid: 1, gid: 2 },
      { name: 'bin/second', type: '1', link: 'bin/first' },
      { name: 'bin/third', type: '1', link: './bin/second' },
      { name: 'bin/link', type: '2', link: '../etc/passwd', mode: 0o777, uid: 7, gid: 8 },
      { name: 'bin/nowhere', type: '2', link: '/does/not/exist', mode: 0o777 },
    ),
    tar({ name: '.wh.gone' }, folder('a'), folder('a/b'), { name: 'a/b/.wh.c' }),
    tar(
      folder('opaque', { mode: 0o700 }),
      { name: 'opaque/.wh..wh..opq' },
      { name: 'opaque/new', data: 'new' },
    ),
    tar(
      { name: 'etc/times', data: 'nanoseconds', ...at('1234567890.123456789') },
      { name: 'etc/before', data: 'the epoch', ...at('-5') },
      folder('etc/folder-time', at('987654321.5')),
      { name: 'etc/folder-time/x', data: 'x' },
    ),
    tar(
      {
        name: 'bin/ping',
        data: 'capability',
        mode: 0o755,
        pax: { 'SCHILY.xattr.security.capability': capNetRaw },
      },
      {
        name: 'etc/attributes',
        data: '',
        pax: { 'SCHILY.xattr.user.one': 'value', 'SCHILY.xattr.user.two': Buffer.from([0, 1, 255]) },
      },
      folder('var/attributes', { pax: { 'SCHILY.xattr.user.folder': 'yes' } }),
    ),
    tar(
      { name: 'short', data: 'pax long name', pax: { path: `var/lib/${long}` } },
      { name: '././@LongLink', type: 'L', data: `var/lib/gnu-${long}\0` },
      { name: 'cut', data: 'gnu long name' },
      { name: 'var/ids', data: 'largest', uid: 65_535, gid: 65_535 },
      { name: 'var/pipe', type: '6', mode: 0o620, uid: 3, gid: 4 },
      { name: 'var/empty', data: '' },
    ),
    tar(
      { name: 'var/sparse', data: Buffer.concat([Buffer.alloc(1 << 20), Buffer.from('end')]) },
      ...(features === 'all' ? [sparseEntry] : []),
    ),
    tar({ name: 'swap-dir', data: 'now a file' }, folder('swap-file', { mode: 0o1777 }), {
      name: 'swap-file/in',
      data: 'x',
    }),
    tar(
      ...(features === 'all' ? [{ name: 'etc/twice', data: 'first' }] : []),
      { name: 'etc/twice', data: 'second', mode: 0o600 },
      { name: 'bin/third', data: 'a file of its own now' },
      { name: 'gone', data: 'back again' },
      folder('a/b/c', { mode: 0o711 }),
    ),
  ];
}
