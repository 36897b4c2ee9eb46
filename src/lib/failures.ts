// Numbers and names of the failures of native programs, and the permanent code that stands for each of them.
// native/common/failure.h is the other side; test/unit/lib/failures.test.ts compares the two. What the texts say that
// come along is for people: nothing here or elsewhere is decided by it. Pure.

import { DockershError, type DockershErrorOptions, type ErrorCode } from './errors.ts';

interface Meaning {
  readonly number: number;
  /** Null: of what was being done, which the caller knows. */
  readonly code: ErrorCode | null;
}

export const failures = {
  usage: { number: 64, code: 'E_INTERNAL' },
  refused: { number: 65, code: 'E_ARCHIVE_REFUSED' },
  system: { number: 71, code: null },
  entry: { number: 80, code: 'E_ARCHIVE_REFUSED' },
  full: { number: 81, code: 'E_DISK_FULL' },
  damaged: { number: 82, code: 'E_IMAGE_BROKEN' },
  excess: { number: 83, code: 'E_ARCHIVE_REFUSED' },
  ids: { number: 84, code: 'E_ARCHIVE_REFUSED' },
  nameless: { number: 85, code: 'E_ARCHIVE_REFUSED' },
  protocol: { number: 100, code: 'E_PROTOCOL' },
  kernel: { number: 101, code: 'E_KERNEL' },
  limit: { number: 102, code: 'E_LIMIT_REFUSED' },
  processes: { number: 103, code: 'E_PROCESSES' },
  memory: { number: 104, code: null },
  image: { number: 105, code: 'E_IMAGE_BROKEN' },
  home: { number: 106, code: 'E_HOME' },
  mount: { number: 107, code: 'E_MOUNT' },
  device: { number: 108, code: 'E_DEVICE' },
  descriptors: { number: 109, code: null },
  shell: { number: 110, code: null },
  network: { number: 111, code: 'E_NETWORK' },
  port: { number: 112, code: 'E_PORT' },
  unrecorded: { number: 113, code: 'E_UNRECORDED' },
  stopping: { number: 120, code: 'E_STOPPING' },
  places: { number: 121, code: 'E_SESSIONS' },
  sessions: { number: 122, code: 'E_SESSIONS' },
  stuck: { number: 123, code: 'E_STUCK' },
} as const satisfies Record<string, Meaning>;

/** Name of what failed in a native program. */
export type Failure = keyof typeof failures;

const names = new Map<number, Failure>(
  Object.entries(failures).map(([name, { number }]) => [number, name as Failure]),
);

/** Undefined where the number is no failure's: that of a program of another version. */
export function failureOf(number: number | undefined): Failure | undefined {
  return number === undefined ? undefined : names.get(number);
}

/** The failure as an error. `otherwise`: the code where the failure leaves it to what was being done. */
export function nativeError(
  failure: Failure,
  otherwise: ErrorCode,
  options: DockershErrorOptions = {},
): DockershError {
  return new DockershError(failures[failure].code ?? otherwise, options);
}
