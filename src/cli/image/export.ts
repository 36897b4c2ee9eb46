// dockershctl image export: writes an image into an archive that other tools load.

import { type Command, Option } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import { resolved } from '../../lib/values/absolute-path.ts';
import type { Console } from '../console.ts';
import { humanSize } from '../human.ts';
import { type ProgressOptions, progressDisplay, progressOption } from '../progress.ts';

interface Options extends ProgressOptions {
  format: 'oci' | 'docker';
}

export function addImageExport(image: Command, console: () => Console): void {
  image
    .command('export')
    .alias('save')
    .description('write an image into an archive that docker, podman and skopeo load')
    .argument('<name>', 'the name of the image')
    .argument('<file>', 'the archive to write; an old one is replaced')
    .addOption(
      new Option('--format <format>', 'oci: an OCI archive; docker: as docker save writes it')
        .choices(['oci', 'docker'])
        .default('oci'),
    )
    .addOption(progressOption())
    .action(async (name: string, file: string, options: Options) => {
      const cli = console();
      using display = progressDisplay(cli, options);
      const request = { name, path: resolved(file), format: options.format };
      const result = await cli.call('image.export', request, { onProgress: (step) => display.show(step) });
      display[Symbol.dispose]();
      cli.show(
        result,
        ({ path, sizeBytes, digest }) => `wrote ${printable(path)}: ${humanSize(sizeBytes)}, ${digest}\n`,
      );
    });
}
