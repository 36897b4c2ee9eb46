// Turns what stands against a session in a sandbox that runs into failures.

import type { DockershError } from '../../lib/errors.ts';
import { type Failure, nativeError } from '../../lib/failures.ts';
import type { SessionSpec } from '../engine.ts';

/** Undefined: the sandbox is ending. */
export function refusalOf(failure: Failure, { limits }: SessionSpec): DockershError | undefined {
  switch (failure) {
    case 'stopping':
      return undefined;
    case 'places':
      return nativeError(failure, 'E_SESSION_START', { userDetail: 'this sandbox has 256' });
    case 'sessions':
      return nativeError(failure, 'E_SESSION_START', {
        userDetail: `${limits.mostSessions ?? 'no more'} at a time are allowed`,
      });
    default:
      return nativeError(failure, 'E_SESSION_START');
  }
}
