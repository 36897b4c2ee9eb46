// Measures what a file, an image, a registry or a user can make a verb of dockershctl do to the daemon: its memory, and
// that of its helpers, stays below a bound that has nothing to do with their input; and logins go on meanwhile.

import { createWriteStream } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../../../src/cli/program.ts';
import { adminVerbs } from '../../../src/protocol/admin.ts';
import type { Host } from '../../fixtures/host.ts';
import { peakOf } from '../../fixtures/kernel/peak-memory.ts';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, run } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';
import { tar, tarEntry } from '../images/tar-builder.ts';
import {
  commandLines,
  crowdLayer,
  deepArchive,
  denseLayout,
  endlessRegistry,
  hugeName,
  largeUser,
  longPolicy,
  wideLayout,
} from './huge-inputs.ts';
import { VerbsHost } from './verbs-host.ts';

const MiB = 1024 * 1024;
/** Of the daemon, all in all: idle it has 110 MiB. */
const mostBytes = 400 * MiB;
const mostHelperBytes = 200 * MiB;

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };
const environment = { stdout: process.stdout, stderr: process.stderr };

describe.skipIf(lacks('busybox'))('the memory that a verb takes', () => {
  let verbs: VerbsHost;
  let neighbour: TestUser;
  const path = (name: string): string => join(verbs.host.folder, name);
  const client = (): string[] => ['--client', verbs.host.client];
  const plain = async (...args: string[]): Promise<Finished> => await verbs.plain(...args);
  const ok = async (...args: string[]): Promise<void> => {
    const result = await plain(...args);
    expect(result.code, `${args.join(' ')}: ${describeFinished(result)}`).toBe(0);
  };
  /** Whatever comes of it, but for a fault of ours. */
  const taken = async (...args: string[]): Promise<void> => {
    expect((await plain(...args)).stderr.toString(), args[0]).not.toContain('E_INTERNAL');
  };
  const refused = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await plain(...args);
    expect(code, args[0]).not.toBe(0);
    expect(stderr.toString()).not.toContain('E_INTERNAL');
    expect(stderr.length).toBeLessThan(400_000);
  };

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy });
    neighbour = await TestUser.create({ shell: '/bin/bash' });
    verbs.host.uids.push(neighbour.uid);
    await ok('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
    await verbs.inside('echo >/srv/new');
    await crowdLayer(join(verbs.host.stateFolder, 'users', String(verbs.user.uid), 'layer/upper/srv'));
    expect((await login()).code).toBe(0);
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
    await neighbour[Symbol.asyncDispose]();
  }, 60_000);

  const login = async (): Promise<Finished> => {
    const { uid, gid } = neighbour;
    return await run(verbs.host.client, ['-c', 'true'], { uid, gid });
  };

  /** Runs `work` while a neighbour logs in again and again; how many of those logins succeeded, and none may fail. */
  const bounded = async (work: () => Promise<unknown>): Promise<number> => {
    let logins = 0;
    const peak = await peakOf(verbs.host.daemonPid, async () => {
      let over = false;
      const done = work().finally(() => {
        over = true;
      });
      done.catch(() => undefined); // awaited below
      while (!over) {
        const result = await login();
        expect(result.code, describeFinished(result)).toBe(0);
        logins += 1;
      }
      await done;
    });
    expect(peak.daemon, 'dockershd').toBeLessThan(mostBytes);
    expect(peak.helper, peak.name).toBeLessThan(mostHelperBytes);
    return logins;
  };

  describe('does not grow with the names in an archive', () => {
    const entry = tarEntry({ name: 'x', pax: { path: 'n/'.repeat(500_000) } });
    const members = 500;

    it.each([
      ['plain', (part: Buffer) => part, 1],
      ['compressed', (part: Buffer) => gzipSync(part), 10], // gzip(1): members can follow each other
    ])('%s', async (name, pack, least) => {
      // The first four are called as an image's are.
      const head = tar(...[0, 1, 2, 3].map((index) => ({ name: `blobs/${index}` }))).subarray(0, -1024);
      const [first, middle, last] = [head, entry, Buffer.alloc(1024)].map(pack);
      const file = path(`names-${name}`);
      const parts = [first, ...Array.from({ length: members }, () => middle), last];
      await pipeline(Readable.from(parts), createWriteStream(file));
      const logins = await bounded(async () => {
        const { code, stderr } = await plain('image', 'import', 'lab/names:1', file);
        expect(code).toBe(65);
        expect(stderr.toString()).toContain('the path is longer than the limit allows');
        expect(stderr.length).toBeLessThan(8192);
      });
      expect(logins).toBeGreaterThanOrEqual(least);
    });
  });

  // In an order in which each finds what it needs.
  const rows: Record<string, () => Promise<void>> = {
    'image import': async () => {
      await ok('image', 'import', 'lab/wide:1', await wideLayout(path('wide')));
      await refused('image', 'import', 'lab/dense:1', await denseLayout(path('dense')));
    },
    'image load': async () => await refused('image', 'load', await deepArchive(path('deep.tar'))),
    'image pull': async () => {
      for (const [status, headers] of [
        [200, {}],
        [500, {}],
        [401, { 'www-authenticate': `Bearer realm="x",${'a="b",'.repeat(1000)}` }],
      ] as const) {
        await using registry = await endlessRegistry(status, headers);
        await refused('image', 'pull', `${registry.host}/lab/x:1`);
      }
    },
    'image push': async () => {
      await using registry = await endlessRegistry(202, { location: `/${'l'.repeat(8000)}` });
      await refused('image', 'push', 'lab/wide:1', `${registry.host}/lab/x:1`);
    },
    'image bootstrap': async () => {
      await ok('image', 'bootstrap', 'busybox', 'lab/boot:1');
      await refused('image', 'bootstrap', hugeName);
    },
    'image ls': async () => await ok('image', 'ls'),
    'image tag': async () => await ok('image', 'tag', 'lab/wide:1', 'lab/wider:1'),
    'image inspect': async () => await ok('image', 'inspect', 'lab/wide:1'),
    'image history': async () => await ok('image', 'history', 'lab/wide:1'),
    'image export': async () => {
      for (const format of ['oci', 'docker']) {
        await ok('image', 'export', 'lab/wide:1', path('export.tar'), '--format', format);
      }
    },
    'image du': async () => await ok('image', 'du'),
    'image verify': async () => await ok('image', 'verify', '--layers'),
    diff: async () => await ok('diff', verbs.name),
    commit: async () => await ok('commit', verbs.name, 'lab/made:1', '--no-pause'),
    snapshot: async () => {
      await refused('snapshot', verbs.name, 'deep', '--no-pause'); // too deep; `reset` keeps it
      await ok('snapshot', verbs.name, '--ls');
    },
    upgrade: async () => await ok('upgrade', verbs.name),
    reset: async () => await ok('reset', verbs.name, '--yes'),
    rollback: async () => await refused('rollback', verbs.name, '--yes'),
    'image rm': async () => {
      for (const name of ['wide', 'wider', 'made', 'boot']) await ok('image', 'rm', `lab/${name}:1`);
    },
    'image gc': async () => await ok('image', 'gc'),
    'audit ls': async () => await taken('audit', 'ls', '--user', hugeName),
    'audit verify': async () => await taken('audit', 'verify', '--folder', path('state/audit')),
    usage: async () => await taken('usage', '--user', hugeName),
    'recordings ls': async () => await refused('recordings', 'ls', '--user', hugeName),
    'recordings play': async () => await refused('recordings', 'play', hugeName),
    'recordings export': async () => await refused('recordings', 'export', hugeName),
    'recordings rm': async () => await refused('recordings', 'rm', hugeName, '--yes'),
    'gateway status': async () => await taken('gateway', 'status'),
    'gateway sessions': async () => await refused('gateway', 'sessions', '--user', hugeName),
    'gateway kick': async () => await refused('gateway', 'kick', hugeName),
    operations: async () => await ok('operations'),
    cancel: async () => await refused('cancel', hugeName),
    'policy check': async () => await ok('policy', 'check', await longPolicy(path('long.ini'))),
    'policy explain': async () => {
      await ok('policy', 'explain', verbs.name);
      await refused('policy', 'explain', hugeName);
    },
    'policy diff': async () => await refused('policy', 'diff', hugeName),
    'policy schema': async () => await ok('policy', 'schema'),
    'policy convert': async () => await taken('policy', 'convert', path('long.ini')),
    exec: async () => {
      const { code, stdout } = await verbs.exec(
        '/bin/sh',
        '-c',
        'busybox dd if=/dev/zero bs=1M count=100 2>&1',
      );
      expect([code, stdout.length > 100 * MiB]).toEqual([0, true]);
    },
    watch: async () => await refused('watch', verbs.name), // there is no terminal
    join: async () => await refused('join', verbs.name),
    ps: async () => await ok('ps'),
    stats: async () => await ok('stats'),
    top: async () => await refused('top'), // its look is that of stats; it wants a terminal
    logins: async () => {
      await ok('logins', '--limit', '1000');
      await refused('logins', hugeName);
    },
    version: async () => await ok('version'),
    doctor: async () => await taken('doctor', ...client(), '--user', verbs.name),
    'sshd-config': async () => await taken('sshd-config', ...client(), '--user', hugeName),
    'sshd-module': async () =>
      await refused('sshd-module', '--install', ...client(), '--service', path(hugeName)),
    'user ls': async () => await taken('user', 'ls'),
    'user enable': async () => await refused('user', 'enable', ...client(), hugeName),
    'user disable': async () => await refused('user', 'disable', ...client(), hugeName),
    'user forget': async () => await refused('user', 'forget', hugeName, '--yes'),
    'user rename': async () => await refused('user', 'rename', hugeName, verbs.name),
    'user export': async () => await ok('user', 'export', verbs.name, path('user.tar.zst')),
    'user import': async () => {
      await refused('user', 'import', path('deep.tar'), '--as', verbs.name);
      const file = await largeUser(path('large-user'), verbs.name);
      await refused('user', 'import', file, '--replace', path('user-before'));
    },
    'user rescue': async () => await refused('user', 'rescue', hugeName, 'on'),
    'user repair': async () => await taken('user', 'repair', ...client(), '--state', path(hugeName)),
    maintenance: async () => {
      await refused('maintenance', 'on', '--for', verbs.name, '--message', hugeName);
      await ok('maintenance', 'off');
    },
    'network ls': async () => await ok('network', 'ls'),
    'network refused': async () => await refused('network', 'refused', hugeName),
    message: async () => await refused('message', hugeName, hugeName),
    stop: async () => {
      await ok('stop', verbs.name);
      await refused('stop', hugeName);
    },
  };

  it('has a row for every verb', () => {
    const program = buildProgram(environment, '0', () => undefined);
    expect(Object.keys(rows).sort()).toEqual(commandLines(program).sort());
  });

  it.each(Object.entries(rows))('%s', async (_verb, row) => void (await bounded(row)), 180_000);

  it('does not grow with requests', async () => {
    await bounded(async () => {
      for (const verb of Object.keys(adminVerbs)) {
        const start = `{"version":1,"verb":"${verb}","params":`;
        const dense = `${start}[${'{},'.repeat((MiB - 1024) / 3)}{}]}\n`;
        for (const text of [dense, `${start}{"user":"${'x'.repeat(MiB - 1024)}"}}\n`]) {
          expect(await adminError(verbs.host, text), verb).toMatch(/E_PROTOCOL/);
        }
      }
      expect(await adminError(verbs.host, 'x'.repeat(64 * MiB))).toMatch(/the request is too long/);
      expect(await adminError(verbs.host, `{}\n${'x'.repeat(64 * MiB)}`)).toMatch(/E_PROTOCOL/);
    });
  }, 120_000);
});

/** What the daemon answers to a line, which may be none. */
async function adminError(host: Host, text: string): Promise<string> {
  const socket = connect(join(host.runFolder, 'admin.sock'));
  socket.on('error', () => undefined); // told by the answer, or its absence
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += (chunk as Buffer).toString();
  return answer;
}
