// Turns the progress of a pull or push into lines of the admin protocol: a line for each layer, in docker's words.

import type { TransferProgress } from '../../images/registry/pull.ts';
import type { AdminProgress } from '../../protocol/admin.ts';

const words = {
  resolving: ['', ''],
  downloading: ['Downloading', 'Pull complete'],
  compressing: ['Compressing', 'Compressed'],
  uploading: ['Pushing', 'Pushed'],
} as const satisfies Record<TransferProgress['step'], readonly [string, string]>;

/** Tells of a layer only what has changed since it was last told. */
export function transferProgress(
  tell: (progress: AdminProgress) => void,
  title: string,
): (progress: TransferProgress) => void {
  const told = new Map<string, string>();
  return ({ step, layers }) => {
    if (step === 'resolving') tell({ step: title });
    const [going, done] = words[step];
    for (const { digest, bytes, totalBytes } of layers) {
      const complete = bytes >= totalBytes;
      const key = `${step} ${complete} ${bytes}`;
      if (told.get(digest) === key) continue;
      told.set(digest, key);
      const id = digest.slice(digest.indexOf(':') + 1).slice(0, 12);
      if (complete) tell({ id, step: done });
      else if (bytes === 0) tell({ id, step: 'Waiting' });
      else tell({ id, step: going, bytes, totalBytes });
    }
  };
}
