// The verbs about users' layers, against a real socket.

import { describe, expect, it } from 'vitest';
import type { AdminRequest } from '../../../src/protocol/admin.ts';
import { cli, FakeDaemon } from './fake-daemon.ts';

const snapshot = {
  name: 'good',
  createdAt: new Date(Date.now() - 2 * 3_600_000).toISOString(),
  message: 'it works',
  image: 'lab/base:1',
  imageDigest: 'sha256:00',
  sizeBytes: 2048,
  files: 3,
};

const answers: Partial<Record<AdminRequest['verb'], unknown>> = {
  ps: { sandboxes: [], policyFault: null },
  reset: { user: 'ada', stopped: true, saved: null },
  rollback: { user: 'ada', stopped: true, snapshot, saved: { ...snapshot, name: 'before' } },
  'snapshot.create': { user: 'ada', snapshot, pausedMs: 1234 },
  'snapshot.ls': { user: 'ada', snapshots: [snapshot] },
  'snapshot.rm': { user: 'ada', name: 'good' },
  'upgrade.plan': {
    users: [
      {
        ...{ user: 'ada', uid: 1000, image: 'lab/base:1', from: 'sha256:00', to: 'sha256:11', before: null },
        ...{ upgraded: true, running: true, why: null },
        shadowed: { count: 30, examples: ['/etc/x\u009b'], packages: true },
      },
    ],
  },
  upgrade: {
    user: 'ada',
    image: 'lab/base:1',
    from: 'sha256:00',
    to: 'sha256:11',
    upgraded: true,
    running: true,
  },
  commit: {
    user: 'ada',
    name: 'lab/made:1',
    digest: 'sha256:22',
    baseDigest: 'sha256:00',
    layer: 'sha256:33',
    sizeBytes: 1,
    files: 1,
    leftOut: { count: 12, examples: ["'srv/.wh.\u009bx': a name that means a deleted file in layers"] },
    pausedMs: null,
  },
};

async function ask(args: readonly string[], terminal?: { columns: number }, typed?: string) {
  await using daemon = await FakeDaemon.start(({ verb }, socket) => {
    socket.end(`${JSON.stringify({ ok: true, result: answers[verb] })}\n`);
  });
  const run = await cli(['--socket', daemon.socketPath, ...args], terminal, typed);
  return { ...run, requests: daemon.requests.map(({ verb, params }) => ({ verb, params })) };
}

describe('reset and rollback', () => {
  it('ask on a terminal, and say what will happen', async () => {
    const { status, stderr, stdout, requests } = await ask(['reset', 'ada'], { columns: 80 }, 'y\n');
    expect(status).toBe(0);
    expect(stderr).toMatch(/takes all changes .* The home of ada stays/s);
    expect(stdout).toBe('ada begins anew\n');
    expect(requests.at(-1)).toEqual({ verb: 'reset', params: { user: 'ada', save: true } });
  });

  it.each(['', 'n\n', 'yesterday\n'])('do nothing after %j', async (typed) => {
    const { status, stderr, requests } = await ask(['rollback', 'ada'], { columns: 80 }, typed);
    expect(status).toBe(1);
    expect(stderr).toContain('nothing was done');
    expect(requests.map(({ verb }) => verb)).toEqual(['ps']);
  });

  it('refuse without a terminal, but for --yes', async () => {
    const refused = await ask(['rollback', 'ada', 'good']);
    expect(refused.status).toBe(64);
    expect(refused.stderr).toContain('--yes');
    const { stdout, requests } = await ask(['rollback', 'ada', 'good', '--yes']);
    expect(stdout).toBe('ada is back at good; what was there is snapshot before\n');
    expect(requests).toEqual([{ verb: 'rollback', params: { user: 'ada', name: 'good' } }]);
  });
});

