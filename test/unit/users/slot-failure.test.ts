// The register of id ranges when its file can't be written, or holds what can't be.

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Uid } from '../../../src/lib/values/uid.ts';
import { SlotRegistry } from '../../../src/users/slot-registry.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp('/tmp/dockersh-test-');
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a slot that could not be written is not given, and is asked for again', async () => {
  const file = path.join(folder, 'state/ids.json');
  const registry = await SlotRegistry.open(file);
  await expect(registry.slotOf(Uid.parse(1000))).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(registry.slotOf(Uid.parse(1000))).rejects.toMatchObject({ code: 'ENOENT' });
  await mkdir(path.dirname(file));
  expect(await registry.slotOf(Uid.parse(1001))).toBe(1001);
  expect(await registry.slotOf(Uid.parse(1000))).toBe(1000);
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ version: 1, slots: { 1000: 1000, 1001: 1001 } });
});

test('two users of one slot are refused', async () => {
  const file = path.join(folder, 'ids.json');
  await writeFile(file, '{"version":1,"slots":{"1000":5,"1001":5}}');
  await expect(SlotRegistry.open(file)).rejects.toMatchObject({ code: 'E_INTERNAL' });
});
