// Tests of the register of id ranges.

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Uid } from '../../../src/lib/values/uid.ts';
import { SlotRegistry, slotCount } from '../../../src/users/slot-registry.ts';

let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
  file = path.join(folder, 'ids.json');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const written = async (): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));

test('a slot is on disk when it is given, for root alone', async () => {
  const registry = await SlotRegistry.open(file);
  expect(await registry.slotOf(Uid.parse(1000))).toBe(1000);
  expect(await written()).toEqual({ version: 1, slots: { 1000: 1000 } });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('it stays the same for ever, whoever comes later', async () => {
  const first = await SlotRegistry.open(file);
  const uids = [1000, 1000 + slotCount, 1000 + 2 * slotCount, 1001, 2_000_000_000].map((uid) =>
    Uid.parse(uid),
  );
  const slots: number[] = [];
  for (const uid of uids) slots.push(await first.slotOf(uid));
  expect(new Set(slots).size).toBe(uids.length);
  const again = await SlotRegistry.open(file);
  expect(await Promise.all(uids.toReversed().map((uid) => again.slotOf(uid)))).toEqual(slots.toReversed());
});

test('users who come at once get different slots, all of them on disk', async () => {
  const registry = await SlotRegistry.open(file);
  const uids = Array.from({ length: 40 }, (_, index) => Uid.parse(1000 + index * slotCount));
  const slots = await Promise.all(uids.map((uid) => registry.slotOf(uid)));
  expect(new Set(slots).size).toBe(uids.length);
  const expected = Object.fromEntries(uids.map((uid, index) => [uid, slots[index]]));
  expect(await written()).toEqual({ version: 1, slots: expected });
});

test('one that is given back is free again, on disk as well', async () => {
  const registry = await SlotRegistry.open(file);
  expect([
    registry.has(Uid.parse(1000)),
    await registry.slotOf(Uid.parse(1000)),
    registry.has(Uid.parse(1000)),
  ]).toEqual([false, 1000, true]);
  await Promise.all([
    registry.slotOf(Uid.parse(1001)),
    registry.release(Uid.parse(1000)),
    registry.release(Uid.parse(77)),
  ]);
  expect(registry.has(Uid.parse(1000))).toBe(false);
  expect(await written()).toEqual({ version: 1, slots: { 1001: 1001 } });
  expect(await registry.slotOf(Uid.parse(1000 + slotCount))).toBe(1000);
});

describe('a file that can not be right is refused, not replaced', () => {
  test.each([
    ['no JSON', '{'],
    ['empty', ''],
    ['of another version', '{"version":2,"slots":{}}'],
    ['with a slot that there is not', `{"version":1,"slots":{"1000":${slotCount}}}`],
    ['with a negative slot', '{"version":1,"slots":{"1000":-1}}'],
    ['with half a slot', '{"version":1,"slots":{"1000":1.5}}'],
    ['with a name for a uid', '{"version":1,"slots":{"alice":1}}'],
    ['with more than there should be', '{"version":1,"slots":{},"extra":1}'],
  ])('%s', async (_, text) => {
    await writeFile(file, text);
    await expect(SlotRegistry.open(file)).rejects.toMatchObject({ code: 'E_INTERNAL' });
    expect(await readFile(file, 'utf8')).toBe(text);
  });
});

test('a file that can not be read at all is no empty one', async () => {
  await expect(SlotRegistry.open(folder)).rejects.toMatchObject({ code: 'EISDIR' });
});
