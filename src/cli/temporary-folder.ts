// Makes a folder that goes again with the command, also where a signal ends that.

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function temporaryFolder(root: string, prefix: string): Promise<TemporaryFolder> {
  const folder = await mkdtemp(path.join(root, prefix));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  for (const signal of endings) {
    const onSignal = (): void => {
      rmSync(folder, { recursive: true, force: true });
      process.kill(process.pid, signal); // nobody hears it the second time: it ends us
    };
    process.once(signal, onSignal);
    undo.defer(() => void process.removeListener(signal, onSignal));
  }
  const held = undo.move();
  return { path: folder, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
