// Sums up the progress of several blobs.

import type { BlobProgress } from '../content.ts';
import type { Descriptor } from '../oci.ts';
import type { ImportProgress } from './options.ts';

export interface ByteCounter {
  readonly onProgress: (progress: BlobProgress) => void;
  /** A blob is here, whether or not anything was read of it. */
  done(blob: Descriptor): void;
  readonly progress: () => ImportProgress;
}

export function byteCounter(blobs: readonly Descriptor[]): ByteCounter {
  const totalBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  const under = new Map<string, number>();
  let doneBytes = 0;
  return {
    onProgress: ({ digest, bytes }) => {
      under.set(digest, bytes);
    },
    done: ({ digest, size }) => {
      doneBytes += size;
      under.delete(digest);
    },
    progress: () => {
      const bytes = under.values().reduce((sum, each) => sum + each, doneBytes);
      return { step: 'unpacking', bytes: Math.min(bytes, totalBytes), totalBytes };
    },
  };
}
