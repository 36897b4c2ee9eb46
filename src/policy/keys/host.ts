// The keys of [host]: what all sandboxes together may take. Pure.

import type { KeySpec } from '../section-schema.ts';
import { duration, oneOf, sizeLimit, wholeNumber } from '../values/basic.ts';

export const hostKeys = {
  sandboxes: {
    type: wholeNumber(1, 1_000_000, 'none'),
    defaultText: 'none',
    values: 'a whole number of at least 1, or none',
    applies: 'session',
    doc: 'Sandboxes that may run at a time. A login that would start one more has to wait, or is refused ("when_full"); into a sandbox that runs, users get in.',
    example: '200',
  },
  sessions: {
    type: wholeNumber(1, 1_000_000, 'none'),
    defaultText: 'none',
    values: 'a whole number of at least 1, or none',
    applies: 'session',
    doc: 'Sessions of all users together.',
    example: '500',
  },
  memory: {
    type: sizeLimit(16 * 1024 ** 2),
    defaultText: 'none',
    values: 'a size of at least 16M, or none',
    applies: 'session',
    doc: 'Memory that may be promised to all running sandboxes together: the sum of their "memory" limits. A sandbox without a limit counts as all the memory that the host has.',
    example: '64G',
  },
  when_full: {
    type: oneOf('refuse', 'wait'),
    defaultText: 'refuse',
    values: 'refuse, wait',
    applies: 'session',
    doc: 'What a login meets for which there is no room. refuse: it is told so. wait: it waits its turn for "wait_time", and is told so then. "dockershctl exec" is never kept out.',
    example: 'wait',
  },
  wait_time: {
    type: duration(600_000),
    defaultText: '30s',
    values: 'a duration of up to 10m',
    applies: 'session',
    doc: 'How long a login waits for room.',
    example: '2m',
  },
} as const satisfies Record<string, KeySpec>;
