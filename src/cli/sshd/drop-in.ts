// The text of our file in sshd_config.d: one Match block for each user and group, each with a comment line by
// which we know it again. Pure.

import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';

/** Whose keys let somebody in: the host's files, what is kept inside, or either. */
export type KeysSource = 'host' | 'inside' | 'both';

export interface Entry {
  /** keys: a user whose login shell is dockersh, named here for the keys alone. */
  readonly kind: 'user' | 'group' | 'keys';
  readonly name: string;
  /** Absent: host. */
  readonly keys?: KeysSource;
}

export interface KeysProgram {
  /** As sshd runs it, without what it asks about. */
  readonly command: string;
}

export interface DropInOptions {
  /** The program that ForceCommand names. */
  readonly client: string;
  /** Leaves TCP forwarding as it is elsewhere. */
  readonly tcpForwarding: boolean;
  readonly keys: KeysProgram;
  /** Connections join the sandboxes (pam_dockersh.so): forwards and X11 are inside, and stay as they are elsewhere. */
  readonly joined: boolean;
}

const heading = `# Made by "dockershctl sshd-config", which writes this file anew: changes by hand are lost.
# Whoever is named here gets a sandbox for everything that comes over ssh.
`;

/** What sshd does itself, on the host, whatever the ForceCommand. */
const restrictions = ['PermitTunnel no', 'PermitUserRC no', 'ChrootDirectory none'];
/** What it does where the connection is. */
const forwards = ['AllowStreamLocalForwarding no', 'X11Forwarding no'];

/** The system user that the package makes. */
const keysUser = 'dockersh-keys';

export const keysCommand = ({ command }: KeysProgram): string => `${command} %U %u`;

/** sshd asks before it knows whether the user may log in: dockersh-keys answers from a copy, and starts nothing. */
function keysLines({ keys = 'host' }: Entry, program: KeysProgram): string[] {
  if (keys === 'host') return [];
  const command = [`AuthorizedKeysCommand ${keysCommand(program)}`, `AuthorizedKeysCommandUser ${keysUser}`];
  return keys === 'inside' ? ['AuthorizedKeysFile none', ...command] : command;
}

export function dropInText(entries: readonly Entry[], options: DropInOptions): string {
  const { client, tcpForwarding, joined } = options;
  const forced = [
    `ForceCommand ${client}`,
    ...(joined || tcpForwarding ? [] : ['AllowTcpForwarding no']),
    ...(joined ? [] : forwards),
    ...restrictions,
  ];
  const blocks = entries.map((entry) => {
    const comment = `${markOf(entry)}\n`;
    const all = [...(entry.kind === 'keys' ? [] : forced), ...keysLines(entry, options.keys)];
    return `\n${comment}Match ${criteria(entry)}\n${all.map((line) => `    ${line}\n`).join('')}`;
  });
  // What follows in the file that includes this one must not become part of the last block.
  return `${heading}${blocks.join('')}\nMatch all\n`;
}

/** root is never sent to dockersh, whatever groups it is in. */
function criteria({ kind, name }: Entry): string {
  return kind !== 'group' ? `User "${name}"` : `Group "${name}" User "!root,*"`;
}

const mark = /^# dockersh (user|group|keys): (".*?")(?: keys (inside|both))?$/gm;

function markOf({ kind, name, keys = 'host' }: Entry): string {
  return `# dockersh ${kind}: ${JSON.stringify(name)}${keys === 'host' ? '' : ` keys ${keys}`}`;
}

/** The users and groups that a file of ours has. */
export function entriesOf(text: string): Entry[] {
  return [...text.matchAll(mark)].map(([, kind, name = '""', keys]) => ({
    kind: kind === 'group' || kind === 'keys' ? kind : 'user',
    name: String(JSON.parse(name)),
    ...(keys === 'inside' || keys === 'both' ? { keys } : {}),
  }));
}

export const sameEntry = (one: Entry, other: Entry): boolean =>
  one.kind === other.kind && one.name === other.name;

/** `before`, with `entries` in the place of those of the same name or behind them. */
export function merged(before: readonly Entry[], entries: readonly Entry[]): Entry[] {
  const kept = before.map((one) => entries.find((entry) => sameEntry(one, entry)) ?? one);
  return [...kept, ...entries.filter((entry) => !before.some((one) => sameEntry(one, entry)))];
}

/**
 * Throws CliFailure E_USAGE for a name that sshd would read as a pattern or a list, or that would end its quotes:
 * it can't be written so that it means exactly this user.
 */
export function requireWritable({ kind, name }: Entry): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no control character may get into the file
  const wrong = /["*?,#\x00-\x1f\x7f]|^!|\\$|^\s|\s$|^$/.exec(name);
  if (wrong === null) return;
  throw new CliFailure({
    code: 'E_USAGE',
    message: `${kind} "${name}": a name with ${JSON.stringify(wrong[0])} cannot be written in sshd_config`,
    hint: 'Put the account into a group with a plain name, and name that.',
    exitCode: sysexits.usage,
  });
}
