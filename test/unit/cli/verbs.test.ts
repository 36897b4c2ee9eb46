// Tests of the verbs ps, stop, image, logins, version and policy check, against a real socket.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Uid } from '../../../src/lib/values/uid.ts';
import type { AdminLogin, AdminSandbox } from '../../../src/protocol/admin.ts';
import { answerOk, cli, FakeDaemon } from './fake-daemon.ts';

const minute = 60_000;
const sandbox = {
  uid: Uid.parse(1000),
  user: 'ada',
  state: 'running',
  image: 'host',
  imageDigest: 'virtual:host:0011',
  newerImage: false,
  initPid: 4711,
  sessions: [
    { id: 's1', pid: 4712, tty: 'pts/0', startedAt: '2026-01-02T03:04:05Z', from: '192.0.2.1', leftAt: null },
  ],
  connections: [],
  memoryBytes: 13_529_088,
  memoryLimitBytes: 2 * 1024 ** 3,
  pids: 3,
  pidsLimit: null,
  cpus: 1.5,
  startedAt: new Date(Date.now() - 90 * minute).toISOString(),
  published: [],
  missing: [],
  lingerUntil: null,
} satisfies AdminSandbox;

const login = {
  id: 'k3x9',
  user: 'ada',
  uid: Uid.parse(1000),
  at: '2026-01-02T03:04:05Z',
  what: 'session',
  from: '203.0.113.7',
  auth: null,
  entry: null,
  kind: 'warm',
  outcome: 'exit 0',
  cause: 'exit',
  endedAt: '2026-01-02T03:04:06Z',
  count: 1,
  steps: [
    { name: 'policy', us: 12.4 },
    { name: 'spawn', us: 700 },
  ],
} satisfies AdminLogin;

async function ask(result: unknown, args: string[], terminal?: { columns: number }) {
  await using daemon = await FakeDaemon.start(answerOk(result));
  const run = await cli(['--socket', daemon.socketPath, ...args], terminal);
  return { ...run, requests: daemon.requests };
}

describe('ps', () => {
  it('prints a table', async () => {
    const { status, stdout } = await ask({ sandboxes: [sandbox], policyFault: null }, ['ps']);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'USER   UID  STATE    IMAGE  SESSIONS  SSH    MEMORY  PROCESSES  CPUS     UP  STOPS IN',
      'ada   1000  running  host          1    0  13M / 2G          3   1.5  1h30m         -',
      '',
    ]);
  });

  it('shows published ports where there are any', async () => {
    const published = [
      { protocol: 'tcp' as const, address: '127.0.0.1', first: 20070, last: 20070, inside: 80 },
      { protocol: 'udp' as const, address: '::', first: 61_000, last: 61_003, inside: 61_000 },
    ];
    const { stdout } = await ask({ sandboxes: [{ ...sandbox, published }, sandbox], policyFault: null }, [
      'ps',
    ]);
    const [head = '', first = '', second = ''] = stdout.split('\n');
    expect(head).toMatch(/ {2}PUBLISHED$/);
    expect(first).toMatch(/ 127\.0\.0\.1:20070:80 \[::\]:61000-61003:61000-61003\/udp$/);
    expect(second).toMatch(/ -$/);
  });

  it('prints what the daemon answered with --json, before or after the verb', async () => {
    for (const args of [
      ['--json', 'ps'],
      ['ps', '--json'],
    ]) {
      const { stdout } = await ask({ sandboxes: [sandbox], policyFault: null }, args);
      expect(JSON.parse(stdout)).toEqual({ sandboxes: [sandbox], policyFault: null });
    }
  });

  it('says that the policy is broken, apart from the list', async () => {
    const policyFault = { since: null, problems: ['a.ini:1: no'] };
    const { stdout, stderr } = await ask({ sandboxes: [sandbox], policyFault }, ['ps']);
    expect(stdout).toMatch(/^USER /);
    expect(stderr).toMatch(/^ATTENTION: the policy is broken.* every login is refused .*policy check/);
  });

  it('fits a terminal', async () => {
    const { stdout } = await ask({ sandboxes: [sandbox], policyFault: null }, ['ps'], { columns: 30 });
    expect(stdout.split('\n').map((line) => line.length)).toEqual([30, 30, 0]);
  });
});

