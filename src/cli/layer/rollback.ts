// dockershctl rollback and reset: put a user's layer back to a snapshot, or empty it. Both stop the sandbox, so both
// ask first.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { AdminSnapshot } from '../../protocol/admin.ts';
import type { Console } from '../console.ts';

interface Options {
  yes?: true;
}

export function addRollback(program: Command, console: () => Console): void {
  program
    .command('rollback')
    .description("put a user's layer back to a snapshot; stops the sandbox")
    .argument('<user>', 'name of the account')
    .argument('[snapshot]', 'which one (default: the newest)')
    .option('-y, --yes', 'do not ask for confirmation')
    .action(async (user: string, name: string | undefined, options: Options) => {
      const cli = console();
      if (options.yes !== true)
        await ask(cli, user, `makes the layer what it was at ${name ?? 'the newest snapshot'}`);
      const result = await cli.call('rollback', { user, ...(name === undefined ? {} : { name }) });
      cli.show(
        result,
        ({ snapshot, saved }) => `${user} is back at ${printable(snapshot.name)}${kept(saved)}\n`,
      );
    });
}

export function addReset(program: Command, console: () => Console): void {
  program
    .command('reset')
    .description("empty a user's layer, so that the image is as it was made; stops the sandbox")
    .argument('<user>', 'name of the account')
    .option('--no-save', 'do not keep what was there as a snapshot')
    .option('-y, --yes', 'do not ask for confirmation')
    .action(async (user: string, options: Options & { save: boolean }) => {
      const cli = console();
      const fate = options.save ? 'keeps them as a snapshot' : 'nothing of them is kept';
      if (options.yes !== true) await ask(cli, user, `takes all changes of the image away (${fate})`);
      const result = await cli.call('reset', { user, save: options.save });
      cli.show(result, ({ saved }) => `${user} begins anew${kept(saved)}\n`);
    });
}

function kept(saved: AdminSnapshot | null): string {
  return saved === null ? '' : `; what was there is snapshot ${printable(saved.name)}`;
}

/** Says what will happen, with the sessions that it will happen to. */
async function ask(cli: Console, user: string, what: string): Promise<void> {
  const { sandboxes } = await cli.call('ps', {});
  const sandbox = sandboxes.find((one) => one.user === user || String(one.uid) === user);
  const sessions = sandbox?.sessions.length ?? 0;
  const stop =
    sandbox === undefined
      ? ''
      : ` and stops the sandbox with ${sessions} session${sessions === 1 ? '' : 's'}`;
  await cli.confirm(`This ${what}${stop}. The home of ${printable(user)} stays as it is.`);
}
