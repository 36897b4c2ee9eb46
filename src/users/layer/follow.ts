// Copies a user's layer while it is in use, so that its sandbox need stand still only for a last look at what has changed
// meanwhile (native/layer/copy).

import type { Readable } from 'node:stream';
import type * as z from 'zod';
import { type LayerProgram, layerFailure, startFollowing } from '../../images/layers/program.ts';
import { usageReport } from './files.ts';

/** Disposing gives it up; what has been copied stays where it is. */
export interface FollowingCopy extends AsyncDisposable {
  /** Brings the copy up to date, and resolves when that has been read. Nothing may change the files meanwhile. */
  take(signal: AbortSignal): Promise<z.infer<typeof usageReport>>;
  /** After that: resolves when the copy is on the disk; one for an image need not be. */
  done(): Promise<void>;
}

export interface FollowOptions {
  /** Too much for an image is a failure, what lies too deep for one is left out. */
  readonly forImage: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Resolves when all has been copied once. `to` does not exist yet. Throws E_DISK_FULL and what else the program says. */
export async function followLayer(
  program: LayerProgram,
  from: string,
  to: string,
  { forImage, signal }: FollowOptions,
): Promise<FollowingCopy> {
  const what = 'copy the layer';
  const { child, ended } = startFollowing(program, [from, to], forImage, signal);
  child.stdin.on('error', () => undefined); // the program's end says why
  const lines = linesOf(child.stdout);
  const nextLine = async (): Promise<string> => {
    const line = await lines.next();
    if (line.done === true) throw layerFailure(what, await ended);
    return line.value;
  };
  const giveUp = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
  };
  await using undo = new AsyncDisposableStack();
  undo.defer(giveUp);
  await nextLine();
  undo.move();
  return {
    async take(stop) {
      const kill = (): void => void child.kill('SIGKILL');
      stop.addEventListener('abort', kill, { once: true });
      try {
        stop.throwIfAborted();
        child.stdin.end('\n');
        return usageReport.parse(JSON.parse(await nextLine()));
      } catch (error) {
        stop.throwIfAborted();
        throw error;
      } finally {
        stop.removeEventListener('abort', kill);
      }
    },
    async done() {
      const exit = await ended;
      if (exit.status !== 0) throw layerFailure(what, exit);
    },
    [Symbol.asyncDispose]: giveUp,
  };
}

const mostLineBytes = 1024;

async function* linesOf(stream: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const chunk of stream) {
    rest += (chunk as Buffer).toString('latin1');
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield rest.slice(0, end);
      rest = rest.slice(end + 1);
    }
    if (rest.length > mostLineBytes) return; // it reads what users wrote
  }
}
