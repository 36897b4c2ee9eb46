// The keys for limits that not every host can hold: on swap and other sides of memory, on CPUs and disks. Pure.

import type { KeySpec } from '../section-schema.ts';
import { oneOf, sizeLimit, wholeNumber } from '../values/basic.ts';
import { cpuList } from '../values/sandbox.ts';

const rarely =
  'With cgroups of version 1, dockershd has to be restarted once before the first use of it in a policy.';
const disk = 'of the disk that holds what users write (layers and private homes)';

export const memoryKeys = {
  swap: {
    type: sizeLimit(0),
    defaultText: '0',
    values: 'a size, or none',
    applies: 'now',
    user: 'most',
    doc: 'Swap that the sandbox may use beyond "memory": 0 for none of it, none for as much as there is. The default is no swap, because a sandbox that swaps keeps the disk busy for everybody; "memory" is then what it says. With "memory = none" this key does not count. Less than is in use is not taken back: the sandbox gets no more until it is below.',
    example: '1G',
  },
  memory_high: {
    type: sizeLimit(16 * 1024 ** 2),
    defaultText: 'none',
    values: 'a size of at least 16M, or none',
    applies: 'now',
    user: 'most',
    doc: 'From here on the kernel takes memory back from the sandbox, and slows it down where that is not enough, before "memory" ends anything. Only with cgroups of version 2.',
    example: '6G',
  },
  oom_kills: {
    type: oneOf('process', 'sandbox'),
    defaultText: 'process',
    values: 'process, sandbox',
    applies: 'now',
    user: 'free',
    doc: 'What the kernel ends when the sandbox needs more than "memory". process: the process with the most memory; sessions and whatever else runs go on. sandbox: everything at once, sessions included, so that no half of a job is left; the next login starts anew. Only with cgroups of version 2; version 1 always ends one process.',
    example: 'sandbox',
  },
} as const satisfies Record<string, KeySpec>;

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
    doc: `Bytes a second that a sandbox may write ${disk}. What is written into the page cache counts when it goes to the disk, on file systems that know whose it is (ext4, btrfs, xfs of recent kernels); with cgroups of version 1 it does not count at all, only what is written past the cache. ${rarely}`,
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
