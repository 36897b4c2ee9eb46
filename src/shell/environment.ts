// Makes the environment of a session, from the image, the account, and the few variables of the login that may travel
// into the sandbox. Pure. native/login/environ.c has the same list, to keep messages small.

import { type ByteString, byteStringOf } from '../lib/wire.ts';

const travels = new Set([
  'TERM',
  'LANG',
  'LANGUAGE',
  'TZ',
  'COLORTERM',
  'NO_COLOR',
  'GIT_PROTOCOL',
  'SSH_CLIENT',
  'SSH_CONNECTION',
]);

const defaultPath = '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games';

const nameOf = (entry: string): string => entry.slice(0, entry.indexOf('='));

/** Not SSH_ORIGINAL_COMMAND: it is what runs, and twice in one message a long command would not fit. */
export function mayTravel(entry: ByteString): boolean {
  const name = nameOf(entry);
  return travels.has(name) || name.startsWith('LC_');
}

/** The value of a variable that came with the login. */
export function variable(env: readonly ByteString[], name: string): ByteString | undefined {
  return env.findLast((entry) => nameOf(entry) === name)?.slice(name.length + 1);
}

/**
 * What comes on top of the image's environment: the login's own that may travel, first, then the policy's (which root means as it
 * says), then what is a fact. HOME follows with the sandbox, which knows where it is.
 */
export function sessionEnvironment(
  account: { readonly name: string; readonly uid: number; readonly shell: string },
  login: readonly ByteString[],
  policy: readonly string[],
): ByteString[] {
  const own = [
    `USER=${account.name}`,
    `LOGNAME=${account.name}`,
    `SHELL=${account.shell}`,
    `XDG_RUNTIME_DIR=/run/user/${account.uid}`,
  ];
  return [...login.filter(mayTravel), ...[...policy, ...own].map(byteStringOf)];
}

/** The image's environment, with the search path that an image without one needs. */
export function imageEnvironment(image: readonly string[]): string[] {
  return [`PATH=${defaultPath}`, ...image];
}
