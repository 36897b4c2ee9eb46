// dockershctl image bootstrap: makes a base image from the distribution's packages.

import type { Command } from 'commander';
import { humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';

interface Options extends LongOptions {
  mirror?: string;
  include?: string;
}

export function addImageBootstrap(image: Command, console: () => Console): void {
  image
    .command('bootstrap')
    .description("make a base image from a distribution's packages, or of busybox alone")
    .argument('<suite>', 'debian:trixie, debian:bookworm, ubuntu:noble …, or busybox')
    .argument('[name]', 'what to call the image (default: as the suite)')
    .option('--mirror <url>', "where packages come from (default: the distribution's own)")
    .option('--include <packages>', 'more packages to install, separated by commas')
    .addOption(detachOption())
    .addOption(progressOption())
    .addHelpText(
      'after',
      '\nNeeds the package mmdebstrap on this host, for busybox the package busybox-static.',
    )
    .action(async (suite: string, name: string | undefined, options: Options) => {
      const cli = console();
      const request = {
        suite,
        name: name ?? suite,
        ...(options.mirror === undefined ? {} : { mirror: options.mirror }),
        ...(options.include === undefined ? {} : { packages: options.include.split(',').filter(Boolean) }),
      };
      const result = await callLong(cli, 'image.bootstrap', request, options);
      if (result === undefined) return;
      cli.show(
        result,
        ({ files, sizeBytes, digest }) =>
          `made ${printable(result.name)}: ${files} files, ${humanSize(sizeBytes)}, ${digest}\n`,
      );
    });
}
