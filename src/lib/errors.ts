// The one catalogue of failures. A code is permanent: logs, scripts and documentation refer to it.
// Pure; used by the daemon (root) and by dockershctl. Only toUserMessage composes what a person reads.

import { printableLines } from './text/printable.ts';

/** Exit status of the login path for every failure of our own (a command's own status is never this by us). */
export const LOGIN_FAILURE_EXIT = 125;

/** sysexits(3h) values that administrators' commands exit with. */
export const sysexits = {
  usage: 64,
  dataErr: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  osErr: 71,
  cantCreate: 73,
  ioErr: 74,
  tempFail: 75,
  protocol: 76,
  noPerm: 77,
  config: 78,
} as const;

interface CatalogueEntry {
  /** `login`: met by a person who logs in. `admin`: met by dockershctl or at the daemon's start. */
  readonly audience: 'login' | 'admin';
  /** 125 on the login path, a sysexits value elsewhere. */
  readonly exitCode: number;
  /** What failed, for a user: no host path, no detail. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

const login = (message: string, hint: string): CatalogueEntry => ({
  audience: 'login',
  exitCode: LOGIN_FAILURE_EXIT,
  message,
  hint,
});
const admin = (exitCode: number, message: string, hint: string): CatalogueEntry => ({
  audience: 'admin',
  exitCode,
  message,
  hint,
});

const askAdmin = 'Ask the administrator of this host';

export const errorCatalogue = {
  E_NO_POLICY: login(
    'no sandbox is configured for this account',
    `${askAdmin} to give the account an image.`,
  ),
  E_POLICY_UNFIT: login(
    'a setting for this account comes to something that is not accepted',
    `${askAdmin}: "dockershctl policy explain" names the setting.`,
  ),
  E_POLICY_BROKEN: login(
    'the policy of this host is broken, so nobody can be logged in',
    `${askAdmin} to mend it: "dockershctl policy check" names what is wrong.`,
  ),
  E_ROOT_LOGIN: login(
    'root cannot be given a sandbox',
    'Give root an ordinary login shell: dockersh is for the other accounts.',
  ),
  E_UID_RANGE: login(
    'the id of this account is outside the range that sandboxes support',
    `${askAdmin} to use an account with another user id.`,
  ),
  E_IMAGE_MISSING: login('the image of this sandbox is not on this host', `${askAdmin} to import it.`),
  E_IMAGE_BROKEN: login(
    'the image of this sandbox is damaged or incomplete',
    `${askAdmin} to import it again.`,
  ),
  E_DISK_FULL: login('the disk of this host is full', `Free some space, or ask the administrator to.`),
  E_DISK_BROKEN: login(
    'your disk in the sandbox is damaged',
    `${askAdmin}: the log names the file and how to mend it.`,
  ),
  E_LIMIT_REFUSED: login(
    'this host cannot enforce the limits of this sandbox',
    `${askAdmin}: the log names the limit and the controller that is missing.`,
  ),
  E_MOUNT: login(
    'a folder that belongs into this sandbox cannot be mounted',
    `${askAdmin}: the log names the folder and what is wrong with it.`,
  ),
  E_DEVICE: login(
    'a device that belongs into this sandbox cannot be had',
    `${askAdmin}: the log names the device.`,
  ),
  E_SECCOMP: login(
    'the system calls that this sandbox may make cannot be worked out',
    `${askAdmin}: "dockershctl policy check" names the file and what is wrong with it.`,
  ),
  E_HOME: login(
    'the home folder of this sandbox is not where it should be',
    `${askAdmin}: the log says where it was looked for. Nothing of it has been changed.`,
  ),
  E_SANDBOX_START: login(
    'the sandbox could not be started',
    `Try again; if it fails again, ask the administrator.`,
  ),
  E_SESSION_START: login(
    'the session could not be started',
    `Try again; if it fails again, ask the administrator.`,
  ),
  E_TOO_LARGE: login(
    'this login brings more along than a session can have',
    `Give a shorter command or send fewer variables (ssh's SendEnv); those of the image are the administrator's.`,
  ),
  E_STOPPING: login('the sandbox is being stopped', 'Log in again in a few seconds.'),
  E_BUSY: login('too many logins at once', 'Log in again in a few seconds.'),
  E_SESSIONS: login(
    'you have as many sessions as you may have at a time',
    'End one of them first, or ask the administrator of this host for more.',
  ),
  E_STUCK: login(
    'processes of your earlier logins can’t be ended',
    'They wait for descriptors that were handed over at a login. End what is at the other side of these, or ask the administrator of this host.',
  ),
  E_FULL: login('this host has no room for more just now', 'Log in again later.'),
  E_LOGIN_RATE: login('too many logins in a short time', 'Wait a little before you log in again.'),
  E_MAINTENANCE: login('logins are closed for maintenance', 'Log in again later.'),
  E_DAEMON_DOWN: login('the sandbox service is not running', `${askAdmin} to start dockershd.`),
  E_KERNEL: login(
    'the kernel of this host lacks something that sandboxes need',
    `${askAdmin}: the log names what is missing.`,
  ),
  E_PROTOCOL: login(
    'the two sides of a connection do not understand each other',
    'Install the same version of every dockersh program.',
  ),
  E_INTERNAL: login('an internal error', `${askAdmin} to look into the log.`),
  E_POLICY_INVALID: admin(
    sysexits.config,
    'the policy is not valid',
    'Run "dockershctl policy check" and correct what it names.',
  ),
  E_UNTRUSTED_PATH: admin(
    sysexits.noPerm,
    'a file or folder could be changed by somebody other than root',
    'Make it owned by root and not writable by group or others.',
  ),
  E_USAGE: admin(sysexits.usage, 'wrong usage', 'Run the command with --help.'),
  E_NOT_FOUND: admin(sysexits.noInput, 'not found', 'Check the name.'),
  E_REGISTRY: admin(
    sysexits.unavailable,
    'the registry cannot be reached, or does not keep to the protocol',
    'Check the name of the registry and the network, then try again.',
  ),
  E_REGISTRY_DENIED: admin(
    sysexits.noPerm,
    'the registry does not allow it',
    'Log in with "docker login" as root, or have the account allowed.',
  ),
  E_ARCHIVE_REFUSED: admin(
    sysexits.dataErr,
    'the archive or image is unsafe, or larger than this host accepts',
    'Make it again without what is named, or raise the limit in the policy.',
  ),
} as const satisfies Record<string, CatalogueEntry>;

/** Permanent code of a failure. */
export type ErrorCode = keyof typeof errorCatalogue;

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCatalogue, value);
}

