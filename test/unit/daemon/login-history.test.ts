// Tests of the records of the last logins.

import { describe, expect, test } from 'vitest';
import { LoginHistory } from '../../../src/daemon/login/history.ts';
import { DockershError } from '../../../src/lib/errors.ts';
import { Uid } from '../../../src/lib/values/uid.ts';

const us = (count: number): bigint => BigInt(count) * 1000n;
/** Long before every time that the history itself takes, as all times of a test are. */
const start = us(10);
const digest = { imageDigest: 'sha256:00' };

function warm(history: LoginHistory, id: string): void {
  history.begin(id, Uid.parse(1000), start, start + us(100));
  history.mark(id, 'policy', start + us(130));
  history.started(id, { kind: 'warm', handedOverNs: start + us(180), ...digest });
}

describe('a login', () => {
  test('starts under its uid, and has its user’s name when that is known', () => {
    const history = new LoginHistory();
    history.begin('a', Uid.parse(1000), 0n, start);
    expect(history.find('a')).toMatchObject({
      id: 'a',
      uid: 1000,
      user: '1000',
      outcome: 'starting',
      kind: 'warm',
    });
    history.identified('a', { name: 'tester', uid: Uid.parse(1000) });
    expect(history.find('a')).toMatchObject({ user: 'tester', outcome: 'starting' });
    history.started('a', { kind: 'cold', handedOverNs: start, ...digest });
    expect(history.find('a')).toMatchObject({ user: 'tester', outcome: 'running', kind: 'cold' });
    expect(history.find('b')).toBeUndefined();
  });

  test('shows what each step took of itself', () => {
    const history = new LoginHistory();
    warm(history, 'a');
    expect(history.find('a')?.steps).toEqual([
      { name: 'connect', us: 100 },
      { name: 'policy', us: 30 },
      { name: 'hand over', us: 50 },
    ]);
  });

  test('puts steps of two processes in the order in which they happened', () => {
    const history = new LoginHistory();
    warm(history, 'a');
    const stepsNs = [190, 200, 260, 300].map((time) => start + us(time));
    history.ended({
      id: 'a',
      uid: Uid.parse(1000),
      cause: 'exit',
      outcome: { kind: 'exit', code: 3 },
      failure: undefined,
      stepsNs,
    });
    const login = history.find('a');
    expect(login?.outcome).toBe('exit 3');
    expect(login?.steps.slice(0, 7)).toEqual([
      { name: 'connect', us: 100 },
      { name: 'policy', us: 30 },
      { name: 'hand over', us: 50 },
      { name: 'received', us: 10 },
      { name: 'terminal', us: 10 },
      { name: 'fork', us: 60 },
      { name: 'exec', us: 40 },
    ]);
    expect(login?.steps.map((step) => step.name).slice(7)).toEqual(['end']);
  });

  test('leaves out what did not happen', () => {
    const history = new LoginHistory();
    warm(history, 'a');
    const stepsNs = [start + us(190), 0n, 0n, 0n];
    history.ended({
      id: 'a',
      uid: Uid.parse(1000),
      cause: 'not-started',
      outcome: { kind: 'exit', code: 125 },
      failure: new DockershError('E_SESSION_START', { why: 'no shell' }),
      stepsNs,
    });
    expect(history.find('a')).toMatchObject({ outcome: 'E_SESSION_START' });
    expect(history.find('a')?.steps.map((step) => step.name)).toEqual([
      'connect',
      'policy',
      'hand over',
      'received',
      'end',
    ]);
  });

  test('that waited for a sandbox shows how that was made', () => {
    const history = new LoginHistory();
    history.begin('a', Uid.parse(1000), start, start + us(100));
    history.started('a', { kind: 'cold', handedOverNs: start + us(110), ...digest });
    history.sandboxStarted({
      uid: Uid.parse(1001),
      steps: [{ name: 'of another user', ns: start + us(111) }],
    });
    history.sandboxStarted({ uid: Uid.parse(1000), steps: [{ name: 'rootfs', ns: start + us(150) }] });
    const end = {
      uid: Uid.parse(1000),
      cause: 'signal',
      outcome: { kind: 'signal', code: 9 },
      failure: undefined,
      stepsNs: [],
    } as const;
    history.ended({ id: 'a', ...end });
    expect(history.find('a')).toMatchObject({ outcome: 'signal 9' });
    expect(history.find('a')?.steps.slice(0, 3)).toEqual([
      { name: 'connect', us: 100 },
      { name: 'hand over', us: 10 },
      { name: 'rootfs', us: 40 },
    ]);
    warm(history, 'b');
    history.ended({ id: 'b', ...end });
    expect(history.find('b')?.steps.map((step) => step.name)).not.toContain('rootfs');
  });

  test('of dockersh-exec belongs to the user whose sandbox it is, not to root', () => {
    const history = new LoginHistory();
    history.begin('a', Uid.parse(0), start, start + us(100));
    history.identified('a', { name: 'tester', uid: Uid.parse(1000) });
    history.started('a', { kind: 'cold', handedOverNs: start + us(110), ...digest });
    history.sandboxStarted({ uid: Uid.parse(1000), steps: [{ name: 'rootfs', ns: start + us(150) }] });
    history.ended({
      id: 'a',
      uid: Uid.parse(1000),
      cause: 'exit',
      outcome: { kind: 'exit', code: 0 },
      failure: undefined,
      stepsNs: [],
    });
    expect(history.find('a')).toMatchObject({ uid: 1000, user: 'tester' });
    expect(history.find('a')?.steps.map((step) => step.name)).toContain('rootfs');
  });

  test('that joins a start already under way shows only what it waited for', () => {
    const history = new LoginHistory();
    history.begin('a', Uid.parse(1000), start, start + us(10));
    history.started('a', { kind: 'cold', handedOverNs: start + us(30), ...digest });
    const steps = [
      { name: 'limits', ns: start - us(5) },
      { name: 'pivot', ns: start + us(20) },
    ];
    history.sandboxStarted({ uid: Uid.parse(1000), steps });
    history.ended({
      id: 'a',
      uid: Uid.parse(1000),
      cause: 'exit',
      outcome: { kind: 'exit', code: 0 },
      failure: undefined,
      stepsNs: [],
    });
    expect(history.find('a')?.steps.slice(0, 3)).toEqual([
      { name: 'connect', us: 10 },
      { name: 'pivot', us: 10 },
      { name: 'hand over', us: 10 },
    ]);
  });

  test('that was refused shows why', () => {
    const history = new LoginHistory();
    history.begin('a', Uid.parse(1000), start, start + us(100));
    history.failed('a', 'E_NO_POLICY');
    expect(history.find('a')).toMatchObject({ outcome: 'E_NO_POLICY' });
    expect(history.find('a')?.steps.at(-1)?.name).toBe('refused');
  });

  test('whose end comes before its start has ended', () => {
    const history = new LoginHistory();
    history.begin('a', Uid.parse(1000), start, start + us(100));
    history.ended({
      id: 'a',
      uid: Uid.parse(1000),
      cause: 'exit',
      outcome: { kind: 'exit', code: 0 },
      failure: undefined,
      stepsNs: [],
    });
    history.started('a', { kind: 'warm', handedOverNs: start + us(110), ...digest });
    expect(history.find('a')?.outcome).toBe('exit 0');
  });
});