describe('stop', () => {
  it.each([
    [true, 'stopped the sandbox of ada\n'],
    [false, 'ada has no sandbox\n'],
  ])('says what it did (%s)', async (stopped, text) => {
    expect((await ask({ user: 'ada', stopped }, ['stop', 'ada'])).stdout).toBe(text);
  });

  async function among(args: string[]) {
    await using daemon = await FakeDaemon.start((request, socket) => {
      if (request.verb === 'ps')
        return answerOk({ sandboxes: [sandbox], policyFault: null })(request, socket);
      if (request.verb !== 'stop') throw new Error(request.verb);
      const { user } = request.params;
      if (user !== 'eve') return answerOk({ user, stopped: true })(request, socket);
      const error = { code: 'E_BUSY', message: 'it does not stop', exitCode: 75 };
      socket.end(`${JSON.stringify({ ok: false, error })}\n`);
    });
    const run = await cli(['--socket', daemon.socketPath, 'stop', ...args]);
    return { ...run, requests: daemon.requests.filter(({ verb }) => verb === 'stop') };
  }

  it('takes several users and stops the others where one does not stop', async () => {
    const run = await among(['ada', 'eve', 'bob', 'ada']);
    expect(run.status).toBe(75);
    expect(run.stdout).toBe(
      'stopped the sandbox of ada\neve: it does not stop [E_BUSY]\nstopped the sandbox of bob\n',
    );
    expect(run.requests.length).toBe(3);
  });

  it('takes all, by uid, with a message', async () => {
    const run = await among(['--all', '--message', 'new disks']);
    expect(run.requests.map(({ params }) => params)).toEqual([{ user: '1000', message: 'new disks' }]);
    expect(run.status).toBe(0);
    expect(JSON.parse((await among(['--all', '--json'])).stdout)).toEqual({
      sandboxes: [{ user: '1000', stopped: true }],
    });
  });

  it.each([
    [['--all', 'ada']],
    [[]],
    [['ada', '--message', 'a\u001bb']],
    [['ada', '--message', 'é'.repeat(351)]],
  ])('is refused as usage: %j', async (args) => {
    const run = await among(args);
    expect(run.status).toBe(64);
    expect(run.requests).toEqual([]);
  });
});

describe('message', () => {
  it('takes words, and says how many terminals show them', async () => {
    const { stdout, requests } = await ask({ user: 'ada', terminals: 2 }, [
      'message',
      'ada',
      'the',
      'disk is full',
    ]);
    expect(requests.map(({ params }) => params)).toEqual([{ user: 'ada', text: 'the disk is full' }]);
    expect(stdout).toBe('ada: 2 terminals\n');
  });

  it('goes to all', async () => {
    await using daemon = await FakeDaemon.start((request, socket) =>
      answerOk(
        request.verb === 'ps' ? { sandboxes: [sandbox], policyFault: null } : { user: 'ada', terminals: 0 },
      )(request, socket),
    );
    const { stdout } = await cli(['--socket', daemon.socketPath, 'message', '--all', 'back', 'at noon']);
    expect(daemon.requests.at(-1)?.params).toEqual({ user: '1000', text: 'back at noon' });
    expect(stdout).toBe('ada: no terminal\n');
  });

  it.each([[['ada']], [[]], [['--all']], [['ada', 'a\nb']], [['ada', '\u202egnp.exe']], [['ada', ' ']]])(
    'is refused as usage: %j',
    async (args) => {
      const { status, requests } = await ask({}, ['message', ...args]);
      expect(status).toBe(64);
      expect(requests).toEqual([]);
    },
  );
});

describe('image', () => {
  it('imports a path as seen from here', async () => {
    const result = { images: [{ name: 'base', digest: 'sha256:00ff', sizeBytes: 2048, files: 7 }] };
    const { stdout, requests } = await ask(result, ['image', 'import', 'base', 'some/../rootfs.tar']);
    expect(stdout).toBe('imported base: 7 files, 2K, sha256:00ff\n');
    expect(requests[0]?.params).toEqual({ name: 'base', path: join(process.cwd(), 'rootfs.tar') });
  });

  it('lists images', async () => {
    const base = {
      name: 'base:trixie',
      digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
      layers: 1,
      virtual: false,
    };
    const host = { name: 'host', digest: 'virtual:host:0123456789abcdef', layers: 1, virtual: true };
    const images = [
      { ...host, sizeBytes: 4096, createdAt: null },
      { ...base, sizeBytes: 100 * 1024 ** 2, createdAt: new Date(Date.now() - 3 * 86_400_000).toISOString() },
    ];
    expect((await ask({ images }, ['image', 'ls'])).stdout.split('\n')).toEqual([
      'REPOSITORY  TAG     IMAGE ID      CREATED     LAYERS  SIZE',
      'host        -       0123456789ab  -                1     -',
      'base        trixie  0123456789ab  3 days ago       1  100M',
      '',
    ]);
  });

  it('shows who takes most first, and who has nothing only with --all', async () => {
    const image = (name: string, ownBytes: number) => ({
      ...{ names: [name], digest: `sha256:${name}`, sizeBytes: ownBytes, sharedBytes: 0, ownBytes },
    });
    const user = (name: string, layerBytes: number, snapshotBytes = 0) => ({
      ...{ user: name, uid: 1000, account: name, layerBytes, snapshotBytes },
      ...{ files: layerBytes, snapshots: snapshotBytes > 0 ? 1 : 0 },
    });
    const result = {
      images: [image('small', 1), image('large', 9)],
      users: [user('none', 0), user('less', 5), user('most', 1, 7)],
      ...{ layersBytes: 0, blobsBytes: 0, unnamedBytes: 0, temporaryBytes: 0, totalBytes: 0 },
    };
    const firstWords = (text: string): string[] => text.split('\n').map((line) => line.split(' ')[0] ?? '');
    expect(firstWords((await ask(result, ['image', 'du'])).stdout).join(' ')).toBe(
      'IMAGE large small  USER most less  Images: ',
    );
    expect(firstWords((await ask(result, ['image', 'du', '--all'])).stdout)).toContain('none');
    const json = JSON.parse((await ask(result, ['image', 'du', '--json'])).stdout) as typeof result;
    expect(json.users.map(({ user: name }) => name)).toEqual(['most', 'less', 'none']);
  });

  it('removes one', async () => {
    const { stdout } = await ask({ name: 'base', removed: true }, ['image', 'rm', 'base']);
    expect(stdout).toBe('removed base\n');
  });
});

