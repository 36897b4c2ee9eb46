// Many sandboxes at once: all are answered, by both families, and an edit of the policy is in force in all of them soon.
// script/bench network-scale does it with a thousand.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { control } from '../../fixtures/machine.ts';
import { Crowd } from '../../fixtures/network/crowd.ts';

const count = 40;

it.skipIf(control)(
  `${count} sandboxes ask at once, and are refused at once`,
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'dockersh-test-crowd-'));
    stack.defer(async () => await rm(folder, { recursive: true, force: true }));
    const crowd = stack.use(await Crowd.create(folder, count));
    await crowd.start();
    expect(await crowd.go()).toMatchObject({ unanswered: 0 });
    expect(await crowd.neighbours()).toBe(0);
    // Alone, a twentieth of a second.
    expect(await crowd.change({ deny_out: 'any' })).toBeLessThan(5);
    expect(await crowd.go()).toMatchObject({ unanswered: 4 * count });
    expect(await crowd.change({})).toBeLessThan(5);
    expect(await crowd.go()).toMatchObject({ unanswered: 0 });
  },
  120_000,
);
