// Makes the environment of a session, from the image, the account, and the variables of the login that may travel into
// the sandbox: a fixed few, what root's policy names (pass_env), and what sshd makes for a connection that has joined
// the sandbox. Nothing here is acted on, on the host: what passes has its effect inside. Pure. native/login/environ.c
// has the same lists, to say what is wanted least.

import { type ByteString, byteStringOf } from '../lib/wire.ts';
import { globTest } from '../policy/glob.ts';
import { alwaysPasses, neverPasses } from '../policy/values/session.ts';

/** Paths and numbers of sshd's own making, of use where what they name is in the sandbox too. */
const ofConnection = new Set(['SSH_AUTH_SOCK', 'DISPLAY', 'XAUTHORITY']);

const defaultPath = '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games';

const nameOf = (entry: string): string => entry.slice(0, entry.indexOf('='));

/** Not SSH_ORIGINAL_COMMAND: it is what runs, and twice in one message a long command would not fit. */
export function mayTravel(entry: ByteString): boolean {
  return alwaysPasses(nameOf(entry));
}

/** What of a login passes besides what always does. */
export interface Passing {
  /** Globs of names, from the policy (pass_env). */
  readonly names: readonly string[];
  /** Whether sshd's processes of this user's are known to be in the sandbox: SSH_AUTH_SOCK, DISPLAY and XAUTHORITY then mean something there. */
  readonly joined: boolean;
  /** Whether SSH_ORIGINAL_COMMAND is for the program that runs, the command that the user's key has. */
  readonly original: boolean;
}

/** As dockershctl exec has it: nothing of root's. */
export const passesNothing: Passing = { names: [], joined: false, original: false };

/** Policies have few of them between them. */
const tests = new Map<string, (name: string) => boolean>();
const mostTests = 1000;

function globFor(glob: string): (name: string) => boolean {
  const known = tests.get(glob);
  if (known !== undefined) return known;
  const made = globTest(glob);
  const test = 'test' in made ? made.test : () => false;
  if (tests.size < mostTests) tests.set(glob, test);
  return test;
}

/** What passes besides, and is left out where there is no room for it. */
export function spareVariables(
  login: readonly ByteString[],
  { names, joined, original }: Passing,
): ByteString[] {
  if (names.length === 0 && !joined && !original) return [];
  const globs = names.map(globFor);
  return login.filter((entry) => {
    const name = nameOf(entry);
    if (ofConnection.has(name)) return joined;
    if (name === 'SSH_ORIGINAL_COMMAND') return original;
    return !mayTravel(entry) && !neverPasses(name) && globs.some((fits) => fits(name));
  });
}

/** The value of a variable that came with the login. */
export function variable(env: readonly ByteString[], name: string): ByteString | undefined {
  return env.findLast((entry) => nameOf(entry) === name)?.slice(name.length + 1);
}

/**
 * What comes on top of the image's environment: the login's own, first what passes besides and then what always may travel, then
 * the policy's (which root means as it says), then what is a fact. HOME follows with the sandbox, which knows where it is.
 */
export function sessionEnvironment(
  account: { readonly name: string; readonly uid: number; readonly shell: string },
  login: readonly ByteString[],
  policy: readonly string[],
  passing: Passing = passesNothing,
): ByteString[] {
  const own = [
    `USER=${account.name}`,
    `LOGNAME=${account.name}`,
    `SHELL=${account.shell}`,
    `XDG_RUNTIME_DIR=/run/user/${account.uid}`,
  ];
  const sent = [...spareVariables(login, passing), ...login.filter(mayTravel)];
  return [...sent, ...[...policy, ...own].map(byteStringOf)];
}

/** What says where the agent of a login is, inside: for a login that begins no program. */
export function agentEnvironment(
  account: { readonly name: string; readonly uid: number },
  login: readonly ByteString[],
  joined: boolean,
): ByteString[] {
  const passing = { names: [], joined, original: false };
  const all = sessionEnvironment({ ...account, shell: '' }, login, [], passing);
  return all.filter((entry) => /^(?:SSH_AUTH_SOCK|SSH_CONNECTION|XDG_RUNTIME_DIR)=/.test(entry));
}

/** The image's environment, with the search path that an image without one needs. */
export function imageEnvironment(image: readonly string[]): string[] {
  return [`PATH=${defaultPath}`, ...image];
}