describe('logins', () => {
  it('lists them', async () => {
    const { stdout, requests } = await ask({ logins: [login] }, ['logins', '--limit', '5']);
    expect(stdout).toMatch(
      /^ID +USER +FROM +AT +KIND +TOOK +OUTCOME\nk3x9 +ada +203\.0\.113\.7 .* 712µs +exit 0\n$/,
    );
    expect(requests[0]?.params).toEqual({ limit: 5 });
  });

  it('shows one step by step', async () => {
    const { stdout, requests } = await ask({ logins: [login] }, ['logins', 'k3x9']);
    expect(requests[0]?.params).toEqual({ id: 'k3x9' });
    expect(stdout.split('\n').slice(1)).toEqual([
      '',
      'STEP     TOOK',
      'policy   12µs',
      'spawn   700µs',
      'total   712µs',
      '',
    ]);
  });

  it('shows the last one', async () => {
    const { stdout, requests } = await ask({ logins: [login] }, ['logins', '--last']);
    expect(requests[0]?.params).toEqual({ limit: 1 });
    expect(stdout).toContain('total   712µs');
  });

  it('fails where there is none', async () => {
    const { status, stderr } = await ask({ logins: [] }, ['logins', 'nope']);
    expect(status).toBe(66);
    expect(stderr).toContain('no login nope');
  });
});

describe('version', () => {
  it('names both programs', async () => {
    const daemon = { version: '1.0.0', node: 'v26.0.0', kernel: '6.18.0', cgroup: 'v2' };
    const { stdout } = await ask(daemon, ['version']);
    expect(stdout).toContain('dockershctl 1.2.3\ndockershd   1.0.0\n');
    expect(JSON.parse((await ask(daemon, ['version', '--json'])).stdout)).toEqual({
      dockershctl: '1.2.3',
      dockershd: daemon,
    });
  });
});

describe('policy check', () => {
  async function check(text: string, ...args: string[]) {
    const folder = await mkdtemp('/tmp/dockersh-test-');
    try {
      await writeFile(join(folder, 'dockersh.ini'), text);
      return await cli(['policy', 'check', ...args, join(folder, 'dockersh.ini')]);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it('accepts a valid file without a daemon', async () => {
    const { status, stdout } = await check('[defaults]\nimage = host\n');
    expect(stdout).toMatch(/dockersh\.ini: valid\n$/);
    expect(status).toBe(0);
  });

  it('names file, line and key of what is wrong', async () => {
    const { status, stdout } = await check('[defaults]\nimage = host\nmemroy = 1G\n');
    expect(status).toBe(78);
    expect(stdout).toMatch(/dockersh\.ini:3:\d+: error: .*memroy/);
    expect(stdout).toMatch(/dockersh\.ini: not valid\n$/);
  });

  it('prints the problems as JSON', async () => {
    const result = JSON.parse((await check('[defaults]\npids = many\n', '--json')).stdout);
    expect(result).toMatchObject({ valid: false, problems: [{ severity: 'error', line: 2 }] });
  });

  it('fails for a file that is not there', async () => {
    const { status, stdout } = await cli(['policy', 'check', '/nonexistent/dockersh.ini']);
    expect(status).toBe(66);
    expect(stdout).toContain('not valid');
  });
});

describe('failures', () => {
  const nowhere = ['--socket', '/tmp/dockersh-test-none/admin.sock'];

  it('end with a message, a hint and a status of sysexits', async () => {
    const run = await cli([...nowhere, 'ps']);
    expect(run.status).toBe(69);
    expect(run.stdout).toBe('');
    expect(run.stderr).toMatch(
      /^dockershctl: dockershd is not running: .*\ndockershctl: .* \[E_DAEMON_DOWN\]\n$/,
    );
  });

  it('are JSON on stderr with --json', async () => {
    const { stderr } = await cli([...nowhere, 'ps', '--json']);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'E_DAEMON_DOWN' } });
  });

  it.each([[['nonsense']], [['stop']], [['ps', '--nope']], [['logins', '--limit', '0']], [['image']]])(
    'of usage end with 64: %j',
    async (args) => {
      const { status, stderr } = await cli(args);
      expect(status).toBe(64);
      expect(stderr).not.toBe('');
    },
  );

  it('help is no failure', async () => {
    const { status, stdout } = await cli(['--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: dockershctl');
  });
});
