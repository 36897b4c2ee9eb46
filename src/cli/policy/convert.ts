// dockershctl policy convert: makes a policy from the configuration of the dockersh of 2014.

import { readFile, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { hasErrno, sysexits } from '../../lib/errors.ts';
import { printable } from '../../lib/text/printable.ts';
import { convertOldConfig } from '../../policy/convert/convert.ts';
import type { Console } from '../console.ts';
import { CliFailure } from '../failure.ts';

export function addPolicyConvert(policy: Command, console: () => Console): void {
  policy
    .command('convert')
    .description('turn the configuration of an older dockersh into a policy, and name what is left out')
    .argument('[file]', 'the old file', '/etc/dockershrc')
    .option('--output <file>', 'write the policy to this file, which must not exist yet')
    .action(async (file: string, { output }: { output?: string }) => {
      const cli = console();
      const converted = convertOldConfig(await read(file));
      if (output !== undefined) await write(output, converted.text);
      for (const { line, message } of converted.notes)
        cli.stderr.write(`${printable(`${file}${line === 0 ? '' : `:${line}`}: ${message}`)}\n`);
      cli.show(converted, ({ text }) => (output === undefined ? text : `${output}: written\n`));
    });
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EACCES', 'EISDIR')) throw error;
    throw new CliFailure({
      code: 'E_NOT_FOUND',
      message: `${file} cannot be read`,
      exitCode: sysexits.noInput,
    });
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx', mode: 0o644 });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
    const message = `${file} is there already`;
    throw new CliFailure({ code: 'E_USAGE', message, exitCode: sysexits.cantCreate });
  }
}
