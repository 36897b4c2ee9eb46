// An image to measure with: an OCI layout of several gzip layers, made here so that every run has the same.

import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { program } from '../test/fixtures/machine.ts';
import { runOk } from '../test/fixtures/process.ts';

const mebibyte = 1024 * 1024;
/** As in a distribution: half of a layer hardly shrinks, the other half a lot. */
const usualFileBytes = 128 * 1024;
const filesInFolder = 100;

export interface Layout {
  readonly folder: string;
  /** Paths of the compressed layers, the lowest first. */
  readonly layers: readonly string[];
  readonly uncompressedBytes: number;
  readonly compressedBytes: number;
}

/** `bytes` in `layers` layers, in files of `fileBytes`; the first one has a shell. */
export async function makeLayout(
  folder: string,
  bytes: number,
  layers: number,
  fileBytes = usualFileBytes,
): Promise<Layout> {
  const blobs = join(folder, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const made: { diffId: string; digest: string; size: number; tarBytes: number }[] = [];
  for (let index = 0; index < layers; index += 1) {
    made.push(await makeLayer(folder, blobs, index, bytes / layers, fileBytes));
  }
  const config = await putJson(blobs, {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Env: ['PATH=/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: made.map(({ diffId }) => diffId) },
  });
  const manifest = await putJson(blobs, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: made.map(({ digest, size }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size,
    })),
  });
  const named = { 'org.opencontainers.image.ref.name': 'latest' };
  const listed = { mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest, annotations: named };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [listed] }));
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  return {
    folder,
    layers: made.map(({ digest }) => join(blobs, digest.slice(7))),
    uncompressedBytes: sum(made.map(({ tarBytes }) => tarBytes)),
    compressedBytes: sum(made.map(({ size }) => size)),
  };
}

async function makeLayer(folder: string, blobs: string, index: number, bytes: number, fileBytes: number) {
  const tree = join(folder, 'tree');
  await fill(join(tree, `usr/share/layer${index}`), bytes, fileBytes);
  if (index === 0) await addShell(tree);
  const tar = join(folder, 'layer.tar');
  await runOk('tar', ['-C', tree, '--owner=0', '--group=0', '-cf', tar, '.'], { timeoutMs: 600_000 });
  const compressed = join(folder, 'layer.gz');
  await pipeline(createReadStream(tar), createGzip({ level: 1 }), createWriteStream(compressed));
  const [diffId, digest] = [await digestOf(tar), await digestOf(compressed)];
  const [{ size: tarBytes }, { size }] = [await stat(tar), await stat(compressed)];
  await rename(compressed, join(blobs, digest.slice(7)));
  await rm(tar);
  await rm(tree, { recursive: true });
  return { diffId, digest, size, tarBytes };
}

async function fill(folder: string, bytes: number, fileBytes: number): Promise<void> {
  const half = fileBytes / 2;
  for (let file = 0; file * fileBytes < bytes; file += 1) {
    const place = join(folder, String(Math.floor(file / filesInFolder)));
    if (file % filesInFolder === 0) await mkdir(place, { recursive: true });
    const text = `file ${file} says the same again and again\n`.repeat(half / 40);
    await writeFile(join(place, `file${file}`), Buffer.concat([randomBytes(half), Buffer.from(text)]));
  }
}

async function addShell(tree: string): Promise<void> {
  await mkdir(join(tree, 'bin'));
  await copyFile(program('busybox'), join(tree, 'bin/busybox'));
  for (const name of ['sh', 'dd', 'mkdir', 'sleep', 'true'])
    await symlink('busybox', join(tree, 'bin', name));
  for (const name of ['etc', 'proc', 'sys', 'dev', 'tmp', 'home', 'var', 'run'])
    await mkdir(join(tree, name));
  await mkdir(join(tree, 'srv'), { mode: 0o777 });
  await runOk('chmod', ['777', join(tree, 'srv')]);
}

async function putJson(blobs: string, value: unknown): Promise<{ digest: string; size: number }> {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(blobs, hex), bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: mebibyte }), hash);
  return `sha256:${hash.digest('hex')}`;
}
