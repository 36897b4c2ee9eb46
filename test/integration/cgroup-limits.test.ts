// The files of a real cgroup take what is written for limits, from whatever they were before.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CgroupHost } from '../../src/isolation/cgroup/host.ts';
import { type Limits, unlimited } from '../../src/limits/limits.ts';
import { unlimited as unlimitedHost } from '../fixtures/machine.ts';

const megabyte = 1024 ** 2;
const name = 'u1-limits';
let host: CgroupHost;
let folder = '';

beforeAll(async () => {
  host = await CgroupHost.open(`dockersh-test-${process.pid}-1`);
  for (const parent of host.parents) await mkdir(join(parent, name), { recursive: true });
  const [write] = host.writesFor({ ...unlimited, memoryLimitBytes: 1 });
  folder = join(host.parents[write?.hierarchy ?? 0] ?? '', name);
});
afterAll(async () => {
  await host?.removeSandbox(name);
  await host?.remove();
});

/** Memory, and what is allowed beyond it; null: no limit. */
async function limitsNow(): Promise<[number | null, number | null]> {
  const read = async (file: string): Promise<number | null> => {
    const text = (await readFile(join(folder, file), 'utf8')).trim();
    return text === 'max' || Number(text) > 2 ** 60 ? null : Number(text);
  };
  if (host.version === 2) return [await read('memory.max'), await read('memory.swap.max')];
  const [memory, sum] = [await read('memory.limit_in_bytes'), await read('memory.memsw.limit_in_bytes')];
  return [memory, sum === null ? null : sum - (memory ?? 0)];
}

const sizes = [null, 16, 64, 256, 1024].map((size) => (size === null ? null : size * megabyte));
const states = sizes.flatMap((memoryLimitBytes) =>
  (memoryLimitBytes === null ? [null] : [null, 0, 32 * megabyte, 512 * megabyte]).map(
    (swapBytes): Limits => ({
      ...unlimited,
      memoryLimitBytes,
      swapBytes,
    }),
  ),
);

describe.skipIf(unlimitedHost)('other limits', () => {
  it('memory and swap: from every value to every other', async () => {
    for (const from of states) {
      for (const to of states) {
        await host.apply(name, from);
        await host.apply(name, to, from); // what differs alone
        expect(await limitsNow(), JSON.stringify([from, to])).toEqual([to.memoryLimitBytes, to.swapBytes]);
      }
    }
  });

  it('are written as a whole where it is not certain what is in force', async () => {
    const limits = { ...unlimited, pids: 50 };
    const [write] = host.writesFor(limits);
    const file = join(host.parents[write?.hierarchy ?? 0] ?? '', name, 'pids.max');
    await host.apply(name, limits);
    await writeFile(file, '7');
    await host.apply(name, limits, limits);
    expect(await readFile(file, 'utf8')).toBe('7\n');
    await host.apply(name, limits);
    expect(await readFile(file, 'utf8')).toBe('52\n');
  });
});
