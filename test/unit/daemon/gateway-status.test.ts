// Tests of how the daemon reads what the gateway's listener has written.

import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { gatewayStatus } from '../../../src/daemon/gateway/status.ts';

const run = mkdtempSync(join(tmpdir(), 'dockersh-test-'));
const file = join(run, 'gateway.status');
afterAll(() => rmSync(run, { recursive: true, force: true }));

const text =
  '{"pid":7,"startedAt":1767323045,"listen":["2222"],"unreachable":[],"waiting":1,"accepted":3,"loggedIn":1,"refused":{"full":0,"address":1,"penalty":0,"failed":0},"web":{"listen":[],"accepted":0,"loggedIn":0}}\n';

test('what the listener says counts while it goes on saying it', async () => {
  expect(await gatewayStatus(run)).toBeNull();
  writeFileSync(file, text);
  expect(await gatewayStatus(run)).toMatchObject({ pid: 7, startedAt: '2026-01-02T03:04:05.000Z' });
  const before = new Date(Date.now() - 60_000);
  utimesSync(file, before, before);
  expect(await gatewayStatus(run)).toBeNull();
});

test('what another version has written is as good as nothing', async () => {
  for (const other of ['', '{', '{}', text.replace('"pid":7', '"pid":"x"')]) {
    writeFileSync(file, other);
    expect(await gatewayStatus(run)).toBeNull();
  }
});
