// Lists the commands and options of a commander program, without those that commander adds by itself. The man pages
// and the shells' completions are made from it.

import type { Command, Option } from 'commander';

export function visibleCommands(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help');
}

export function visibleOptions(command: Command): readonly Option[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => option.long !== '--help');
}
