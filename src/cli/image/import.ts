// dockershctl image import and load: makes images of what an administrator has in files.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { humanSize } from '../human.ts';
import { type ProgressOptions, progressDisplay, progressOption } from '../progress.ts';
import { archiveFile } from './archive-file.ts';

const path =
  'a folder or a file: a root filesystem (folder or tar), an OCI layout (folder or tar), docker save, a folder of skopeo; - is standard input';

export function addImageImport(image: Command, console: () => Console): void {
  image
    .command('import')
    .description('make an image of a root filesystem, an OCI layout or an archive of docker save')
    .argument('<name>', 'the name of the image, as the policy will use it')
    .argument('<path>', path)
    .addOption(progressOption())
    .action(async (name: string, file: string, options: ProgressOptions) => {
      await importInto(console(), { name }, file, options);
    });
}

export function addImageLoad(image: Command, console: () => Console): void {
  image
    .command('load')
    .description('import every image of an archive under the names that it brings')
    .argument('<path>', 'an OCI layout (folder or tar), or an archive of docker save; - is standard input')
    .addOption(progressOption())
    .action(async (file: string, options: ProgressOptions) => {
      await importInto(console(), {}, file, options);
    });
}

async function importInto(
  cli: Console,
  named: { readonly name?: string },
  file: string,
  options: ProgressOptions,
): Promise<void> {
  await using archive = await archiveFile(file, cli.stdin);
  const request = { ...named, path: archive.path };
  using display = progressDisplay(cli, options);
  const result = await cli.call('image.import', request, { onProgress: (step) => display.show(step) });
  display[Symbol.dispose]();
  cli.show(result, ({ images }) =>
    images
      .map(
        ({ name, digest, sizeBytes, files }) =>
          `imported ${printable(name)}: ${files} files, ${humanSize(sizeBytes)}, ${digest}\n`,
      )
      .join(''),
  );
}
