// Tests of the size of a disk image.

import { describe, expect, test } from 'vitest';
import { hasRoomFor, isSameSize, sizeToHold } from '../../../src/users/disk/disk-image-size.ts';

const mib = 1024 ** 2;

describe('the size of an image', () => {
  test('is what is wanted where that is enough', () => {
    const wanted = { bytes: 100 * mib, inodes: 1000 };
    expect(sizeToHold(wanted, undefined)).toEqual(wanted);
    expect(sizeToHold(wanted, { bytes: 10 * mib, entries: 50 })).toEqual(wanted);
    expect(sizeToHold({ ...wanted, inodes: null }, { bytes: 1, entries: 1 }).inodes).toBe(null);
  });

  test('is what takes up all that is there, where that is more, in whole blocks', () => {
    const { bytes, inodes } = sizeToHold({ bytes: mib, inodes: 10 }, { bytes: 200 * mib + 1, entries: 5000 });
    expect(bytes).toBeGreaterThan(200 * mib + 5000 * 512);
    expect(bytes % 4096).toBe(0);
    expect(inodes).toBeGreaterThan(5000);
  });

  test('is no larger than wanted where nothing is there to go in', () => {
    expect(sizeToHold({ bytes: 4 * mib, inodes: null }, undefined).bytes).toBe(4 * mib);
    expect(sizeToHold({ bytes: 4 * mib, inodes: null }, { bytes: 0, entries: 0 }).bytes).toBeGreaterThan(
      4 * mib,
    );
  });

  test('is not made smaller than what is in it', () => {
    const space = { bytes: 300 * mib, usedBytes: 100 * mib, inodes: 9000, usedInodes: 100 };
    expect(hasRoomFor(space, { bytes: 120 * mib, inodes: null })).toBe(true);
    expect(hasRoomFor(space, { bytes: 110 * mib, inodes: null })).toBe(false);
    expect(hasRoomFor(space, { bytes: 120 * mib, inodes: 101 })).toBe(true);
    expect(hasRoomFor(space, { bytes: 120 * mib, inodes: 100 })).toBe(false);
  });

  test('counts in blocks', () => {
    expect(isSameSize(8192, 8192 + 4095)).toBe(true);
    expect(isSameSize(8192, 8192 + 4096)).toBe(false);
    expect(isSameSize(8192 + 4096, 8192)).toBe(false);
  });
});
