// Writes the completions of dockershctl for bash, zsh and fish, made from commander's own definitions.
//   gen-completions.ts FOLDER

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Argument, Command } from 'commander';
import { buildProgram } from '../src/cli/program.ts';
import { version } from '../src/lib/version.ts';
import { visibleCommands, visibleOptions } from './commands.ts';

/** What a word may be: one of some words, a user, a file, an image of this host, or anything. */
type Kind = readonly string[] | 'user' | 'file' | 'image' | 'any';

interface OptionWord {
  readonly flags: readonly string[];
  readonly description: string;
  /** Absent: it takes no value. */
  readonly value?: Kind;
}

interface CommandWord {
  /** The words that lead to it: ["image", "ls"]. */
  readonly names: readonly string[];
  /** Other words for the last of them. */
  readonly aliases: readonly string[];
  readonly description: string;
  readonly subcommands: readonly CommandWord[];
  readonly options: readonly OptionWord[];
  readonly operands: readonly Kind[];
  /** The last operand may stand again. */
  readonly variadic: boolean;
}

/** Operands that name an image which is here already, by command. */
const imageOperands: readonly string[] = [
  'image push name',
  'image export name',
  'image tag source',
  'image tag target',
  'image history name',
  'image inspect name',
  'image rm name',
  'image import name', // its next version
  'image pull name',
  'commit name',
];

/** Operands that name an account under another name than `user`. */
const userOperands: readonly string[] = ['enable', 'disable', 'rescue', 'forget', 'rename'];

function operandKind(names: readonly string[], argument: Argument): Kind {
  if (imageOperands.includes([...names, argument.name()].join(' '))) return 'image';
  const isAccount = names[0] === 'user' && userOperands.includes(names[1] ?? '');
  if (isAccount && ['name', 'name|uid', 'old', 'new'].includes(argument.name())) return 'user';
  return kindOf(argument.name(), argument.argChoices);
}

function kindOf(name: string, choices: readonly string[] | undefined): Kind {
  if (choices !== undefined) return choices;
  if (name === 'user') return 'user';
  if (name === 'image') return 'image';
  return ['path', 'file', 'folder', 'archive'].includes(name) ? 'file' : 'any';
}

function wordsOf(command: Command, names: readonly string[]): CommandWord {
  return {
    names,
    aliases: command.aliases(),
    description: command.description(),
    subcommands: visibleCommands(command).map((sub) => wordsOf(sub, [...names, sub.name()])),
    options: visibleOptions(command).map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      description: option.description,
      ...(option.required || option.optional
        ? { value: kindOf(/[<[]([\w-]+)/.exec(option.flags)?.[1] ?? '', option.argChoices) }
        : {}),
    })),
    operands: command.registeredArguments.map((argument) => operandKind(names, argument)),
    variadic: command.registeredArguments.at(-1)?.variadic ?? false,
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
  if (kind === 'image') return '_dockershctl_images';
  return `COMPREPLY=($(compgen -W ${single(kind.join(' '))} -- "$word"))`;
}

/** The reply for operand number `at`; behind the last one only where that may stand again. */
function bashOperands({ subcommands, operands, variadic }: CommandWord): string {
  if (subcommands.length > 0) return bashReply(subcommands.map((sub) => sub.names.at(-1) ?? ''));
  const cases = operands.map((kind, index) => {
    const isLast = index === operands.length - 1;
    return `${isLast && variadic ? '*' : index}) ${bashReply(kind)} ;;`;
  });
  return cases.length === 0 ? bashReply('any') : `case $at in ${cases.join(' ')} esac`;
}

