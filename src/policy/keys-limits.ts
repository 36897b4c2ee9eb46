// The keys for CPUs and disks, whose controllers not every host uses. Pure.

import type { KeySpec } from './section-schema.ts';
import { sizeLimit, wholeNumber } from './values.ts';
import { cpuList } from './values-sandbox.ts';

const rarely = 'Before the first use of it in a policy, dockershd has to be restarted once.';
const disk = 'of the disk that holds what users write (layers and private homes)';

export const limitKeys = {
  cpuset: {
    type: cpuList,
    defaultText: 'none',
    values: 'CPUs such as 0-3,8, or none',
    applies: 'now',
    doc: `The CPUs that a sandbox may use; none: all. ${rarely}`,
    example: '0-3',
  },
  io_read: {
    type: sizeLimit(64 * 1024),
    defaultText: 'none',
    values: 'a size of at least 64K, or none',
    applies: 'now',
    user: 'most',
    doc: `Bytes a second that a sandbox may read ${disk}. What is in the page cache is free. ${rarely}`,
    example: '100M',
  },
  io_write: {
    type: sizeLimit(64 * 1024),
    defaultText: 'none',
    values: 'a size of at least 64K, or none',
    applies: 'now',
    user: 'most',
    doc: `Bytes a second that a sandbox may write ${disk}. With cgroups of version 1 the kernel counts only what is written past the page cache. ${rarely}`,
    example: '50M',
  },
  io_read_ops: {
    type: wholeNumber(10, 10_000_000, 'none'),
    defaultText: 'none',
    values: 'a whole number of at least 10, or none',
    applies: 'now',
    user: 'most',
    doc: `As io_read, in operations a second. ${rarely}`,
    example: '2000',
  },
  io_write_ops: {
    type: wholeNumber(10, 10_000_000, 'none'),
    defaultText: 'none',
    values: 'a whole number of at least 10, or none',
    applies: 'now',
    user: 'most',
    doc: `As io_write, in operations a second. ${rarely}`,
    example: '1000',
  },
} as const satisfies Record<string, KeySpec>;
