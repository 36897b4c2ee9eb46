// Passes bytes to and from the daemon through a pipe: standard input and output of dockershctl may be anything, and the
// daemon, which has neither, is given the name of a pipe in a folder of root's.

import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { holdEnd, readEnd, writeEnd } from '../../../lib/fds/pipe.ts';
import { type AbsolutePath, resolved } from '../../../lib/values/absolute-path.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

/** `output` gets what `call` has the daemon write into the pipe that it is given. */
export async function fromDaemon<T>(
  output: NodeJS.WritableStream,
  call: (pipe: AbsolutePath) => Promise<T>,
): Promise<T> {
  await using pipe = await makePipe();
  const reading = readEnd(pipe.path);
  using held = holdEnd(pipe.path, 'write'); // the end is seen when the daemon has answered, and not before
  const copied = pipeline(reading, output, { end: false });
  const broken = copied.then(() => Promise.withResolvers<never>().promise);
  try {
    const result = await Promise.race([call(pipe.path), broken]);
    held[Symbol.dispose]();
    await copied;
    return result;
  } finally {
    reading.destroy();
  }
}

/** The daemon gets `input` through a pipe, from when `begin` is called on. */
export async function toDaemon<T>(
  input: NodeJS.ReadableStream,
  call: (pipe: AbsolutePath, begin: () => void) => Promise<T>,
): Promise<T> {
  await using pipe = await makePipe();
  using _held = holdEnd(pipe.path, 'read');
  const writing = writeEnd(pipe.path);
  const over = new AbortController();
  let hasBegun = false;
  const begin = (): void => {
    if (hasBegun) return;
    hasBegun = true;
    // Where the daemon wants no more of it, its answer says why.
    pipeline(input, writing, { signal: over.signal }).catch(() => undefined);
  };
  try {
    return await call(pipe.path, begin);
  } finally {
    over.abort();
    writing.destroy();
  }
}

interface Pipe extends AsyncDisposable {
  readonly path: AbsolutePath;
}

async function makePipe(): Promise<Pipe> {
  await using undo = new AsyncDisposableStack();
  const folder = undo.use(await temporaryFolder(tmpdir(), 'dockersh-pipe-'));
  const pipe = resolved(path.join(folder.path, 'pipe'));
  await promisify(execFile)('mkfifo', ['-m', '600', pipe]);
  const held = undo.move();
  return { path: pipe, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