function bash(root: CommandWord): string {
  const commands = all(root);
  const valued = commands.flatMap(({ names, options }) =>
    options.flatMap(({ flags, value }) =>
      value === undefined ? [] : flags.map((flag) => ({ at: single([...names, flag].join(' ')), value })),
    ),
  );
  const words = commands.map((command) => {
    const flags = command.options.flatMap((option) => option.flags).join(' ');
    return `    ${single(command.names.join(' '))}) flags=${single(flags)}; [[ $word == -* ]] || { ${bashOperands(command)}; return; } ;;`;
  });
  const paths = commands
    .filter(({ names }) => names.length > 0)
    .map(({ names, aliases }) => {
      const others = aliases.map((alias) => single([...names.slice(0, -1), alias].join(' ')));
      const path = single(names.join(' '));
      return `        ${[path, ...others].join(' | ')}) path=${path}; continue ;;`;
    });
  return `# Completion of dockershctl for bash.
# shellcheck shell=bash disable=SC2207

# Readline takes a colon for the end of a word, so what is before the last one is not to be given again.
_dockershctl_images() {
    local name
    while read -r name; do
        [[ $name == "$word"* ]] && COMPREPLY+=("\${name#"\${word%"\${word##*:}"}"}")
    done < <(dockershctl image ls --quiet 2>/dev/null)
}

_dockershctl() {
    local word before path='' flags='' at=0 index next
    local -a words=()
    COMPREPLY=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=\${COMP_WORDS[index]}
        if ((index > 0)) && [[ $word == : || \${COMP_WORDS[index - 1]} == : ]]; then
            words[\${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
    done
    word=\${words[\${#words[@]} - 1]} before=\${words[\${#words[@]} - 2]}
    for ((index = 1; index < \${#words[@]} - 1; index++)); do
        next="\${path:+$path }\${words[index]}"
        case $next in
${paths.join('\n')}
        ${valued.map(({ at }) => at).join(' | ')}) ((index++)); continue ;;
        esac
        [[ \${words[index]} == -* ]] || ((at++))
    done
    case "\${path:+$path }$before" in
${valued.map(({ at, value }) => `    ${at}) ${bashReply(value)}; return ;;`).join('\n')}
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
  if (kind === 'image') return '_dockershctl_images';
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

function zshFunction({ names, options, operands, variadic, subcommands }: CommandWord): string {
  const parts =
    subcommands.length > 0
      ? [single('1:command:->command'), single('*::argument:->argument')]
      : operands.map((kind, index) =>
          single(`${variadic && index === operands.length - 1 ? '*' : ''}:argument:${zshAction(kind)}`),
        );
  const lines = ['    local state line', `    _arguments -C ${[...zshOptions(options), ...parts].join(' ')}`];
  if (subcommands.length > 0) {
    const described = subcommands.map((sub) => single(`${sub.names.at(-1)}:${zshText(sub.description)}`));
    const cases = subcommands.map(
      (sub) => `        ${[sub.names.at(-1), ...sub.aliases].join('|')}) ${zshName(sub.names)} ;;`,
    );
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

_dockershctl_images() {
    local -a images=(\${(f)"$(dockershctl image ls --quiet 2>/dev/null)"})
    compadd -a images
}

${all(root).map(zshFunction).join('\n\n')}

_dockershctl "$@"
`;
}

// ---- fish ------------------------------------------------------------------------------------------

function fishCondition({ names, aliases, subcommands }: CommandWord): string {
  const seen = names.map(
    (name, index) =>
      `__fish_seen_subcommand_from ${[name, ...(index === names.length - 1 ? aliases : [])].join(' ')}`,
  );
  const further = subcommands.flatMap((sub) => [sub.names.at(-1), ...sub.aliases]);
  if (further.length > 0) seen.push(`not __fish_seen_subcommand_from ${further.join(' ')}`);
  return seen.join('; and ');
}

function fishValue(kind: Kind | undefined): string {
  if (kind === undefined) return '';
  if (kind === 'file') return ' -r -F';
  if (kind === 'user') return " -x -a '(__fish_complete_users)'";
  if (kind === 'image') return " -x -a '(dockershctl image ls --quiet 2>/dev/null)'";
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
    ...(command.operands.includes('image')
      ? [`${base} -f -a '(dockershctl image ls --quiet 2>/dev/null)'`]
      : []),
    ...command.operands.flatMap((kind) =>
      typeof kind === 'string' ? [] : [`${base} -f -a ${single(kind.join(' '))}`],
    ),
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
