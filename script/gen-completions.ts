// Writes the completions of dockershctl for bash, zsh and fish, made from commander's own definitions.
//   gen-completions.ts FOLDER

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../src/cli/program.ts';
import { version } from '../src/lib/version.ts';
import { visibleCommands, visibleOptions } from './commands.ts';

/** What a word may be: one of some words, a user, a file, or anything. */
type Kind = readonly string[] | 'user' | 'file' | 'any';

interface OptionWord {
  readonly flags: readonly string[];
  readonly description: string;
  /** Absent: it takes no value. */
  readonly value?: Kind;
}

interface CommandWord {
  /** The words that lead to it: ["image", "ls"]. */
  readonly names: readonly string[];
  readonly description: string;
  readonly subcommands: readonly CommandWord[];
  readonly options: readonly OptionWord[];
  readonly operands: readonly Kind[];
}

function kindOf(name: string, choices: readonly string[] | undefined): Kind {
  if (choices !== undefined) return choices;
  if (name === 'user') return 'user';
  return ['path', 'file', 'folder', 'archive'].includes(name) ? 'file' : 'any';
}

function wordsOf(command: Command, names: readonly string[]): CommandWord {
  return {
    names,
    description: command.description(),
    subcommands: visibleCommands(command).map((sub) => wordsOf(sub, [...names, sub.name()])),
    options: visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      description: option.description,
      ...(option.required || option.optional
        ? { value: kindOf(/[<[]([\w-]+)/.exec(option.flags)?.[1] ?? '', option.argChoices) }
        : {}),
    })),
    operands: command.registeredArguments.map((argument) => kindOf(argument.name(), argument.argChoices)),
  };
}

function all(command: CommandWord): readonly CommandWord[] {
  return [command, ...command.subcommands.flatMap(all)];
}

const single = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

// ---- bash ------------------------------------------------------------------------------------------

function bashReply(kind: Kind): string {
  if (kind === 'user') return 'COMPREPLY=($(compgen -u -- "$word"))';
  if (kind === 'file') return 'COMPREPLY=($(compgen -f -- "$word"))';
  if (kind === 'any') return 'COMPREPLY=()';
  return `COMPREPLY=($(compgen -W ${single(kind.join(' '))} -- "$word"))`;
}

function bash(root: CommandWord): string {
  const commands = all(root);
  const values = commands.flatMap(({ names, options }) =>
    options.flatMap(({ flags, value }) =>
      value === undefined
        ? []
        : flags.map((flag) => `    ${single([...names, flag].join(' '))}) ${bashReply(value)}; return ;;`),
    ),
  );
  const words = commands.map(({ names, subcommands, options, operands }) => {
    const flags = options.flatMap((option) => option.flags).join(' ');
    const operand = subcommands.length > 0 ? subcommands.map((sub) => sub.names.at(-1) ?? '') : operands[0];
    return `    ${single(names.join(' '))}) flags=${single(flags)}; [[ $word == -* ]] || { ${bashReply(operand ?? 'any')}; return; } ;;`;
  });
  const paths = commands.filter(({ names }) => names.length > 0).map(({ names }) => single(names.join(' ')));
  return `# Completion of dockershctl for bash.
# shellcheck shell=bash disable=SC2207

_dockershctl() {
    local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} path='' flags='' index next
    COMPREPLY=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        next="\${path:+$path }\${COMP_WORDS[index]}"
        case $next in
        ${paths.join(' | ')}) path=$next ;;
        esac
    done
    case "\${path:+$path }$before" in
${values.join('\n')}
    esac
    case $path in
${words.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
}
complete -o filenames -F _dockershctl dockershctl
`;
}

// ---- zsh -------------------------------------------------------------------------------------------

const zshText = (text: string): string => text.replace(/[[\]:]/g, '\\$&');

function zshAction(kind: Kind): string {
  if (kind === 'user') return '_users';
  if (kind === 'file') return '_files';
  return kind === 'any' ? ' ' : `(${kind.join(' ')})`;
}

function zshOptions(options: readonly OptionWord[]): readonly string[] {
  return options.flatMap(({ flags, description, value }) =>
    flags.map((flag) =>
      single(`${flag}[${zshText(description)}]${value === undefined ? '' : `:value:${zshAction(value)}`}`),
    ),
  );
}

const zshName = (names: readonly string[]): string =>
  ['_dockershctl', ...names].join('_').replaceAll('-', '_');

function zshFunction({ names, options, operands, subcommands }: CommandWord): string {
  const parts =
    subcommands.length > 0
      ? [single('1:command:->command'), single('*::argument:->argument')]
      : operands.map((kind) => single(`:argument:${zshAction(kind)}`));
  const lines = ['    local state line', `    _arguments -C ${[...zshOptions(options), ...parts].join(' ')}`];
  if (subcommands.length > 0) {
    const described = subcommands.map((sub) => single(`${sub.names.at(-1)}:${zshText(sub.description)}`));
    const cases = subcommands.map((sub) => `        ${sub.names.at(-1)}) ${zshName(sub.names)} ;;`);
    lines.push(
      '    case $state in',
      `    command) local -a commands=(${described.join(' ')}); _describe command commands ;;`,
      '    argument)',
      '        case $line[1] in',
      ...cases,
      '        esac ;;',
      '    esac',
    );
  }
  return `${zshName(names)}() {\n${lines.join('\n')}\n}`;
}

function zsh(root: CommandWord): string {
  return `#compdef dockershctl
# Completion of dockershctl for zsh.

${all(root).map(zshFunction).join('\n\n')}

_dockershctl "$@"
`;
}

// ---- fish ------------------------------------------------------------------------------------------

function fishCondition({ names, subcommands }: CommandWord): string {
  const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`);
  const further = subcommands.map((sub) => sub.names.at(-1));
  if (further.length > 0) seen.push(`not __fish_seen_subcommand_from ${further.join(' ')}`);
  return seen.join('; and ');
}

function fishValue(kind: Kind | undefined): string {
  if (kind === undefined) return '';
  if (kind === 'file') return ' -r -F';
  if (kind === 'user') return " -x -a '(__fish_complete_users)'";
  return kind === 'any' ? ' -x' : ` -x -a ${single(kind.join(' '))}`;
}

function fishLines(command: CommandWord): readonly string[] {
  const base = `complete -c dockershctl -n ${single(fishCondition(command))}`;
  return [
    ...command.subcommands.map(
      (sub) => `${base} -f -a ${single(sub.names.at(-1) ?? '')} -d ${single(sub.description)}`,
    ),
    ...command.options.map(({ flags, description, value }) => {
      const named = flags.map((flag) =>
        flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
      );
      return `${base} ${named.join(' ')}${fishValue(value)} -d ${single(description)}`;
    }),
    ...(command.operands[0] === 'user' ? [`${base} -f -a '(__fish_complete_users)'`] : []),
    ...(command.operands.includes('file') ? [`${base} -F`] : []),
  ];
}

function fish(root: CommandWord): string {
  const lines = all(root).flatMap(fishLines);
  return `# Completion of dockershctl for fish.\n\ncomplete -c dockershctl -f\n${lines.join('\n')}\n`;
}

const [folder = '.'] = process.argv.slice(2);
const root = wordsOf(
  buildProgram({ stdout: process.stdout, stderr: process.stderr }, version, () => {}),
  [],
);
mkdirSync(folder, { recursive: true });
writeFileSync(path.join(folder, 'dockershctl.bash'), bash(root));
writeFileSync(path.join(folder, '_dockershctl'), zsh(root));
writeFileSync(path.join(folder, 'dockershctl.fish'), fish(root));
