// dockershctl upgrade: moves a user's layer onto the image that its name means now.

import type { Command } from 'commander';
import { printable } from '../../lib/text/printable.ts';
import type { Console } from '../console.ts';
import { shortDigest } from '../human.ts';

export function addUpgrade(program: Command, console: () => Console): void {
  program
    .command('upgrade')
    .description("let a user's sandbox take the newer image at its next start; their changes stay on top")
    .argument('<user>', 'name of the account')
    .action(async (user: string) => {
      const cli = console();
      cli.show(await cli.call('upgrade', { user }), ({ image, from, to, upgraded, running }) => {
        const name = printable(image);
        if (!upgraded) return `${user} has the newest ${name} already (${shortDigest(to)})\n`;
        const before = from === null ? '' : `, after ${shortDigest(from)}`;
        const when = running ? 'when the sandbox next starts' : 'from the next login on';
        return `${user} gets ${name} ${shortDigest(to)}${before}, ${when}\n`;
      });
    });
}
