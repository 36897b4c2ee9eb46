// The place that the image benchmarks work in: a folder of their own, podman's storage in it, a registry on loopback.

import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../test/fixtures/free-port.ts';
import { findProgram, program } from '../test/fixtures/machine.ts';
import { Running, run, runOk, waitUntil } from '../test/fixtures/process.ts';
import type { Field } from './field.ts';

/** For what takes minutes. */
export const long = { timeoutMs: 900_000 };

export interface Workplace extends AsyncDisposable {
  readonly folder: string;
  /** Options that keep podman's images and containers in there. */
  readonly podman: readonly string[];
  /** Starts a registry; "127.0.0.1:PORT". */
  readonly registry: () => Promise<string>;
}

export async function workplace(field: Field): Promise<Workplace> {
  const stack = new AsyncDisposableStack();
  // In lower case and short: podman takes the folder of a layout for an image's name, and counts letters.
  const folder = `/tmp/dockersh-test-${randomBytes(4).toString('hex')}`;
  await mkdir(folder);
  const podmanArgs = ['--root', join(folder, 'podman'), '--runroot', join(folder, 'run')];
  stack.defer(async () => {
    await field.host.ctl('image', 'rm', 'bench', '--force');
    const path = findProgram('podman');
    if (path !== undefined) await run(path, [...podmanArgs, 'system', 'reset', '--force'], long);
    await runOk('rm', ['-rf', '--one-file-system', folder], long);
  });
  return {
    folder,
    podman: [...podmanArgs, '--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs'],
    registry: async () => await startRegistry(folder, stack),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function startRegistry(folder: string, stack: AsyncDisposableStack): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const storage = join(folder, 'registry');
  await mkdir(storage);
  const config = join(folder, 'registry.yml');
  const text = `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${storage}}}\nhttp: {addr: "${address}"}\n`;
  await writeFile(config, text);
  const registry = new Running(program('docker-registry'), ['serve', config], { stdio: 'ignore' });
  stack.defer(async () => {
    registry.kill('SIGTERM');
    await registry.finished();
  });
  await waitUntil(
    () =>
      fetch(`http://${address}/v2/`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'the registry',
  );
  return address;
}
