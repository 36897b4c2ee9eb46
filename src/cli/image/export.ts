// dockershctl image export: writes an image into an archive that other tools load.

import { type Command, Option } from 'commander';
import { humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import { resolved } from '../../lib/values/absolute-path.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';

interface Options extends LongOptions {
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
    .addOption(detachOption())
    .addOption(progressOption())
    .action(async (name: string, file: string, options: Options) => {
      const cli = console();
      const request = { name, path: resolved(file), format: options.format };
      const result = await callLong(cli, 'image.export', request, options);
      if (result === undefined) return;
      cli.show(
        result,
        ({ path, sizeBytes, digest }) => `wrote ${printable(path)}: ${humanSize(sizeBytes)}, ${digest}\n`,
      );
    });
}
