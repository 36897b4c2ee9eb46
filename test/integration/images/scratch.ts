// Shared by the tests of the image store: a temporary folder that goes away, and dockersh-layer run by hand.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ImageStore,
  type ImageStoreOptions,
  openImageStore,
} from '../../../src/images/store/image-store.ts';
import { buildFolder, checkout } from '../../fixtures/paths.ts';

export const layerProgram = join(buildFolder, 'dockersh-layer');

/** Builds dockersh-layer where nobody has yet. */
export function buildLayerProgram(): void {
  if (existsSync(layerProgram)) return;
  const made = spawnSync('make', ['-C', join(checkout, 'native'), '../build/dockersh-layer'], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`dockersh-layer could not be built: ${made.stderr}`);
}

/** Exit statuses of dockersh-layer for what it refuses (native/layer/report.h). */
export const refusals: readonly number[] = [65, 82, 83, 84, 85];

export class Scratch implements AsyncDisposable {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), 'dockersh-test-images-')));
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** Its image `host` is of a host that has next to nothing, unless `options` say otherwise. */
  async openStore(options: Partial<ImageStoreOptions> = {}, name = 'store'): Promise<ImageStore> {
    const hostRoot = this.path('bare-host');
    for (const folder of ['etc', 'usr']) await mkdir(join(hostRoot, folder), { recursive: true });
    return await openImageStore(this.path(name), { layerProgram, hostRoot, ...options });
  }

  /** Unpacks an archive into a new folder `name`. */
  async unpack(
    archive: Uint8Array | readonly Uint8Array[],
    name = 'out',
    args: readonly string[] = [],
  ): Promise<Outcome> {
    await mkdir(this.path(name));
    return layer(['unpack', ...args, this.path(name)], archive);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface Outcome {
  readonly status: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs dockersh-layer with something on its standard input, and gives it ten seconds. */
export async function layer(
  args: readonly string[],
  input: Uint8Array | readonly Uint8Array[] = [],
): Promise<Outcome> {
  const child = spawn(layerProgram, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 10_000 });
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  // The program may refuse an archive before it has read it all.
  child.stdin.on('error', () => undefined);
  for (const part of input instanceof Uint8Array ? [input] : input) child.stdin.write(part);
  child.stdin.end();
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once('close', resolve);
  const status = await promise;
  return { status, stdout: Buffer.concat(stdout), stderr };
}

/** Names in a store that a reader may see: what a failed operation must leave as it was. */
export async function visibleNames(root: string): Promise<Record<string, string[] | string>> {
  return {
    layers: (await readdir(join(root, 'layers/sha256'))).sort(),
    blobs: (await readdir(join(root, 'blobs/sha256'))).sort(),
    tmp: (await readdir(join(root, 'tmp'))).sort(),
    index: await readFile(join(root, 'index.json'), 'utf8'),
  };
}
