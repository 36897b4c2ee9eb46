// Writes and reads the two lines of pam_dockersh.so in sshd's PAM service: the first line and the last one of its session part. What an
// administrator has written around them stays byte for byte as it is. Pure.

import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';

/** Accounts that sshd's ForceCommand sends to dockersh; those whose login shell it is need no mention. */
export interface ModuleNames {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  /** The login shell that is dockersh, where that is not usualClient. */
  readonly client?: string;
}

/** Compiled into the module. */
export const usualClient = '/usr/bin/dockersh';

export type ModuleState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'wrong'; readonly why: string }
  | { readonly kind: 'there'; readonly module: string; readonly all: boolean; readonly names: ModuleNames };

/** Whether a file that a service includes has session lines. */
export type HasSession = (name: string) => boolean;

const comment =
  '# dockersh: this line stands before, and another one behind, all session lines (dockershctl sshd-module).';
const commentOfLast = '# dockersh: the last of all session lines.';
export const moduleName = 'pam_dockersh.so';
const ours = /^\s*-?session\s[^#]*\bpam_dockersh\.so\b/i;

/** Lines as PAM reads them: with a backslash at its end, the next one belongs to it. */
function logicalLines(text: string): string[] {
  return text.match(/(?:[^\n]*\\\n)*[^\n]*(?:\n|$)/g)?.filter((line) => line !== '') ?? [];
}

function isSession(line: string, hasSession: HasSession): boolean {
  if (/^\s*-?session\s/i.test(line)) return true;
  const included = /^\s*@include\s+(\S+)/i.exec(line)?.[1];
  return included !== undefined && hasSession(included);
}

/** The text without what we have put there. */
export function withoutModule(text: string): string {
  const lines = logicalLines(text);
  const isOurs = (line: string): boolean =>
    ours.test(line) || [comment, commentOfLast].includes(line.trimEnd());
  return lines.filter((line) => !isOurs(line)).join('');
}

/** The text with our lines, once. Throws CliFailure for a name that cannot be written, and where there is no session part. */
export function withModule(
  text: string,
  names: ModuleNames,
  hasSession: HasSession,
  module: string = moduleName,
): string {
  const plain = withoutModule(text);
  const lines = logicalLines(plain.endsWith('\n') || plain === '' ? plain : `${plain}\n`);
  const first = lines.findIndex((line) => isSession(line, hasSession));
  const last = lines.findLastIndex((line) => isSession(line, hasSession));
  if (first === -1) throw failure('it has no session lines', 'Is it the PAM service of sshd?');
  const options = optionsOf(names);
  lines.splice(last + 1, 0, `${commentOfLast}\n`, `session required ${[module, ...options].join(' ')}\n`);
  lines.splice(first, 0, `${comment}\n`, `session required ${[module, 'early', ...options].join(' ')}\n`);
  return lines.join('');
}

function optionsOf({ users, groups, client }: ModuleNames): string[] {
  return [
    ...(client === undefined || client === usualClient ? [] : [option('client', [client])]),
    ...(users.length === 0 ? [] : [option('users', users)]),
    ...(groups.length === 0 ? [] : [option('groups', groups)]),
  ];
}

/** PAM takes what stands in brackets for one word (pam.conf(5)). */
function option(name: string, values: readonly string[]): string {
  const wrong = values.find((value) => /[,#[\]\n]|\\$|^\s|\s$|^$/.test(value));
  if (wrong !== undefined) {
    throw failure(
      `the name "${wrong}" cannot be written in it`,
      'Put the accounts into a group with a plain name, and name that.',
    );
  }
  const text = `${name}=${values.join(',')}`;
  return /\s/.test(text) ? `[${text}]` : text;
}

export function moduleState(text: string, hasSession: HasSession): ModuleState {
  const sessions = logicalLines(text).filter((line) => isSession(line, hasSession));
  const found = sessions.filter((line) => ours.test(line));
  const [early = '', last = ''] = [sessions[0], sessions.at(-1)];
  if (found.length === 0) return { kind: 'absent' };
  const wrong = (why: string): ModuleState => ({ kind: 'wrong', why });
  if (found.length === 1) return wrong(`only one line names ${moduleName}; there are to be two`);
  if (found.length > 2) return wrong(`${found.length} lines name ${moduleName}; there are to be two`);
  if (!ours.test(early) || !wordsOf(early).includes('early'))
    return wrong(`the first session line is not that of "${moduleName} early"`);
  if (!ours.test(last) || wordsOf(last).includes('early'))
    return wrong(`the last session line is not that of ${moduleName}`);
  const optional = found.find((line) => !/^\s*session\s+required\s/i.test(line));
  if (optional !== undefined)
    return wrong(`"${optional.trim()}" does not say required, so that sshd goes on where it fails`);
  const [one, other] = found.map((line) => wordsOf(line).filter((word) => word !== 'early'));
  if (one?.join(' ') !== other?.join(' ')) return wrong('the two lines have different options');
  const [module = '', ...options] = other ?? [];
  const names = (name: string): string[] =>
    options
      .filter((word) => word.startsWith(`${name}=`))
      .flatMap((word) => word.slice(name.length + 1).split(','));
  const [client] = names('client');
  const own = client === undefined ? {} : { client };
  const listed = { users: names('users'), groups: names('groups'), ...own };
  return { kind: 'there', module, all: options.includes('all'), names: listed };
}

/** The module and its options. */
function wordsOf(line: string): string[] {
  const [, rest = ''] = /^\s*-?session\s+(?:\[[^\]]*\]|\S+)\s+([^#]*)/i.exec(line) ?? [];
  return (rest.replaceAll('\\\n', ' ').match(/\[[^\]]*\]|\S+/g) ?? []).map((word) =>
    word.replace(/^\[(.*)\]$/, '$1'),
  );
}

function failure(why: string, hint: string): CliFailure {
  return new CliFailure({
    code: 'E_PAM_SERVICE',
    message: `sshd's PAM service can't be changed: ${why}`,
    hint: `Nothing was changed. ${hint}`,
    exitCode: sysexits.config,
  });
}
