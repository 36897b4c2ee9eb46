// Inputs that are as large as somebody who means harm can make them, for every command of dockershctl.

import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import type { Command } from 'commander';
import { manifestBytes } from '../../../src/users/archive/manifest.ts';
import { nodeProgram } from '../../fixtures/paths.ts';
import { runOk } from '../../fixtures/process.ts';
import { Server } from '../../unit/registry/server.ts';
import { builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { type TarEntry, tar, tarEntry } from '../images/tar-builder.ts';

/** As long as an argument can be (execve(2), MAX_ARG_STRLEN). */
export const hugeName = 'x'.repeat(128 * 1024 - 100);

/** "image pull" and so on: every command that does something itself. */
export function commandLines(program: Command, before: readonly string[] = []): string[] {
  return program.commands.flatMap((command) => {
    const line = [...before, command.name()];
    return command.commands.length > 0 ? commandLines(command, line) : [line.join(' ')];
  });
}

const document = 3_900_000;
const files = 50_000;

/** An OCI layout of which every part is as large as it may be. */
export async function wideLayout(folder: string): Promise<string> {
  const entries: TarEntry[] = Array.from({ length: files }, (_, index) => ({ name: `f${index}` }));
  const image = builtImage([builtLayer(tar(...entries))], {
    config: {
      config: { Labels: { wide: '\u2028'.repeat(document / 3 - 700_000) } },
      history: Array.from({ length: 30_000 }, () => ({ created_by: '' })),
    },
  });
  return await writeLayout(folder, image);
}

/** A layout whose index has as many values as fit, which are a hundred times as large in memory. */
export async function denseLayout(folder: string): Promise<string> {
  await writeLayout(folder, builtImage([builtLayer(tar({ name: 'f' }))]));
  await writeFile(join(folder, 'index.json'), `[${'{},'.repeat(document / 3)}{}]`);
  return folder;
}

/** What docker save writes, with a manifest.json that is all brackets. */
export async function deepArchive(file: string): Promise<string> {
  const parts = [
    tarEntry({ name: 'manifest.json', data: '['.repeat(document) }),
    tarEntry({ name: 'repositories', data: '{}' }),
    Buffer.alloc(1024),
  ];
  await pipeline(Readable.from(parts), createWriteStream(file));
  return file;
}

/** For "user import": as much said of itself as may be, and a GiB of a file that should have a hundred, in small compressed pieces. */
export async function largeUser(file: string, name: string): Promise<string> {
  const trees = Array.from({ length: 4000 }, (_, index) => ({
    kind: 'snapshot' as const,
    name: `s${index}`,
    info: { createdAt: new Date(0).toISOString(), message: 'x'.repeat(100), sizeBytes: 0, files: 0 },
  }));
  const head = manifestBytes({
    dockersh: 'user',
    version: 1,
    createdAt: '',
    user: { name, uid: 1 },
    ids: { uid: 1, gid: 1, groups: [] },
    trees: [...trees, { kind: 'home' }],
  });
  const start = [
    tarEntry({ name: 'home', type: '5', mode: 0o755 }),
    tarEntry({ name: 'home/file', size: 100 * 1024 ** 3 }),
  ];
  const zeros = gzipSync(Buffer.alloc(16 * 1024 ** 2));
  const parts = [gzipSync(Buffer.concat([head, ...start])), ...Array.from({ length: 64 }, () => zeros)];
  await pipeline(Readable.from(parts), createWriteStream(file));
  return file;
}

/** In a user's layer: many files, folders deeper than any path, names that no image can hold. */
export async function crowdLayer(upper: string): Promise<void> {
  const script = `
    fs.mkdirSync('crowd'); process.chdir('crowd');
    for (let n = 0; n < ${files}; n += 1) fs.closeSync(fs.openSync('\\u0001'.repeat(100) + n, 'w'));
    for (let n = 0; n < 1000; n += 1) fs.writeFileSync('.wh.' + 'w'.repeat(200) + n, '');
    for (let n = 0; n < 6000; n += 1) { fs.mkdirSync('d'); process.chdir('d'); }`;
  await runOk(nodeProgram, ['-e', script], { cwd: upper });
}

/** A policy of many sections. */
export async function longPolicy(file: string, sections = 5_000): Promise<string> {
  const text = Array.from({ length: sections }, (_, n) => `[user:u${n}]\nimage = host\nmemory = 1G\n`);
  await writeFile(file, text.join(''), { mode: 0o644 });
  return file;
}

/** A registry whose every answer has this status and never ends. */
export async function endlessRegistry(status: number, headers: Record<string, string>): Promise<Server> {
  return await Server.start(async (seen, response) => {
    response.on('error', () => undefined);
    const isProbe = status === 200 && seen.url === '/v2/';
    if (isProbe || seen.method === 'HEAD') {
      response.writeHead(isProbe ? 200 : 404).end();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    const piece = Buffer.alloc(256 * 1024, '{"errors":[');
    while (!response.destroyed) {
      if (response.write(piece)) continue;
      await new Promise<void>((resolve) => {
        response.once('drain', resolve);
        response.once('close', resolve);
      });
    }
  });
}