/** What the kernel said: system call, the object it was about, and the errno name ("ENOSPC"). */
export interface NativeFailure {
  readonly syscall: string;
  readonly object?: string;
  readonly errno: string;
}

export interface DockershErrorOptions {
  /** What failed, with the object ("image base"). For the log and for administrators: may hold host paths. */
  readonly what?: string;
  /** Why, as precisely as it is known. For the log and for administrators. */
  readonly why?: string;
  /** What to do, for administrators; the catalogue's hint when absent. */
  readonly hint?: string;
  /** Extra sentence for users who log in. Must not hold a host path. */
  readonly userDetail?: string;
  readonly native?: NativeFailure;
  readonly cause?: unknown;
}

/** A failure with a permanent code. `message` is the full text (what: why) for logs and administrators. */
export class DockershError extends Error {
  override readonly name = 'DockershError';
  readonly code: ErrorCode;
  readonly exitCode: number;
  readonly what: string;
  readonly why: string | undefined;
  readonly hint: string;
  readonly userDetail: string | undefined;
  readonly native: NativeFailure | undefined;

  constructor(code: ErrorCode, options: DockershErrorOptions = {}) {
    const entry = errorCatalogue[code];
    const what = options.what ?? entry.message;
    const why = options.why ?? describeNative(options.native);
    super(
      why === undefined ? what : `${what}: ${why}`,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.code = code;
    this.exitCode = entry.exitCode;
    this.what = what;
    this.why = why;
    this.hint = options.hint ?? entry.hint;
    this.userDetail = options.userDetail;
    this.native = options.native;
  }
}

function describeNative(native: NativeFailure | undefined): string | undefined {
  if (native === undefined) return undefined;
  const call = native.object === undefined ? native.syscall : `${native.syscall} ${native.object}`;
  return `${call}: ${native.errno}`;
}

/** Any thrown value as a DockershError; what is not one becomes `fallback` (E_DISK_FULL for ENOSPC, EDQUOT). */
export function toDockershError(error: unknown, fallback: ErrorCode = 'E_INTERNAL'): DockershError {
  if (error instanceof DockershError) return error;
  const native = nativeFailureOf(error);
  const full = native?.errno === 'ENOSPC' || native?.errno === 'EDQUOT';
  const why = error instanceof Error ? error.message : String(error);
  return new DockershError(full ? 'E_DISK_FULL' : fallback, {
    why,
    cause: error,
    ...(native === undefined ? {} : { native }),
  });
}

/** The system call, object and errno name that a Node or addon error carries, if it is one. */
export function nativeFailureOf(error: unknown): NativeFailure | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || typeof syscall !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  return { syscall, errno: code, ...(typeof path === 'string' ? { object: path } : {}) };
}

/** True for an Error of Node or the addon that has this errno name ("ENOENT"). */
export function hasErrno(error: unknown, ...names: readonly string[]): boolean {
  if (!(error instanceof Error)) return false;
  const { code = '' } = error as NodeJS.ErrnoException;
  // One number with two names (errno(3)): Node says the first, the addon the second.
  return names.includes(code) || (code === 'ENOTSUP' && names.includes('EOPNOTSUPP'));
}

/**
 * What a person who logs in reads, one to three lines ending in a newline. Composed from the catalogue
 * alone, so no host path and no detail of the host can get into it; `sessionId` finds the rest in the log.
 */
export function toUserMessage(error: unknown, sessionId: string | undefined): string {
  const failure = toDockershError(error);
  const entry = errorCatalogue[failure.code];
  const detail = failure.userDetail === undefined ? '' : ` (${failure.userDetail})`;
  const id = sessionId === undefined ? '' : `, session ${sessionId}`;
  return `dockersh: ${entry.message}${detail}\ndockersh: ${entry.hint} [${failure.code}${id}]\n`;
}

/** What an administrator reads: everything, with paths. Several lines ending in a newline. */
export function toAdminMessage(error: unknown, program: string): string {
  const failure = toDockershError(error);
  return printableLines(`${failure.message}\n${failure.hint} [${failure.code}]`, `${program}: `);
}
