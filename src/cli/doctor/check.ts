// The type of a check of "dockershctl doctor". A check looks and changes nothing. Each is a row of a table, so that
// docs/admin.md, the tests and --json speak of the same ids.

import type { Context } from './context.ts';
import type { Subject } from './subject.ts';

/** unknown: it could not be found out. */
export type State = 'ok' | 'warning' | 'critical' | 'unknown';

export type CheckGroup =
  | 'kernel'
  | 'cgroups'
  | 'file systems'
  | 'network'
  | 'policy'
  | 'daemon'
  | 'programs'
  | 'accounts'
  | 'ways around';

export interface Finding {
  readonly state: State;
  /** What was seen. */
  readonly found: string;
  /** What exactly to do; there for every state but ok. */
  readonly fix?: string;
}

interface Description {
  /** Permanent: monitoring and documentation refer to it. */
  readonly id: string;
  readonly group: CheckGroup;
  /** What holds when all is well. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
}

export interface HostCheck extends Description {
  readonly run: (context: Context) => Promise<Finding> | Finding;
}

/** A check of each account that has a sandbox. */
export interface UserCheck extends Description {
  readonly look: (subject: Subject, context: Context) => Promise<Finding> | Finding;
}

export interface CheckResult extends Description, Finding {
  /** The accounts that it is about, where it is about accounts. */
  readonly users: readonly string[];
}

export const ok = (found: string): Finding => ({ state: 'ok', found });
export const warning = (found: string, fix: string): Finding => ({ state: 'warning', found, fix });
export const critical = (found: string, fix: string): Finding => ({ state: 'critical', found, fix });
export const unknown = (found: string, fix: string): Finding => ({ state: 'unknown', found, fix });

/** As monitoring plugins have it: 0 ok, 1 warning, 2 critical, 3 unknown. */
export function statusOf(results: readonly Pick<CheckResult, 'state'>[]): number {
  const there = (state: State): boolean => results.some((result) => result.state === state);
  if (there('critical')) return 2;
  if (there('warning')) return 1;
  return there('unknown') ? 3 : 0;
}
