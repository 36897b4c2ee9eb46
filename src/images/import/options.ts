// Options and results that every kind of import shares.

/** How far an import has come. Fits the admin protocol's progress. */
export interface ImportProgress {
  readonly step: string;
  /** Read so far. */
  readonly bytes?: number;
  /** Known for files only. */
  readonly totalBytes?: number;
}

export interface ImportOptions {
  /** Called a few times a second. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportResult {
  readonly name: string;
  readonly digest: string;
  /** Of the uncompressed layers. */
  readonly sizeBytes: number;
  readonly files: number;
}

const intervalMs = 200;

/** Reports a few times a second, and once more when disposed. */
export function reportEvery({ onProgress }: ImportOptions, progress: () => ImportProgress): Disposable {
  if (onProgress === undefined) return { [Symbol.dispose]: () => undefined };
  const report = (): void => onProgress(progress());
  const timer = setInterval(report, intervalMs);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      report();
    },
  };
}
