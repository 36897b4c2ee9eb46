// Tests of what users have used, added up of an audit trail on the disk.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { emptyHead, nextLine } from '../../../src/lib/audit/chain.ts';
import { cli } from './fake-daemon.ts';

let folder: string;
const ada = { uid: 1000, user: 'ada' };
const bob = { uid: 1001, user: 'bob' };

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'dockersh-test-'));
  const told: [at: string, event: string, facts: object][] = [
    ['2026-10-31T23:59:59.000Z', 'login', { ...ada, session: 'a0' }],
    [
      '2026-11-01T00:00:00.000Z',
      'session-closed',
      { ...ada, session: 'a0', ms: 500, cpuMs: 20, peakBytes: 4096 },
    ],
    ['2026-11-02T10:00:00.000Z', 'login', { ...ada, session: 'a1' }],
    [
      '2026-11-02T11:00:00.000Z',
      'session-closed',
      { ...ada, session: 'a1', ms: 3_600_000, cpuMs: 1234, peakBytes: 2048 },
    ],
    ['2026-11-03T10:00:00.000Z', 'login-refused', { ...ada, session: 'a2', code: 'E_FULL' }],
    ['2026-11-03T10:00:00.000Z', 'out-of-memory', { ...bob, process: 'cc1' }],
    ['2026-11-03T10:00:00.000Z', 'administration', { verb: 'stop', user: 'bob' }],
    ['2026-11-04T10:00:00.000Z', 'login', { uid: 1002, session: 'c1' }],
  ];
  let head = emptyHead;
  let text = '';
  for (const [at, event, facts] of told) {
    const next = nextLine(head, at, event, facts);
    text += `${next.line}\n`;
    head = next.head;
  }
  writeFileSync(path.join(folder, 'audit.jsonl'), text);
});
afterAll(() => rmSync(folder, { recursive: true }));

const usage = async (...args: string[]) => {
  const since = ['--since', '2026-10-01T00:00:00Z'];
  return await cli(['usage', '--folder', folder, ...since, ...args]);
};
const rowsOf = async (...args: string[]): Promise<unknown> => {
  const { stdout } = await cli([
    '--json',
    'usage',
    '--folder',
    folder,
    '--since',
    '2026-10-01T00:00:00Z',
    ...args,
  ]);
  return (JSON.parse(stdout) as { usage: unknown }).usage;
};

it('is a line for each user, who has used most first', async () => {
  const none = {
    month: null,
    logins: 0,
    refused: 0,
    sessionSeconds: 0,
    cpuSeconds: 0,
    peakBytes: 0,
    outOfMemory: 0,
  };
  expect(await rowsOf()).toEqual([
    {
      ...none,
      user: 'ada',
      logins: 2,
      refused: 1,
      sessionSeconds: 3600.5,
      cpuSeconds: 1.254,
      peakBytes: 4096,
    },
    { ...none, user: '1002', logins: 1 },
    { ...none, user: 'bob', outOfMemory: 1 },
  ]);
  expect(await rowsOf('--user', 'bob')).toEqual([{ ...none, user: 'bob', outOfMemory: 1 }]);
  expect(await rowsOf('--until', '2026-11-01T00:00:00Z')).toEqual([{ ...none, user: 'ada', logins: 1 }]);
});

it('is a line for each month where that is asked for', async () => {
  const { stdout, status } = await usage('--monthly');
  expect(status).toBe(0);
  const [head, ...lines] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  expect(head).toEqual(['MONTH', 'USER', 'LOGINS', 'REFUSED', 'TIME', 'CPU', 'PEAK MEMORY', 'KILLED']);
  expect(lines).toEqual([
    ['2026-10', 'ada', '1', '0', '0s', '0s', '0B', '0'],
    ['2026-11', 'ada', '1', '1', '1h', '1s', '4K', '0'],
    ['2026-11', '1002', '1', '0', '0s', '0s', '0B', '0'],
    ['2026-11', 'bob', '0', '0', '0s', '0s', '0B', '1'],
  ]);
});

it('is a file for a spreadsheet', async () => {
  const { stdout } = await usage('--csv', '--user', 'ada');
  expect(stdout).toBe(
    'month,user,logins,refused,sessionSeconds,cpuSeconds,peakBytes,outOfMemory\r\n,ada,2,1,3600.5,1.254,4096,0\r\n',
  );
});

it('of a group that is not there is refused, and so is a user beside a group', async () => {
  const { stderr, status } = await usage('--group', 'no-such-group');
  expect([status, stderr]).toEqual([66, expect.stringContaining('this host knows no such group')]);
  expect((await usage('--group', 'root', '--user', 'ada')).status).toBe(64);
  expect(await rowsOf('--group', 'root')).toEqual([]);
});
