// Tests of which CPUs a sandbox is bound to, with folders in place of cgroups.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cpusOf, Pinning } from '../../../src/isolation/cgroup/pinning.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(tmpdir(), 'dockersh-test-'));
});
afterEach(() => rmSync(parent, { recursive: true }));

const bind = (name: string, cpus: string): void => {
  mkdirSync(path.join(parent, name), { recursive: true });
  writeFileSync(path.join(parent, name, 'cpuset.cpus'), `${cpus}\n`);
};
const all = '0-3';

it('lists of CPUs are read', () => {
  expect(cpusOf('0-3,8\n')).toEqual([0, 1, 2, 3, 8]);
  expect(cpusOf('5')).toEqual([5]);
  expect(cpusOf('\n')).toEqual([]);
});

it('those that the fewest others are bound to are chosen, and nobody counts who is bound to none', () => {
  bind('u1-a', '0');
  bind('u2-b', '1');
  bind('u3-c', '1,2');
  bind('u4-d', all); // version 1
  bind('u5-e', ''); // version 2
  mkdirSync(path.join(parent, 'supervisors'));
  writeFileSync(path.join(parent, 'cgroup.procs'), '');
  const pinning = new Pinning();
  expect(pinning.choose(parent, 'u6-f', 1, all, all)).toBe('3');
  expect(pinning.choose(parent, 'u7-g', 2, all, all)).toBe('0,2'); // the last one counts, whose cgroup is still to come
  expect(pinning.choose(parent, 'u8-h', 1, '1-2', all)).toBe('1');
});

it('who has as many as are wanted keeps them, and nobody gets more than there are', () => {
  bind('u1-a', '2');
  bind('u2-b', '2');
  const pinning = new Pinning();
  expect(pinning.choose(parent, 'u1-a', 1, all, all)).toBe('2');
  expect(pinning.choose(parent, 'u1-a', 1, '0-1', all)).toBe('0');
  expect(pinning.choose(parent, 'u1-a', 4, all, all)).toBe(all);
  expect(pinning.choose(parent, 'u1-a', 9, '0-1', all)).toBe('0-1');
});