test.each([
  ['not said', 0n],
  ['in the future', start + us(500)],
  ['the very moment', start + us(100)],
])('a client’s own time is believed only where it can be true: %s', (_, claimed) => {
  const history = new LoginHistory();
  history.begin('a', Uid.parse(1000), claimed, start + us(100));
  expect(history.find('a')?.steps).toEqual([{ name: 'connect', us: 0 }]);
});

test('what nobody began is not remembered', () => {
  const history = new LoginHistory();
  history.identified('a', { name: 'tester', uid: Uid.parse(1000) });
  history.failed('a', 'E_PROTOCOL');
  history.started('a', { kind: 'warm', handedOverNs: start, ...digest });
  history.ended({
    id: 'a',
    uid: Uid.parse(1000),
    cause: 'exit',
    outcome: { kind: 'exit', code: 0 },
    failure: undefined,
    stepsNs: [],
  });
  expect(history.list({ limit: 10 })).toEqual([]);
});

function ended(history: LoginHistory, id: string, uid: Uid): void {
  history.begin(id, uid, 0n, start);
  history.ended({
    id,
    uid,
    cause: 'exit',
    outcome: { kind: 'exit', code: 0 },
    failure: undefined,
    stepsNs: [],
  });
}

test('whoever has the most loses some first, and a session that runs keeps its record', () => {
  const history = new LoginHistory();
  ended(history, 'neighbour', Uid.parse(1001));
  history.begin('running', Uid.parse(1000), 0n, start);
  history.started('running', { kind: 'warm', handedOverNs: start, ...digest });
  for (let index = 0; index < 5000; index += 1) ended(history, `id${index}`, Uid.parse(1000));
  expect(history.find('neighbour')).toBeDefined();
  expect(history.find('running')).toMatchObject({ outcome: 'running' });
  expect(history.list({ limit: 5000 })).toHaveLength(1001);
});

