// Sums up the progress of several blobs.

import type { BlobProgress } from './content.ts';
import type { ImportProgress } from './import-options.ts';
import type { Descriptor } from './oci.ts';

export interface ByteCounter {
  readonly onProgress: (progress: BlobProgress) => void;
  /** A blob is here, whether or not anything was read of it. */
  done(blob: Descriptor): void;
  readonly progress: () => ImportProgress;
}

export function byteCounter(blobs: readonly Descriptor[]): ByteCounter {
  const totalBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  let doneBytes = 0;
  let currentBytes = 0;
  return {
    onProgress: ({ bytes }) => {
      currentBytes = bytes;
    },
    done: ({ size }) => {
      doneBytes += size;
      currentBytes = 0;
    },
    progress: () => ({
      step: 'unpacking',
      bytes: Math.min(doneBytes + currentBytes, totalBytes),
      totalBytes,
    }),
  };
}