describe('snapshot', () => {
  it('copies, lists and removes', async () => {
    const made = await ask(['snapshot', 'ada', 'good', '-m', 'it works']);
    const params = { user: 'ada', name: 'good', message: 'it works' };
    expect(made.requests).toEqual([{ verb: 'snapshot.create', params: { ...params, pause: true } }]);
    expect([made.stdout, made.stderr]).toEqual(['good\n', 'the sandbox of ada stood still for 1.23 s\n']);
    const running = await ask(['snapshot', 'ada', '--no-pause', '--json']);
    expect(running.requests).toEqual([{ verb: 'snapshot.create', params: { user: 'ada', pause: false } }]);
    expect(running.stderr).toBe('');
    expect((await ask(['snapshot', 'ada', '--ls'])).stdout.split('\n')).toEqual([
      'SNAPSHOT  CREATED      IMAGE       FILES  SIZE  MESSAGE',
      'good      2 hours ago  lab/base:1      3    2K  it works',
      '',
    ]);
    expect((await ask(['snapshot', 'ada', 'good', '--rm'])).stdout).toBe('removed good\n');
    expect((await ask(['snapshot', 'ada', '--rm'])).status).toBe(64);
  });
});

it('commit passes on what it was told, and prints the digest', async () => {
  const args = ['commit', 'ada', 'lab/made:1', '-a', 'Ada', '-m', 'mine', '-c', 'ENV A=b', '-c', 'USER x'];
  const { stdout, requests } = await ask(args);
  expect(stdout).toBe('sha256:22\n');
  const changes = ['ENV A=b', 'USER x'];
  expect(requests[0]?.params).toEqual({
    user: 'ada',
    name: 'lab/made:1',
    pause: true,
    author: 'Ada',
    message: 'mine',
    changes,
  });
});

it('commit says what the image does not have', async () => {
  const { status, stderr } = await ask(['commit', 'ada', 'lab/made:1']);
  expect(status).toBe(0);
  expect(stderr.split('\n').slice(0, 3)).toEqual([
    "dockershctl: left out 'srv/.wh.\ufffdx': a name that means a deleted file in layers",
    'dockershctl: left out 11 more',
    'dockershctl: the image does not have what no image can hold; see "dockershctl diff ada".',
  ]);
});

describe('upgrade', () => {
  const done = 'ada gets lab/base:1 11, after 00, when the sandbox next starts\n';

  it('says from when on', async () => {
    expect((await ask(['upgrade', 'ada'])).stdout).toBe(done);
  });

  it('shows at a terminal what it comes to, and asks', async () => {
    for (const [typed, verbs] of [
      ['n\n', ['upgrade.plan']],
      ['y\n', ['upgrade.plan', 'upgrade']],
    ] as const) {
      const { stderr, requests } = await ask(['upgrade', 'ada'], { columns: 80 }, typed);
      expect(stderr).toContain(
        'ada keeps 30 files that hide newer ones of the image:\n    /etc/x\ufffd\n    and 29 more\n',
      );
      expect(requests.map(({ verb }) => verb)).toEqual(verbs);
    }
  });

  it.each([
    [[]],
    [['ada', '--all']],
    [['--all', '--group', 'staff']],
    [['--all']], // without a terminal
    [['--image', 'lab/base:1', '--rollback', '--yes']], // nobody has one to go back to
  ])('does nothing for %j', async (args) => {
    const { requests } = await ask(['upgrade', ...args]);
    expect(requests.filter(({ verb }) => verb !== 'upgrade.plan')).toEqual([]);
  });

  it('does it for all who are meant', async () => {
    const { stdout, status } = await ask(['upgrade', '--all', '--yes']);
    expect([status, stdout]).toEqual([0, done]);
  });
});

it('a failure of the login path ends with a status of sysexits', async () => {
  const error = { code: 'E_IMAGE_BROKEN', message: 'layer x: it is missing', hint: 'h', exitCode: 125 };
  await using daemon = await FakeDaemon.start((_request, socket) => {
    socket.end(`${JSON.stringify({ ok: false, error })}\n`);
  });
  expect((await cli(['--socket', daemon.socketPath, 'upgrade', 'ada'])).status).toBe(65);
});
