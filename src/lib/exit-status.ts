// Gives the exit status of a command that fails, for dockershctl and for words of self-service. Pure.

import { LOGIN_FAILURE_EXIT, sysexits } from './error-catalogue.ts';

// Codes of the login path have exit status 125, which says nothing to a script that asks for something else.
const exitCodes: Partial<Record<string, number>> = {
  E_IMAGE_MISSING: sysexits.noInput,
  E_IMAGE_BROKEN: sysexits.dataErr,
  E_IMAGE_UNTRUSTED: sysexits.noPerm,
  E_NO_POLICY: sysexits.noInput,
  E_OWNER: sysexits.dataErr,
  E_DAEMON_DOWN: sysexits.unavailable,
  E_PROTOCOL: sysexits.protocol,
  E_DISK_FULL: sysexits.ioErr,
  E_BUSY: sysexits.tempFail,
  E_STOPPING: sysexits.tempFail,
  E_TOO_LARGE: sysexits.dataErr,
  E_SELF_SERVICE: sysexits.noPerm,
  E_INTERNAL: sysexits.software,
  E_KERNEL: sysexits.osErr,
};

/** The exit status of a command that fails so: one of sysexits(3h). */
export function statusOf(code: string, exitCode: number): number {
  return exitCode === LOGIN_FAILURE_EXIT ? (exitCodes[code] ?? sysexits.unavailable) : exitCode;
}
