// Turns what an administrator names into something that the daemon can read in any order: standard input ("-"), a
// pipe or a device is copied to a file first, which goes again with the command.

import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { sysexits } from '../../lib/errors.ts';
import { ifThere } from '../../lib/if-there.ts';
import { type AbsolutePath, resolved } from '../../lib/values/absolute-path.ts';
import type { Input } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { temporaryFolder } from '../temporary-folder.ts';

export interface ArchiveFile extends AsyncDisposable {
  readonly path: AbsolutePath;
  /** It goes with the command. */
  readonly isCopy: boolean;
}

/** Where there is room for what is large; /tmp is memory on many hosts. */
const spoolRoot = '/var/tmp';

export async function archiveFile(given: string, stdin: Input | undefined): Promise<ArchiveFile> {
  if (given === '-') {
    if (stdin === undefined || stdin.isTTY === true) throw nothingThere();
    return await spooled(stdin, 'standard-input');
  }
  const file = resolved(given);
  const stats = await ifThere(stat(file));
  // What there is none of, the daemon says.
  const seekable = stats === undefined || stats.isFile() || stats.isDirectory();
  if (seekable) return { path: file, isCopy: false, [Symbol.asyncDispose]: async () => undefined };
  return await spooled(createReadStream(file), path.basename(file));
}

async function spooled(source: NodeJS.ReadableStream, name: string): Promise<ArchiveFile> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(await temporaryFolder(spoolRoot, 'dockersh-import-'));
  const file = resolved(path.join(folder.path, name));
  await pipeline(source, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  const held = undo.move();
  return { path: file, isCopy: true, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

function nothingThere(): CliFailure {
  return new CliFailure({
    code: 'E_USAGE',
    message: 'standard input is a terminal',
    hint: 'Pass an archive, as in: podman save IMAGE | dockershctl image load -',
    exitCode: sysexits.usage,
  });
}
