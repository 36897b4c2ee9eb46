// Fills in the man pages of packaging/man: options and commands from commander's own definitions, the keys of the
// policy from its schema.   gen-man.ts FOLDER [DATE]

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Argument, Command, Option } from 'commander';
import { buildProgram } from '../src/cli/program.ts';
import { daemonCommand } from '../src/daemon/options.ts';
import { version } from '../src/lib/version.ts';
import {
  describePolicyKey,
  gatewaySection,
  hostSection,
  imagesSection,
  policyKeys,
} from '../src/policy/schema.ts';
import type { AppliesAt, KeyDoc } from '../src/policy/section-schema.ts';
import { visibleCommands, visibleOptions } from './commands.ts';

/** Text as roff sees it: no escapes, and no requests at the start of a line. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('…', '...')
    .replace(/^([.'])/gm, '\\&$1');
}

const bold = (text: string): string => `\\fB${roff(text)}\\fR`;
const italic = (text: string): string => `\\fI${roff(text)}\\fR`;
/** A first word that is to be typed keeps its case: "debian:trixie", "linux/arm64", a choice. */
const sentence = (text: string, typed: readonly string[] = []): string => {
  const [, word = ''] = /^(\S*?),?(\s|$)/.exec(text) ?? [];
  const isOrdinary = /^[a-z]+$/.test(word) && !typed.includes(word);
  const start = isOrdinary ? text.slice(0, 1).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(start) ? start : `${start}.`;
};

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function optionText(option: Option): string {
  const flags = option.flags.replace(/[<[]?[\w-]+[\]>…]*/g, (word) =>
    word.startsWith('-') ? bold(word) : italic(word.replace(/[<>]/g, '')),
  );
  const notes = [
    option.argChoices === undefined ? undefined : `One of: ${option.argChoices.join(', ')}.`,
    [undefined, false].includes(option.defaultValue as undefined | false) || isEmptyList(option.defaultValue)
      ? undefined
      : `Default: ${String(option.defaultValueDescription ?? option.defaultValue)}.`,
  ].filter((note) => note !== undefined);
  const typed = [...(option.argChoices ?? []), String(option.defaultValue)];
  const text = [...(option.description === '' ? [] : [sentence(option.description, typed)]), ...notes].join(
    ' ',
  );
  return ['.TP', flags, roff(text)].join('\n');
}

function argumentText(argument: Argument): string {
  if (argument.argChoices !== undefined) return argument.argChoices.map(bold).join('|');
  const name = `${argument.name().toUpperCase()}${argument.variadic ? '…' : ''}`;
  return argument.required ? italic(name) : `[${italic(name)}]`;
}

function commandText(command: Command, parents: readonly string[]): string {
  const names = [...parents, command.name()];
  const subcommands = visibleCommands(command);
  if (subcommands.length > 0) return subcommands.map((sub) => commandText(sub, names)).join('\n');
  const options = visibleOptions(command);
  const synopsis = [
    bold(names.join(' ')),
    ...(options.length > 0 ? [`[${italic('options')}]`] : []),
    ...command.registeredArguments.map(argumentText),
  ].join(' ');
  const descriptions = command.registeredArguments
    .filter((argument) => argument.description !== '')
    .map((argument) =>
      ['.TP', italic(argument.name().toUpperCase()), roff(sentence(argument.description))].join('\n'),
    );
  const details = [...descriptions, ...options.map(optionText)];
  const inner = details.length === 0 ? [] : ['.RS', ...details, '.RE'];
  return ['.TP', synopsis, roff(sentence(command.description())), ...inner].join('\n');
}

const applies: Record<AppliesAt, string> = {
  now: 'A change applies at once, in running sandboxes too.',
  sandbox: "A change applies when the user's sandbox next starts.",
  session: 'A change applies at the next login.',
  image: 'A change applies with the next pull, push or import.',
};

function keyText(key: string, { doc, values, defaultText, applies: at }: KeyDoc): string {
  const fallback = defaultText === undefined ? 'no default' : `default ${defaultText}`;
  return ['.TP', bold(key), roff(doc), '.br', roff(`Accepted: ${values}; ${fallback}. ${applies[at]}`)].join(
    '\n',
  );
}

const [folder = '.', date = new Date().toISOString().slice(0, 10)] = process.argv.slice(2);
const program = buildProgram({ stdout: process.stdout, stderr: process.stderr }, version, () => {});
const daemon = daemonCommand();
const replacements: Readonly<Record<string, (page: string) => string>> = {
  '@DATE@': () => date,
  '@VERSION@': () => version,
  '@OPTIONS@': (page) =>
    visibleOptions(page.startsWith('dockershd.') ? daemon : program)
      .map(optionText)
      .join('\n'),
  '@COMMANDS@': () =>
    visibleCommands(program)
      .map((command) => commandText(command, []))
      .join('\n'),
  '@KEYS@': () => policyKeys.map((key) => keyText(key, describePolicyKey(key))).join('\n'),
  '@GATEWAY_KEYS@': () =>
    gatewaySection.keys.map((key) => keyText(key, gatewaySection.describe(key))).join('\n'),
  '@HOST_KEYS@': () => hostSection.keys.map((key) => keyText(key, hostSection.describe(key))).join('\n'),
  '@IMAGES_KEYS@': () =>
    imagesSection.keys.map((key) => keyText(key, imagesSection.describe(key))).join('\n'),
};

const source = path.resolve(import.meta.dirname, '../packaging/man');
mkdirSync(folder, { recursive: true });
for (const page of readdirSync(source)) {
  const text = readFileSync(path.join(source, page), 'utf8');
  const filled = text.replace(/@[A-Z_]+@/g, (name) => replacements[name]?.(page) ?? name);
  writeFileSync(path.join(folder, page), filled);
}
