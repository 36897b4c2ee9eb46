// Reports how far a pull or push has come, a few times a second: in all, and layer by layer.

import type { Digest } from '../digest.ts';

export interface LayerProgress {
  readonly digest: Digest;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface TransferProgress {
  /** `compressing`: layers that were made here, before they are sent for the first time. */
  readonly step: 'resolving' | 'downloading' | 'compressing' | 'uploading';
  /** Of all layers; what is there already counts as done. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Lowest layer first, each once. */
  readonly layers: readonly LayerProgress[];
}

const intervalMs = 100;

export class ProgressMeter {
  readonly #report: ((progress: TransferProgress) => void) | undefined;
  readonly #layers = new Map<Digest, LayerProgress>();
  #step: TransferProgress['step'] = 'resolving';
  #reportedAt = 0;

  constructor(report: ((progress: TransferProgress) => void) | undefined) {
    this.#report = report;
  }

  /** Begins a step and tells so. */
  begin(
    step: TransferProgress['step'],
    layers: readonly { readonly digest: Digest; readonly size: number }[] = [],
  ) {
    this.#step = step;
    this.#layers.clear();
    for (const { digest, size } of layers) this.#layers.set(digest, { digest, bytes: 0, totalBytes: size });
    this.tell();
  }

  update(digest: Digest, bytes: number, totalBytes?: number): void {
    const total = totalBytes ?? this.#layers.get(digest)?.totalBytes ?? bytes;
    this.#layers.set(digest, { digest, bytes, totalBytes: total });
    if (bytes >= total || performance.now() - this.#reportedAt >= intervalMs) this.tell();
  }

  done(digest: Digest): void {
    const layer = this.#layers.get(digest);
    if (layer !== undefined && layer.bytes < layer.totalBytes) this.update(digest, layer.totalBytes);
  }

  tell(): void {
    if (this.#report === undefined) return;
    this.#reportedAt = performance.now();
    const layers = [...this.#layers.values()];
    const sum = (key: 'bytes' | 'totalBytes'): number =>
      layers.reduce((total, layer) => total + layer[key], 0);
    this.#report({ step: this.#step, bytes: sum('bytes'), totalBytes: sum('totalBytes'), layers });
  }
}
