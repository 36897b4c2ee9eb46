// Turns a login into a session: a shell, its arguments, its environment. Pure.

import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { SessionKeep, SessionLimits, SessionSpec, TcpEnds, UserRecord } from '../isolation/engine.ts';
import { parseAddress } from '../lib/network/address.ts';
import type { EffectivePolicy } from '../policy/policy.ts';
import type { LoginRequest } from '../protocol/login.ts';
import { hasOwnCommand, shellArguments } from './command.ts';
import { mayTravel, passesNothing, sessionEnvironment, spareVariables, variable } from './environment.ts';
import { type Surroundings, welcomeText } from './welcome.ts';

const idBytes = 5;
let random = Buffer.alloc(0);

/** Ten characters, enough to find one login in a log; not a secret. */
export function newSessionId(): string {
  // Many at a time: asking for five bytes costs as much as for a thousand, a twentieth of a millisecond.
  if (random.length < idBytes) random = randomBytes(idBytes * 200);
  const id = random.toString('hex', 0, idBytes);
  random = random.subarray(idBytes);
  return id;
}

export interface ShellChoice {
  readonly path: string;
  /** Somebody asked for this shell, so its absence is worth a word. */
  readonly wanted: boolean;
}

const fallbackShell = '/bin/bash';
const noShells = new Set(['nologin', 'false', 'true', 'sync', 'dockersh']);

/** The policy's shell, else the account's unless that is dockersh or none at all, else bash. */
export function chooseShell(policyShell: string | undefined, user: UserRecord): ShellChoice {
  if (policyShell !== undefined) return { path: policyShell, wanted: true };
  const name = user.shell.slice(user.shell.lastIndexOf('/') + 1);
  if (!user.shell.startsWith('/') || noShells.has(name)) return { path: fallbackShell, wanted: false };
  return { path: user.shell, wanted: true };
}

/** The shell on the host of an account that is exempt. The client takes /bin/sh where this one can't be run. */
export function hostShell(user: Pick<UserRecord, 'shell'>): string {
  const name = user.shell.slice(user.shell.lastIndexOf('/') + 1);
  return user.shell.startsWith('/') && !noShells.has(name) ? user.shell : fallbackShell;
}

/**
 * Where the login came from: the first word of SSH_CONNECTION, which anybody can make up. What no address has in it
 * is left out, so that it is short in any form.
 */
export function loginSource(request: LoginRequest): string | undefined {
  return sourceText(variable(request.env, 'SSH_CONNECTION')?.split(' ')[0]);
}

/** All of it, as much to be believed. */
export function loginTcp(request: LoginRequest): TcpEnds | undefined {
  const [remote = '', remotePort, local = '', localPort] =
    variable(request.env, 'SSH_CONNECTION')?.split(' ') ?? [];
  const [ours, theirs] = [parseAddress(local), parseAddress(remote)];
  if (ours === undefined || ours.family !== theirs?.family) return undefined;
  const [localEnd, remoteEnd] = [portOf(localPort), portOf(remotePort)];
  if (localEnd === undefined || remoteEnd === undefined) return undefined;
  return [ours.address, localEnd, theirs.address, remoteEnd];
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Whether the login says that it has a terminal. Who makes it up reads at the wrong place what is for them alone. */
export function isAtTerminal(request: LoginRequest): boolean {
  if (request.user !== undefined) return false; // root's, by dockershctl exec
  const byNetwork = variable(request.env, 'SSH_CONNECTION') !== undefined;
  return (
    variable(request.env, 'SSH_TTY') !== undefined || (!byNetwork && shellArguments(request).length === 1)
  );
}

/** An address, or the name of a host, as it may be shown. */
export function sourceText(text: string | undefined): string | undefined {
  return text?.replaceAll(/[^\w.:%-]/g, '?').slice(0, 64);
}

export type SessionPolicy = Pick<
  EffectivePolicy,
  | 'env'
  | 'passEnv'
  | 'imageUser'
  | 'timezone'
  | 'umask'
  | 'banner'
  | 'welcome'
  | 'hostname'
  | 'onHangup'
  | 'keepForMs'
  | 'mostKept'
  | keyof SessionLimits
> &
  Surroundings;

/** Root, who comes by dockershctl exec, is not to be kept out or sent away. */
function limitsOf(policy: SessionPolicy, byRoot: boolean): SessionLimits {
  const { nice, openFiles, fileSizeBytes, lockedBytes, stackBytes, processTimeMs } = policy;
  const { mostSessions, sessionTimeMs, idleTimeMs } = policy;
  const resources = { nice, openFiles, fileSizeBytes, lockedBytes, stackBytes, processTimeMs };
  return byRoot
    ? { ...resources, mostSessions: null, sessionTimeMs: null, idleTimeMs: null }
    : { ...resources, mostSessions, sessionTimeMs, idleTimeMs };
}

function keepOf({ onHangup, keepForMs: forMs, mostKept: most }: SessionPolicy): SessionKeep | null {
  return onHangup === 'keep' ? { forMs, most } : null;
}

function welcomed(policy: SessionPolicy): string {
  const welcome = welcomeText(policy, policy.hostname ?? hostname());
  return policy.banner === null ? welcome : `${welcome}\n${policy.banner}`;
}

/** `joined`: whether the user has a connection whose forwards are in the sandbox. */
export function sessionOf(
  id: string,
  request: LoginRequest,
  user: UserRecord,
  shell: ShellChoice,
  policy: SessionPolicy,
  joined = false,
): SessionSpec {
  const account = { name: user.name, uid: user.uid, shell: shell.path };
  const zone = policy.timezone === undefined ? [] : [`TZ=${policy.timezone}`];
  const passing =
    request.user === undefined
      ? { names: policy.passEnv, joined, original: hasOwnCommand(request) }
      : passesNothing;
  const env = sessionEnvironment(account, request.env, [...zone, ...policy.env], passing);
  const spareCount = spareVariables(request.env, passing).length;
  const limits = limitsOf(policy, request.user !== undefined);
  const umask = policy.umask ?? request.umask;
  const common = {
    id,
    env,
    spareVariables: spareCount,
    sentVariables: spareCount + request.env.filter(mayTravel).length,
    umask,
    from: loginSource(request),
    tcp: loginTcp(request),
    limits,
    keep: request.user === undefined ? keepOf(policy) : null,
    offer: null,
    banner: policy.banner,
  };
  // dockersh-exec: the first argument is the user, the rest a command that is run as it stands.
  if (request.user !== undefined && request.args.length > 1) {
    const asImageUser = policy.imageUser !== 'ignore';
    return { ...common, args: request.args.slice(1), program: { kind: 'direct' }, asImageUser };
  }
  const args = request.user === undefined ? shellArguments(request) : ['-'];
  // A shell with arguments has something to do; one without is somebody's login.
  const asImageUser = policy.imageUser === 'commands' && args.length > 1;
  const isLogin = args.length === 1 && request.user === undefined;
  return {
    ...common,
    banner: isLogin && policy.welcome === 'yes' ? welcomed(policy) : policy.banner,
    asImageUser,
    args,
    program: { kind: 'shell', path: shell.path, announceFallback: shell.wanted },
  };
}
