// The audit trail goes on where it ended: after a restart, a power cut, a full disk, a new file.

import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Trail } from '../../../../src/daemon/audit/trail.ts';
import { verify } from '../../../../src/lib/audit/verify.ts';
import { createLogger } from '../../../../src/lib/log.ts';
import { resolved } from '../../../../src/lib/values/absolute-path.ts';
import { TrailFolder } from '../../lib/audit/trail.ts';

const log = createLogger({ level: 'silent' });
const everything = { keepMs: Number.POSITIVE_INFINITY, mostBytes: Number.POSITIVE_INFINITY };

function opened(
  { path }: TrailFolder,
  more: { fileBytes?: number; keepMs?: number; mostBytes?: number } = {},
): Trail {
  const { fileBytes = 1 << 20, ...retention } = more;
  return Trail.open({ folder: path, retention: () => ({ ...everything, ...retention }), log, fileBytes });
}

const events = (folder: TrailFolder): string[] =>
  folder.lines().map((line) => (JSON.parse(line) as { event: string }).event);

describe('a trail', () => {
  it('is one chain over every end and beginning of the daemon', async () => {
    using folder = new TrailFolder();
    for (const word of ['one', 'two', 'three']) {
      using trail = opened(folder);
      expect(trail.add('login', { session: 'aa', word })).toBe(true);
    }
    expect(await verify(folder.path)).toMatchObject({ lines: 6, firstSeq: 1, broken: undefined });
    expect(statSync(folder.file()).mode & 0o777).toBe(0o600);
  });

  it('knows who has begun and not ended, also over files and restarts', () => {
    using folder = new TrailFolder();
    {
      using trail = opened(folder, { fileBytes: 600 });
      trail.add('login', { session: 'aa' }, { begins: 'aa' });
      trail.add('connection-opened', { session: 'bb' }, { begins: 'bb' });
      trail.add(
        'login',
        { session: 'cc', command: '"event":"session-closed","session":"aa"' },
        { begins: 'cc' },
      );
      for (let index = 0; index < 20; index += 1) trail.add('login-outside', { session: 'dd' });
      trail.add('session-closed', { session: 'cc' }, { ends: 'cc' });
    }
    expect(readdirSync(folder.path).length).toBeGreaterThan(2);
    using again = opened(folder);
    expect(new Set(again.openIds)).toEqual(new Set(['aa', 'bb']));
  });

  it.each([
    ['half a line', '{"seq":3,"at":"20'],
    ['zeros', '\0'.repeat(5000)],
    ['zeros and a newline', `${'\0'.repeat(50)}\n`],
  ])('loses %s that a power cut has left, and says so', async (_, rest) => {
    using folder = new TrailFolder();
    {
      using trail = opened(folder);
      trail.add('login', { session: 'aa' }, { begins: 'aa' });
    }
    appendFileSync(folder.file(), rest);
    using trail = opened(folder);
    trail.add('login', { session: 'bb' });
    expect(await verify(folder.path)).toMatchObject({ lines: 4, broken: undefined });
    expect(JSON.parse(folder.lines()[2] ?? '')).toMatchObject({
      event: 'audit-began',
      torn: rest.length,
      open: ['aa'],
    });
  });

  it('goes on after a file was finished, and no other begun', async () => {
    using folder = new TrailFolder();
    {
      using trail = opened(folder);
      trail.add('login', { session: 'aa' }, { begins: 'aa' });
    }
    folder.write(folder.lines(), 'audit-000000000001.jsonl');
    rmSync(folder.file());
    using trail = opened(folder);
    expect(trail.openIds).toEqual(['aa']);
    expect(await verify(folder.path)).toMatchObject({ lines: 3, broken: undefined });
  });

  it('removes its oldest files when they are too old or too many, and stays a chain', async () => {
    using folder = new TrailFolder();
    using trail = opened(folder, { fileBytes: 1000, mostBytes: 5000 });
    for (let index = 0; index < 100; index += 1) trail.add('login-outside', { session: 'dd', index });
    const sizes = readdirSync(folder.path).map((name) => statSync(folder.file(name)).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(6000);
    const verified = await verify(folder.path);
    expect(verified).toMatchObject({ broken: undefined });
    expect(verified.firstSeq).toBeGreaterThan(50);
    trail[Symbol.dispose]();
    for (const name of readdirSync(folder.path)) utimesSync(folder.file(name), 0, 0);
    using young = opened(folder, { fileBytes: 1, keepMs: 60_000 });
    young.add('login', { session: 'aa' });
    expect(await verify(folder.path)).toMatchObject({ lines: expect.any(Number), broken: undefined });
    expect(readdirSync(folder.path).length).toBeLessThan(5);
  });

  it('says how many lines are missing where it could not be written', async () => {
    using folder = new TrailFolder();
    const place = resolved(`${folder.path}/deeper`);
    writeFileSync(place, 'in the way');
    using trail = Trail.open({ folder: place, retention: () => everything, log });
    expect(trail.add('login', { session: 'aa' })).toBe(false);
    expect(trail.add('login', { session: 'bb' })).toBe(false);
    rmSync(place);
    expect(trail.add('login', { session: 'cc' })).toBe(true);
    mkdirSync(folder.path, { recursive: true });
    chmodSync(place, 0o700);
    expect(await verify(place)).toMatchObject({ lines: 3, broken: undefined });
    expect(events({ lines: () => folder.lines('deeper/audit.jsonl') } as TrailFolder)).toEqual([
      'audit-began',
      'audit-gap',
      'login',
    ]);
  });
});
