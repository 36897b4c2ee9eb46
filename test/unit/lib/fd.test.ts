// Tests of the ownership of descriptors.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeAll, OwnedFd } from '../../../src/lib/fd.ts';

const open = (): number => openSync('/dev/null', 'r');
const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBADF') throw error;
    return false;
  }
};

test('closes at the end of its block', () => {
  const fd = open();
  {
    using owned = new OwnedFd(fd);
    expect(owned.borrow()).toBe(fd);
    expect(isOpen(fd)).toBe(true);
  }
  expect(isOpen(fd)).toBe(false);
});

test('closes when the block is left by an exception', () => {
  const fd = open();
  const failing = (): void => {
    using owned = new OwnedFd(fd);
    owned.borrow();
    throw new Error('on purpose');
  };
  expect(failing).toThrow('on purpose');
  expect(isOpen(fd)).toBe(false);
});

test('what was passed on stays open and is no longer its own', () => {
  const fd = open();
  {
    using owned = new OwnedFd(fd);
    expect(owned.handOver((number) => number)).toBe(fd);
    expect(() => owned.borrow()).toThrow('passed on');
    expect(() => owned.handOver((number) => number)).toThrow('passed on');
  }
  expect(isOpen(fd)).toBe(true);
  closeSync(fd);
});

test('what was to be passed on is its own where that throws', () => {
  const fd = open();
  {
    using owned = new OwnedFd(fd);
    const refuse = (): never => {
      throw new Error('not wanted');
    };
    expect(() => owned.handOver(refuse)).toThrow('not wanted');
    expect(owned.borrow()).toBe(fd);
    using other = owned.move();
    expect(other.borrow()).toBe(fd);
    expect(() => owned.borrow()).toThrow('passed on');
  }
  expect(isOpen(fd)).toBe(false);
});

test('closing a second time does not close the number of somebody else', () => {
  const first = open();
  const owned = new OwnedFd(first);
  owned[Symbol.dispose]();
  // Files get the lowest free number: one of these is the same again, whatever else this process opens.
  const others = Array.from({ length: 20 }, open);
  expect(others).toContain(first);
  owned[Symbol.dispose]();
  expect(others.every(isOpen)).toBe(true);
  expect(() => owned.borrow()).toThrow('closed');
  for (const fd of others) closeSync(fd);
});

test('closes a whole list, with those in it that are gone already', () => {
  const fds = [open(), open(), open()];
  const owned = fds.map((fd) => new OwnedFd(fd));
  owned[1]?.[Symbol.dispose]();
  closeAll(owned);
  expect(fds.map(isOpen)).toEqual([false, false, false]);
  closeAll(owned);
});
