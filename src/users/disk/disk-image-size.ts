// Works out how large a disk image has to be for its contents, and whether one can be made smaller. Pure.

import { blockBytes, type DiskImageSize, type Space } from './disk-image.ts';

/** Of an image, for what is in it. */
const headroom = 1.06;
const leastFreeBytes = 8 * 1024 ** 2;

/** What is to go into it must fit, whatever the limit. `used`: of that; undefined: there is nothing. */
export function sizeToHold(
  wanted: DiskImageSize,
  used: { readonly bytes: number; readonly entries: number } | undefined,
): DiskImageSize {
  const { bytes, entries } = used ?? { bytes: 0, entries: 0 };
  const least = used === undefined ? 0 : bytes * headroom + entries * 512 + leastFreeBytes * 2;
  const inodes = wanted.inodes === null ? null : Math.max(wanted.inodes, Math.ceil(entries * 1.01) + 64);
  return { bytes: Math.max(wanted.bytes, Math.ceil(least / blockBytes) * blockBytes), inodes };
}

/** Whether what is in one fits into another of that size. */
export function hasRoomFor({ usedBytes, usedInodes }: Space, { bytes, inodes }: DiskImageSize): boolean {
  return usedBytes * headroom + leastFreeBytes < bytes && (inodes === null || usedInodes < inodes);
}

/** Sizes in bytes that are the same in blocks. */
export function isSameSize(one: number, other: number): boolean {
  return Math.abs(one - other) < blockBytes;
}
