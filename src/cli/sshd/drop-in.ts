// The text of our file in sshd_config.d: one Match block for each user and group, each with a comment line by
// which we know it again. Pure.

import { sysexits } from '../../lib/errors.ts';
import { CliFailure } from '../failure.ts';

export interface Entry {
  readonly kind: 'user' | 'group';
  readonly name: string;
}

export interface DropInOptions {
  /** The program that ForceCommand names. */
  readonly client: string;
  /** Leaves TCP forwarding as it is elsewhere. */
  readonly tcpForwarding: boolean;
}

const heading = `# Made by "dockershctl sshd-config", which writes this file anew: changes by hand are lost.
# Whoever is named here gets a sandbox for everything that comes over ssh.
`;

/** What sshd does itself, on the host, whatever the ForceCommand. */
const restrictions = [
  'AllowStreamLocalForwarding no',
  'PermitTunnel no',
  'X11Forwarding no',
  'PermitUserRC no',
  'ChrootDirectory none',
];

export function dropInText(entries: readonly Entry[], { client, tcpForwarding }: DropInOptions): string {
  const lines = [
    `ForceCommand ${client}`,
    ...(tcpForwarding ? [] : ['AllowTcpForwarding no']),
    ...restrictions,
  ].map((line) => `    ${line}`);
  const blocks = entries.map((entry) => {
    const comment = `${markOf(entry)}\n`;
    return `\n${comment}Match ${criteria(entry)}\n${lines.join('\n')}\n`;
  });
  // What follows in the file that includes this one must not become part of the last block.
  return `${heading}${blocks.join('')}\nMatch all\n`;
}

/** root is never sent to dockersh, whatever groups it is in. */
function criteria({ kind, name }: Entry): string {
  return kind === 'user' ? `User "${name}"` : `Group "${name}" User "!root,*"`;
}

const mark = /^# dockersh (user|group): (".*")$/gm;

function markOf({ kind, name }: Entry): string {
  return `# dockersh ${kind}: ${JSON.stringify(name)}`;
}

/** The users and groups that a file of ours has. */
export function entriesOf(text: string): Entry[] {
  return [...text.matchAll(mark)].map(([, kind, name = '""']) => ({
    kind: kind === 'group' ? 'group' : 'user',
    name: String(JSON.parse(name)),
  }));
}

export const sameEntry = (one: Entry, other: Entry): boolean =>
  one.kind === other.kind && one.name === other.name;

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
