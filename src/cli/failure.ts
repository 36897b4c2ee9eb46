// Failures of dockershctl's commands, with the exit status of each.

import { DockershError, hasErrno, sysexits, toDockershError } from '../lib/errors.ts';
import { statusOf } from '../lib/exit-status.ts';
import type { AdminError } from '../protocol/admin.ts';

/** A failure that the administrator reads; its exit status is one of sysexits(3h). */
export class CliFailure extends Error {
  override readonly name = 'CliFailure';
  readonly code: string;
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(error: AdminError, options: { cause?: unknown } = {}) {
    super(error.message, options);
    this.code = error.code;
    this.exitCode = error.exitCode;
    this.hint = error.hint;
  }
}

/** What the daemon answered. */
export function answeredFailure(error: AdminError): CliFailure {
  return new CliFailure({ ...error, exitCode: statusOf(error.code, error.exitCode) });
}

export function toCliFailure(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error;
  if (error instanceof DockershError) {
    const { code, message, hint } = error;
    const exitCode = statusOf(code, error.exitCode);
    return new CliFailure({ code, message, hint, exitCode }, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) return toCliFailure(toDockershError(error));
  return new CliFailure({ code: 'E_INTERNAL', message, exitCode: sysexits.software }, { cause: error });
}
