// dockershctl image verify: checks that everything in the store is what its digest says.

import type { Command } from 'commander';
import { sysexits } from '../../lib/errors.ts';
import { humanSize } from '../../lib/text/human.ts';
import { printable } from '../../lib/text/printable.ts';
import type { AdminResult } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';
import { callLong, detachOption, type LongOptions } from '../long-verb.ts';
import { progressOption } from '../progress.ts';

interface Options extends LongOptions {
  layers?: true;
}

export function addImageVerify(
  image: Command,
  console: () => Console,
  setStatus: (status: number) => void,
): void {
  image
    .command('verify')
    .description('check that everything in the store is what its digest says')
    .option('--layers', 'also compare every file of every layer; takes as long as importing all of them')
    .addOption(detachOption())
    .addOption(progressOption())
    .addHelpText('after', '\nThe exit status is 65 when something is damaged.')
    .action(async (options: Options) => {
      const cli = console();
      const request = options.layers === true ? { layers: true } : {};
      const result = await callLong(cli, 'image.verify', request, options);
      if (result === undefined) return;
      cli.show(result, report);
      if (result.problems.length > 0) setStatus(sysexits.dataErr);
    });
}

function report({ images, layers, blobs, bytes, problems }: AdminResult<'image.verify'>): string {
  const found = problems.map(({ kind, object, why }) => `${printable(`${kind} ${object}: ${why}`)}\n`);
  const checked = `${images} images, ${layers} layers, ${blobs} blobs, ${humanSize(bytes)} read`;
  const outcome = problems.length === 0 ? 'nothing is damaged' : `${problems.length} problems`;
  return `${found.join('')}${checked}: ${outcome}\n`;
}
