// Tests of the bounds on all sandboxes together, and of logins that wait for room.

import { totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Admission, type Caps } from '../../../src/daemon/login/admission.ts';
import type { Load } from '../../../src/isolation/engine.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

const gigabyte = 1024 ** 3;

function host(changes: Partial<Caps>, loads: Load[] = []) {
  const caps: Caps = {
    mostSandboxes: null,
    mostSessions: null,
    mostMemoryBytes: null,
    whenFull: 'refuse',
    waitMs: 50,
    ...changes,
  };
  const admission = new Admission(
    () => caps,
    () => loads,
  );
  let next = 0;
  const enter = (
    uid: number,
    memoryLimitBytes: number | null = gigabyte,
    what: 'session' | 'connection' = 'session',
  ) => admission.enter({ id: `s${++next}`, uid: Uid.parse(uid), what, memoryLimitBytes });
  return { admission, enter, loads };
}

const full = (what: string) => ({ code: 'E_FULL', message: expect.stringContaining(what) });

describe('a login beyond what all may take', () => {
  test('is refused: sandboxes, but not into one that runs or starts', async () => {
    const { enter } = host({ mostSandboxes: 2 }, [
      { uid: Uid.parse(1), memoryLimitBytes: null, sessions: [], connections: [] },
    ]);
    await enter(2);
    await expect(enter(3)).rejects.toMatchObject(full('sandboxes'));
    await enter(1);
    await enter(2);
  });

  test('sessions, of all together', async () => {
    const { enter } = host({ mostSessions: 3 }, [
      { uid: Uid.parse(1), memoryLimitBytes: null, sessions: ['a', 'b'], connections: [] },
    ]);
    const place = await enter(1);
    await expect(enter(2)).rejects.toMatchObject(full('sessions'));
    place[Symbol.dispose]();
    await enter(2);
  });

  test('ssh connections, by the same bound and apart from sessions', async () => {
    const { enter } = host({ mostSessions: 2 }, [
      { uid: Uid.parse(1), memoryLimitBytes: null, sessions: ['a', 'b'], connections: ['c'] },
    ]);
    await enter(1, null, 'connection');
    await expect(enter(1, null, 'connection')).rejects.toMatchObject(full('ssh connections'));
  });

  test('memory that is promised; none is all there is', async () => {
    const { enter } = host({ mostMemoryBytes: 3 * gigabyte }, [
      { uid: Uid.parse(1), memoryLimitBytes: 2 * gigabyte, sessions: [], connections: [] },
    ]);
    await expect(enter(2, 2 * gigabyte)).rejects.toMatchObject(full('memory'));
    await expect(enter(2, null)).rejects.toMatchObject(full('memory'));
    await enter(2, gigabyte);
    const all = host({ mostMemoryBytes: totalmem() });
    await all.enter(1, null);
    await expect(all.enter(2, 1)).rejects.toMatchObject(full('memory'));
  });

  test('is counted once, by whom it is with', async () => {
    const { enter, loads } = host({ mostSessions: 2, mostSandboxes: 1 });
    await enter(1);
    loads.push({ uid: Uid.parse(1), memoryLimitBytes: gigabyte, sessions: ['s1'], connections: [] }); // there, and its place not given back yet
    await enter(1);
  });
});

describe('a login that waits', () => {
  test('gets in when there is room, in turn', async () => {
    const { admission, enter, loads } = host({ mostSandboxes: 1, whenFull: 'wait', waitMs: 2000 });
    loads.push({ uid: Uid.parse(1), memoryLimitBytes: gigabyte, sessions: [], connections: [] });
    const order: number[] = [];
    const [two, three] = [2, 3].map(async (uid) => {
      const place = await enter(uid);
      order.push(uid);
      return place;
    });
    await sleep(10);
    expect(order).toEqual([]);
    loads.pop();
    admission.changed();
    await two;
    expect(order).toEqual([2]);
    (await two)?.[Symbol.dispose]();
    await three;
    expect(order).toEqual([2, 3]);
  });

  test('is refused in the end', async () => {
    const { enter, loads } = host({ mostSandboxes: 1, whenFull: 'wait', waitMs: 30 });
    loads.push({ uid: Uid.parse(1), memoryLimitBytes: gigabyte, sessions: [], connections: [] });
    await expect(enter(2)).rejects.toMatchObject(full('sandboxes'));
    loads.pop();
    await enter(3);
  });
});

test('without caps everybody gets in', async () => {
  const { enter } = host({});
  for (let uid = 1; uid < 1000; uid += 1) await enter(uid, null);
});
