// dockershctl image import and load: makes images of what an administrator has in files.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';
import { archiveFile } from './archive-file.ts';

const path =
  'a folder or a file: a root filesystem (folder or tar), an OCI layout (folder or tar), docker save, a folder of skopeo; - is standard input';

export function addImageImport(image: Command, console: () => Console): void {
  image
    .command('import')
    .description('make an image of a root filesystem, an OCI layout or an archive of docker save')
    .argument('<name>', 'the name of the image, as the policy will use it')
    .argument('<path>', path)
    .addOption(detachOption())
    .addOption(progressOption())
    .action(async (name: string, file: string, options: LongOptions) => {
      await importInto(console(), { name }, file, options);
    });
}

export function addImageLoad(image: Command, console: () => Console): void {
  image
    .command('load')
    .description('import every image of an archive under the names that it brings')
    .argument('<path>', 'an OCI layout (folder or tar), or an archive of docker save; - is standard input')
    .addOption(detachOption())
    .addOption(progressOption())
    .action(async (file: string, options: LongOptions) => {
      await importInto(console(), {}, file, options);
    });
}

async function importInto(
  cli: Console,
  named: { readonly name?: string },
  file: string,
  options: LongOptions,
): Promise<void> {
  await using archive = await archiveFile(file, cli.stdin);
  if (archive.isCopy && options.detach === true) throw notForCopies();
  const request = { ...named, path: archive.path };
  const result = await callLong(cli, 'image.import', request, options);
  if (result === undefined) return;
  cli.show(result, ({ images }) =>
    images
      .map(
        ({ name, digest, sizeBytes, files }) =>
          `imported ${printable(name)}: ${files} files, ${humanSize(sizeBytes)}, ${digest}\n`,
      )
      .join(''),
  );
}

/** The copy of what cannot be read twice goes with the command. */
function notForCopies(): CliFailure {
  return new CliFailure({
    code: 'E_USAGE',
    message:
      'standard input and pipes last only as long as this command, so that nothing can run on without it',
    hint: 'Write the archive into a file first, or leave --detach away.',
    exitCode: sysexits.usage,
  });
}
