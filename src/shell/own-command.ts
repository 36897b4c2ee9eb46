// Recognizes a word of self-service ("ssh HOST @status"): the one exception to the rule that no command is ever looked
// at. A command that is not exactly one of these is an ordinary command, and nothing here says anything about it. Pure.
//
//   @help  @status  @sessions  @images  @undo
//   @attach [N] [peek]      @detach [N]            @keep [DURATION]
//   @snapshot [NAME]        @rollback [NAME]       @reset [yes]
//   @image use NAME         @publish [PORT …]      each with --json behind it, where that is wanted
//
// Words are parted by one blank each. There is no quoting, and nothing before or after.

import { type OwnWord, ownWords } from '../lib/values/own-words.ts';
import type { ByteString } from '../lib/wire.ts';
import { type Invocation, shellArguments } from './command.ts';

export interface OwnCommand {
  readonly word: OwnWord;
  readonly args: readonly string[];
  readonly json: boolean;
}

const longest = 2048;
const mostPorts = 32;
const plain = /^[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,543}$/;
const number = /^[0-9]{1,4}$/;
const port = /^[+A-Za-z0-9[][A-Za-z0-9.:+/[\]-]{0,99}$/;

type Form = (args: readonly string[]) => boolean;
const nothing: Form = (args) => args.length === 0;
const atMostOne =
  (form: RegExp): Form =>
  (args) =>
    args.length === 0 || (args.length === 1 && form.test(args[0] ?? ''));

const forms: { readonly [Word in OwnWord]: Form } = {
  help: nothing,
  status: nothing,
  sessions: nothing,
  images: nothing,
  undo: nothing,
  attach: (args) => atMostOne(number)(args.at(-1) === 'peek' ? args.slice(0, -1) : args),
  detach: atMostOne(number),
  keep: atMostOne(plain),
  snapshot: atMostOne(plain),
  rollback: atMostOne(plain),
  reset: atMostOne(/^yes$/),
  image: (args) => args.length === 2 && args[0] === 'use' && plain.test(args[1] ?? ''),
  publish: (args) => args.length <= mostPorts && args.every((arg) => port.test(arg)),
};

const isWord = (text: string): text is OwnWord => ownWords.some((word) => word === text);

/** The words after "dockersh" inside, and behind the "@": undefined where they are none of self-service. */
export function ownCommandOf(words: readonly string[]): OwnCommand | undefined {
  const [word = '', ...rest] = words;
  const json = rest.at(-1) === '--json';
  const args = json ? rest.slice(0, -1) : rest;
  return isWord(word) && forms[word](args) ? { word, args, json } : undefined;
}

/** Undefined: an ordinary command, whatever it is. */
export function parseOwnCommand(command: ByteString): OwnCommand | undefined {
  if (!command.startsWith('@') || command.length > longest) return undefined;
  return ownCommandOf(command.slice(1).split(' '));
}

/** What a login asks of self-service: its whole command is one of these. */
export function ownCommandOfLogin(invocation: Invocation): OwnCommand | undefined {
  const [, option, command, ...more] = shellArguments(invocation);
  return option === '-c' && command !== undefined && more.length === 0 ? parseOwnCommand(command) : undefined;
}

/** As it was typed. */
export function ownCommandText({ word, args, json }: OwnCommand): string {
  return [`@${word}`, ...args, ...(json ? ['--json'] : [])].join(' ');
}