test('the same refusal again and again is one record, with a count', () => {
  const history = new LoginHistory();
  const refused = (id: string, uid: Uid, code: string): void => {
    history.begin(id, uid, 0n, start);
    history.failed(id, code);
  };
  for (let index = 0; index < 24_000; index += 1) refused(`id${index}`, Uid.parse(1000), 'E_NO_POLICY');
  refused('other', Uid.parse(1001), 'E_NO_POLICY');
  expect(history.list({ limit: 100 }).map(({ id, count }) => [id, count])).toEqual([
    ['other', 1],
    ['id23999', 24_000],
  ]);
  refused('full', Uid.parse(1000), 'E_FULL');
  refused('again', Uid.parse(1000), 'E_NO_POLICY');
  expect(history.list({ limit: 100 }).map(({ id, count }) => [id, count])).toEqual([
    ['again', 1],
    ['full', 1],
    ['other', 1],
    ['id23999', 24_000],
  ]);
});

test('a refusal after a session is one of its own', () => {
  const history = new LoginHistory();
  for (const id of ['a', 'b']) {
    history.begin(id, Uid.parse(1000), 0n, start);
    history.failed(id, 'E_FULL');
    history.begin(`${id} gets in`, Uid.parse(1000), 0n, start);
    history.started(`${id} gets in`, { kind: 'warm', handedOverNs: start, ...digest });
  }
  expect(history.list({ limit: 100 }).map(({ count }) => count)).toEqual([1, 1, 1, 1]);
});

test('the newest come first, and the oldest of more than a thousand are forgotten', () => {
  const history = new LoginHistory();
  for (let index = 0; index < 1005; index += 1) ended(history, `id${index}`, Uid.parse(1000));
  expect(history.list({ limit: 2 }).map((login) => login.id)).toEqual(['id1004', 'id1003']);
  expect(history.list({ limit: 5000 })).toHaveLength(1000);
  expect(history.find('id4')).toBeUndefined();
  expect(history.find('id5')).toBeDefined();
});

test('those of a time are listed, from its first moment on and without its last', () => {
  const history = new LoginHistory();
  ended(history, 'a', Uid.parse(1000));
  const at = history.find('a')?.at ?? '';
  const later = new Date(Date.parse(at) + 1).toISOString();
  expect(history.list({ limit: 10, since: at, until: later })).toHaveLength(1);
  expect(history.list({ limit: 10, since: later })).toHaveLength(0);
  expect(history.list({ limit: 10, until: at })).toHaveLength(0);
});
