// Turns what stands against a session in a sandbox that runs into failures.

import { DockershError } from '../../lib/errors.ts';
import { type Failure, nativeError } from '../../lib/failures.ts';
import { shellOperand } from '../../lib/text/shell-word.ts';
import type { Uid } from '../../lib/values/uid.ts';
import type { ConnectionSpec, SessionSpec } from '../engine.ts';

/** Of an ssh connection. Undefined: the sandbox is ending. */
export function connectionRefusalOf(
  failure: Failure,
  { mostConnections }: ConnectionSpec,
): DockershError | undefined {
  switch (failure) {
    case 'stopping':
      return undefined;
    case 'places':
      return nativeError(failure, 'E_SESSION_START', { userDetail: 'this sandbox has 256 ssh connections' });
    case 'sessions':
      return nativeError(failure, 'E_SESSION_START', {
        userDetail: `${mostConnections ?? 'no more'} ssh connections at a time are allowed`,
      });
    default:
      return nativeError(failure, 'E_SESSION_START', { why: "sshd's connection could not join the sandbox" });
  }
}

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

/** The sandbox that runs is of another account with the same uid. */
export function otherUser(uid: Uid, running: string, name: string): DockershError {
  return new DockershError('E_OWNER', {
    what: `the sandbox of uid ${uid} that runs was started for the account ${running}, not for ${name}`,
    hint: `Stop it: dockershctl stop ${uid}`,
  });
}

/** Its supervisor knows no ssh connections. */
export function ofEarlierVersion(user: string): DockershError {
  return new DockershError('E_SESSION_START', {
    why: `the sandbox of ${user} was started by a version before there were connections in it`,
    hint: `Stop it: dockershctl stop ${shellOperand(user)}`,
    userDetail: 'the administrator has to stop your sandbox once, for it is of an earlier version',
  });
}
