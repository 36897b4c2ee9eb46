// A problem in a policy file: what is wrong, and in which place. Pure.

import type { ErrorCode } from '../lib/errors.ts';

export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** 1-based; 0 when the file as a whole is at fault. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column?: number;
  readonly message: string;
  readonly hint?: string;
  /** Code of the failure when it is not E_POLICY_INVALID. */
  readonly code?: ErrorCode;
}

/** "FILE:LINE:COLUMN: error: MESSAGE (HINT)", the form that editors jump to. */
export function formatProblem(problem: Problem): string {
  const column = problem.column === undefined ? '' : `:${problem.column}`;
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}${column}`;
  const hint = problem.hint === undefined ? '' : ` (${problem.hint})`;
  return `${place}: ${problem.severity}: ${problem.message}${hint}`;
}
