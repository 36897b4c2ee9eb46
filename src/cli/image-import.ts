// dockershctl image import: makes an image of a root filesystem.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { AdminProgress } from '../protocol/admin.ts';
import type { Console } from './console.ts';
import { humanSize } from './human.ts';

/** Unpacking reports as it goes; a store on a slow disk may still be silent for a while. */
const silenceMs = 10 * 60_000;

export function addImageImport(image: Command, console: () => Console): void {
  image
    .command('import')
    .description('make an image of a root filesystem')
    .argument('<name>', 'what the policy will call it')
    .argument('<path>', 'a folder or a tar file (plain, gzip or zstd)')
    .action(async (name: string, path: string) => {
      const cli = console();
      const progress = new ProgressLine(cli);
      const request = { name, path: resolve(path) };
      const onProgress = (step: AdminProgress): void => {
        progress.show(step);
      };
      try {
        const result = await cli.call('image.import', request, { silenceMs, onProgress });
        progress.clear();
        cli.show(
          result,
          ({ digest, sizeBytes, files }) =>
            `imported ${name}: ${files} files, ${humanSize(sizeBytes)}, ${digest}\n`,
        );
      } finally {
        progress.clear();
      }
    });
}

/** One line on stderr that is written over and over; nothing where stderr is no terminal. */
class ProgressLine {
  readonly #cli: Console;
  #shown = false;

  constructor(cli: Console) {
    this.#cli = cli;
  }

  show(progress: AdminProgress): void {
    if (this.#cli.stderr.isTTY !== true || this.#cli.options.json) return;
    this.#shown = true;
    this.#cli.stderr.write(`\r\x1b[K${describe(progress)}`);
  }

  clear(): void {
    if (this.#shown) this.#cli.stderr.write('\r\x1b[K');
    this.#shown = false;
  }
}

function describe({ step, files, bytes, totalBytes }: AdminProgress): string {
  const parts = [step];
  if (files !== undefined) parts.push(`${files} files`);
  if (bytes !== undefined) {
    parts.push(
      totalBytes === undefined ? humanSize(bytes) : `${humanSize(bytes)} of ${humanSize(totalBytes)}`,
    );
  }
  return parts.join(', ');
}
