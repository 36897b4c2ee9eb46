// Tests of the daemon's look for changed programs on the host.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostChanges } from '../../../src/isolation/host-changes.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dockersh-test-'));
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
});
afterEach(async () => {
  await rm(root, { recursive: true });
});

describe('changes of the programs on the host', () => {
  it('are told once, when nothing more has happened between two looks', async () => {
    let told = 0;
    using changes = HostChanges.watch({ root, changed: () => (told += 1) });
    changes.check(0);
    expect(told).toBe(0);
    await writeFile(join(root, 'usr/local/bin/one'), '');
    changes.check(1000);
    await writeFile(join(root, 'usr/local/bin/two'), '');
    changes.check(2000);
    expect(told).toBe(0);
    changes.check(3000);
    changes.check(4000);
    expect(told).toBe(1);
  });

  it('are told after ten seconds, while there are ever more of them, and at their end', async () => {
    const told: number[] = [];
    let now = 0;
    using changes = HostChanges.watch({ root, changed: () => told.push(now) });
    for (now = 1000; now <= 24_000; now += 1000) {
      await writeFile(join(root, `usr/local/bin/${now}`), '');
      changes.check(now);
    }
    changes.check(now);
    expect(told).toEqual([11_000, 21_000, 25_000]);
  });

  it('are noticed where a package manager writes and where a folder comes or goes', async () => {
    let told = 0;
    using changes = HostChanges.watch({ root, changed: () => (told += 1) });
    const steps = [
      async () => await mkdir(join(root, 'var/lib/dpkg'), { recursive: true }),
      async () => await writeFile(join(root, 'var/lib/dpkg/status'), ''),
      async () => await mkdir(join(root, 'usr/lib64')),
      async () => await rm(join(root, 'usr/lib64'), { recursive: true }),
    ];
    const counts: number[] = [];
    for (const step of steps) {
      await step();
      changes.check(0);
      changes.check(1);
      counts.push(told);
    }
    expect(counts).toEqual([0, 1, 2, 3]);
  });
});
