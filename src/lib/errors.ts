// Failures, each with a code of the catalogue, and what is said of them. Pure; used by the daemon (root) and by
// dockershctl. Only toUserMessage composes what a person reads.

import { type ErrorCode, errorCatalogue } from './error-catalogue.ts';
import { printableLines } from './text/printable.ts';

export {
  type ErrorCode,
  errorCatalogue,
  isErrorCode,
  LOGIN_FAILURE_EXIT,
  sysexits,
} from './error-catalogue.ts';

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
  /** What to do, for administrators; the catalogue's adminHint when absent. */
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
    this.hint = options.hint ?? entry.adminHint;
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
 * What a person who logs in reads: sentences, each on a line, ending in a newline. Composed from the catalogue
 * alone, so no host path and no detail of the host can get into it; `sessionId` finds the rest in the log. For root,
 * who reads paths as well, the second sentence says what an administrator can do.
 */
export function toUserMessage(
  error: unknown,
  sessionId: string | undefined,
  reader: 'user' | 'administrator' = 'user',
): string {
  const failure = toDockershError(error);
  const entry = errorCatalogue[failure.code];
  const detail = failure.userDetail === undefined ? '' : ` (${failure.userDetail})`;
  const id = sessionId === undefined ? '' : `, session ${sessionId}`;
  const hint = reader === 'user' ? entry.hint : failure.hint;
  return `dockersh: ${sentence(entry.message + detail)}\ndockersh: ${hint} [${failure.code}${id}]\n`;
}

/** What an administrator reads: everything, with paths. Several lines ending in a newline. */
export function toAdminMessage(error: unknown, program: string): string {
  const failure = toDockershError(error);
  return printableLines(`${fullStop(failure.message)}\n${failure.hint} [${failure.code}]`, `${program}: `);
}

function sentence(clause: string): string {
  return fullStop(clause.charAt(0).toUpperCase() + clause.slice(1));
}

/** The text with a full stop, unless it ends in a mark already. */
export function fullStop(text: string): string {
  return /[.!?:]\s*$/.test(text) ? text : `${text}.`;
}
