// Long operations end with whoever asked for them: dockershctl is killed in the midst of each, and nothing of it is left.
// Those that were asked to run on do, are listed, and can be cancelled.

import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasErrno } from '../../../src/lib/errors.ts';
import type { AdminOperation } from '../../../src/protocol/admin.ts';
import { Host } from '../../fixtures/host.ts';
import { lacks } from '../../fixtures/machine.ts';
import { NetworkNamespace } from '../../fixtures/network/namespace.ts';
import { runOk, waitUntil } from '../../fixtures/process.ts';
import { Server } from '../../unit/registry/server.ts';
import { builtImage, writeLayout } from '../images/image-builder.ts';
import { KillHost } from '../images/killed/kill-host.ts';
import { randomLayers } from '../images/random-layers.ts';
import { HeldLayerTool } from './held-layer-tool.ts';
import { VerbsHost } from './verbs-host.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };
const patienceMs = 120_000;

describe.skipIf(lacks('busybox', 'mmdebstrap'))('a long operation', { timeout: 300_000 }, () => {
  const parts = new AsyncDisposableStack();
  let tool: HeldLayerTool;
  let verbs: VerbsHost;
  let kill: KillHost;
  const image = builtImage(randomLayers(1, 10, 2_000));
  const path = (name: string): string => join(verbs.host.folder, name);
  const listed = async (): Promise<AdminOperation[]> => (await kill.ask('operations', {})).operations;
  const underWay = async (): Promise<AdminOperation[]> =>
    (await listed()).filter(({ endedAt }) => endedAt === null);
  /** Nothing runs, nothing is half made, and whoever comes next need not wait. */
  const nothingLeft = async (about: string): Promise<void> => {
    await waitUntil(async () => (await underWay()).length === 0, `${about} to end`, patienceMs);
    await kill.expectNoLeftovers(about);
    await kill.ask('diff', { user: verbs.name });
    await kill.ask('image.tag', { source: 'lab/base:1', target: 'lab/base:1' });
    expect(await verbs.inside('echo on')).toBe('on\n');
  };

  beforeAll(async () => {
    tool = parts.use(await HeldLayerTool.make());
    verbs = parts.use(await VerbsHost.start({ policy, libexec: tool.libexec }));
    kill = new KillHost(verbs.host);
    const ok = async (...args: string[]) => await verbs.host.ctlOk(...args);
    await ok('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
    await writeLayout(path('layout'), image);
    await ok('image', 'import', 'lab/other:1', path('layout'));
    await verbs.inside('echo one >/srv/changed');
    await ok('snapshot', verbs.name, 'first');
  }, 120_000);
  afterAll(async () => {
    await parts.disposeAsync();
  }, 60_000);

  /** The job that it stands at when dockershctl is killed, and what was asked. */
  const held: Record<string, { readonly job: string; readonly args: () => string[] }> = {
    'image import': { job: 'unpack', args: () => ['image', 'import', 'lab/x:1', path('rootfs.tar')] },
    'image load': { job: 'unpack', args: () => ['image', 'load', path('rootfs-layout')] },
    'image export': { job: 'pack', args: () => ['image', 'export', 'lab/base:1', path('out.tar')] },
    'image verify': { job: 'unpack', args: () => ['image', 'verify', '--layers'] },
    'image du': { job: 'usage', args: () => ['image', 'du'] },
    diff: { job: 'diff', args: () => ['diff', verbs.name] },
    commit: { job: 'pack', args: () => ['commit', verbs.name, 'lab/made:1'] },
    snapshot: { job: 'follow', args: () => ['snapshot', verbs.name, 'second'] },
    rollback: { job: 'copy', args: () => ['rollback', verbs.name, 'first', '--yes'] },
    reset: { job: 'usage', args: () => ['reset', verbs.name, '--yes'] },
  };

  it.each(Object.entries(held))('ends with its client: %s', async (name, { job, args }) => {
    if (name === 'image import') await runOk('tar', ['-cf', path('rootfs.tar'), '-C', path('base'), '.']);
    if (name === 'image load')
      await writeLayout(path('rootfs-layout'), builtImage(randomLayers(1, 3, 900)), 'lab/y:1');
    const before = [await kill.images(), (await kill.ask('snapshot.ls', { user: verbs.name })).snapshots];
    await tool.hold(job);
    try {
      await using command = kill.command(...args());
      await tool.waitHeld(job);
      expect((await underWay()).map(({ state, detached }) => [state, detached])).toEqual([
        ['running', false],
      ]);
      command.kill('SIGKILL');
      await command.finished();
      await waitUntil(async () => (await underWay()).length === 0, 'it to end', patienceMs);
    } finally {
      await tool.release(job);
    }
    await nothingLeft(name);
    const after = [await kill.images(), (await kill.ask('snapshot.ls', { user: verbs.name })).snapshots];
    expect(after).toEqual(before);
    expect(await verbs.inside('cat /srv/changed')).toBe('one\n');
  });

  it.each(['image gc', 'snapshot --rm'])(
    'that removes ends when what it has taken is gone: %s',
    async (name) => {
      const isGc = name === 'image gc';
      if (isGc) {
        // What a name needs no more is gone at once: gc finds what has come back.
        const [layers, copy] = [join(verbs.host.stateFolder, 'images/layers'), path('layers')];
        await verbs.host.ctlOk(
          'image',
          'import',
          'lab/garbage:1',
          await verbs.rootfs('garbage', { '/x': name }),
        );
        await runOk('cp', ['--archive', layers, copy]);
        await kill.remove('lab/garbage:1');
        await runOk('cp', ['--archive', '--no-clobber', `${copy}/.`, layers]);
      } else await verbs.host.ctlOk('snapshot', verbs.name, 'third');
      await tool.hold('remove');
      try {
        await using command = kill.command(
          ...(isGc ? ['image', 'gc'] : ['snapshot', verbs.name, 'third', '--rm']),
        );
        await tool.waitHeld('remove');
        command.kill('SIGKILL');
        await command.finished();
        await waitUntil(async () => (await underWay())[0]?.state === 'ending', 'it to be ending', patienceMs);
      } finally {
        await tool.release('remove');
      }
      await nothingLeft(name);
    },
  );

  it('ends with its client: image pull and push, which wait for a registry', async () => {
    let open = 0;
    const waits = Promise.withResolvers<void>();
    await using server = await Server.start((seen, response) => {
      if (seen.url === '/v2/') return response.writeHead(200).end('{}');
      const digest = /sha256:[0-9a-f]{64}/.exec(seen.url)?.[0] ?? image.manifest.digest;
      const bytes = image.blobs.get(digest as typeof image.manifest.digest);
      const isLayer = image.layers.some(({ blob }) => blob.digest === digest);
      if (seen.method === 'GET' && bytes !== undefined && !isLayer) {
        return response.writeHead(200, { 'content-type': image.manifest.mediaType }).end(bytes);
      }
      if (seen.method === 'HEAD') return response.writeHead(404).end();
      open += 1;
      response.once('close', () => {
        open -= 1;
      });
      waits.resolve();
      return true;
    });
    for (const args of [
      ['image', 'pull', `${server.host}/lab/other:1`, '--as', 'lab/pulled:1'],
      ['image', 'push', 'lab/other:1', `${server.host}/lab/pushed:1`],
    ]) {
      if (args[1] === 'pull') await kill.remove('lab/other:1');
      await using command = kill.command(...args);
      await waitUntil(() => open > 0, `the registry to be asked by ${args.join(' ')}`, patienceMs);
      command.kill('SIGKILL');
      await command.finished();
      await waitUntil(() => open === 0, 'the connection to be closed', patienceMs);
      await nothingLeft(args.slice(0, 2).join(' '));
      if (args[1] === 'pull') await verbs.host.ctlOk('image', 'import', 'lab/other:1', path('layout'));
    }
  });

  it('ends with its client: image bootstrap, which waits for a mirror', async () => {
    const asked = new Set<string>();
    await using mirror = await Server.start((seen, response) => {
      // The first look finds a suite, mmdebstrap's own waits.
      if (asked.has(seen.url)) return true;
      asked.add(seen.url);
      return response.writeHead(200).end('Suite: trixie\n');
    });
    await using command = kill.command(
      'image',
      'bootstrap',
      'debian:trixie',
      '--mirror',
      `${mirror.origin}/debian`,
    );
    const ours = (): string[] => processesWith(path('state/tmp/bootstrap-'));
    await waitUntil(
      () => asked.size > 0 && ours().some((command) => command.includes('mmdebstrap')),
      'mmdebstrap to run',
      patienceMs,
    );
    expect((await underWay()).map(({ verb, about }) => [verb, about])).toEqual([
      ['image bootstrap', 'debian:trixie'],
    ]);
    command.kill('SIGKILL');
    await command.finished();
    await nothingLeft('image bootstrap');
    expect(ours()).toEqual([]);
  });

  it('does not begin when its client has gone while it waited for its turn', async () => {
    await tool.hold('copy');
    try {
      await using first = kill.command('rollback', verbs.name, 'first', '--yes');
      await tool.waitHeld('copy');
      await using second = kill.command('reset', verbs.name, '--yes', '--no-save');
      await waitUntil(async () => (await underWay()).length === 2, 'both to be listed', patienceMs);
      second.kill('SIGKILL');
      await second.finished();
      await waitUntil(async () => (await underWay()).length === 1, 'the second to end', patienceMs);
      await tool.release('copy');
      expect((await first.finished()).code).toBe(0);
    } finally {
      await tool.release('copy');
    }
    await nothingLeft('a reset that waited');
    expect(await verbs.inside('cat /srv/changed')).toBe('one\n');
  });

  it('runs on with --detach, is listed, and its outcome is remembered', async () => {
    const { operation } = (await verbs.host.ctlOk(
      'image',
      'bootstrap',
      'busybox',
      'lab/boot:1',
      '--detach',
    )) as {
      operation: number;
    };
    const outcome = async () => (await listed()).find(({ id }) => id === operation);
    await waitUntil(async () => (await outcome())?.state === 'done', 'it to be done', patienceMs);
    expect(await kill.digestOf('lab/boot:1')).toBeDefined();
    const { operation: failing } = (await verbs.host.ctlOk(
      'image',
      'pull',
      '127.0.0.1:1/x:1',
      '--detach',
    )) as {
      operation: number;
    };
    await waitUntil(
      async () => (await listed()).find(({ id }) => id === failing)?.error?.code === 'E_REGISTRY',
      'the pull to fail',
      patienceMs,
    );
    const shown = (await verbs.plain('operations')).stdout.toString();
    expect(shown).toMatch(
      new RegExp(`^ *${operation} +image bootstrap lab/boot:1 +\\S+ +\\S.* ago +done$`, 'm'),
    );
    expect(shown).toMatch(
      new RegExp(`^ *${failing} +image pull 127.0.0.1:1/x:1 .*failed: .*\\[E_REGISTRY\\]$`, 'm'),
    );
    await kill.remove('lab/boot:1');
  });

  it('can be cancelled, by its number, whether somebody waits for it or not', async () => {
    for (const detach of [true, false]) {
      await tool.hold('pack');
      try {
        const args = ['commit', verbs.name, 'lab/made:1', ...(detach ? ['--detach'] : [])];
        await using command = kill.command(...args);
        await tool.waitHeld('pack');
        if (detach) expect((await command.finished()).code).toBe(0);
        const [operation] = await underWay();
        expect(operation).toMatchObject({ verb: 'commit', about: verbs.name, detached: detach });
        const { stdout } = await verbs.plain('cancel', String(operation?.id));
        expect(stdout.toString()).toBe(`ended operation ${operation?.id}, commit ${verbs.name}\n`);
        if (!detach) {
          const { code, stderr } = await command.finished();
          expect([code, stderr.toString()]).toEqual([75, expect.stringContaining('E_CANCELED')]);
        }
      } finally {
        await tool.release('pack');
      }
      await nothingLeft('a commit that was cancelled');
      expect(await kill.digestOf('lab/made:1')).toBeUndefined();
    }
    expect((await listed()).at(-1)?.state).toBe('cancelled');
    const { code, stderr } = await verbs.plain('cancel', '9999');
    expect([code, stderr.toString()]).toEqual([
      66,
      expect.stringContaining('operation 9999: it is not under way'),
    ]);
  });

  it('does not run on where that is not for it', async () => {
    await using command = kill.command('image', 'load', '-', '--detach');
    expect((await command.finished()).code).toBe(64);
  });

  it('ends when the daemon is told to', async () => {
    await tool.hold('unpack');
    try {
      await using command = kill.command('image', 'import', 'lab/x:1', path('rootfs.tar'));
      await tool.waitHeld('unpack');
      await verbs.host.killDaemon('SIGTERM');
      const { code, stderr } = await command.finished();
      expect([code, stderr.toString()]).toEqual([75, expect.stringContaining('dockershd ends')]);
    } finally {
      await tool.release('unpack');
      await verbs.host.startDaemon();
    }
    await nothingLeft('an import');
  });

  describe('bootstrap without a network says so at once', () => {
    const refusedSoon = async (host: Host, ...args: string[]): Promise<string> => {
      const started = performance.now();
      const { code, stderr } = await host.ctl('image', 'bootstrap', 'debian:trixie', ...args);
      expect([code, performance.now() - started < 40_000]).toEqual([69, true]);
      expect(stderr.toString()).toContain('E_MIRROR');
      return stderr.toString();
    };

    it('where there is none', async () => {
      await using network = await NetworkNamespace.create();
      await using host = await Host.start({ network });
      await refusedSoon(host);
    });

    it('where a mirror says nothing, refuses, or is none', async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as { port: number };
      try {
        expect(await refusedSoon(verbs.host, '--mirror', `http://127.0.0.1:${port}/debian`)).toContain(
          'within',
        );
        await refusedSoon(verbs.host, '--mirror', 'http://127.0.0.1:1/debian');
        await refusedSoon(verbs.host, '--mirror', `file://${path('nowhere')}`);
      } finally {
        server.close();
      }
      await nothingLeft('bootstraps that were refused');
    });
  });
});

/** Processes with the text in their arguments or variables. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^[0-9]+$/.test(pid))
    .filter((pid) => ['cmdline', 'environ'].some((file) => contentOf(`/proc/${pid}/${file}`).includes(text)))
    .map((pid) => contentOf(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
}

/** Empty where the process has ended, or is none of ours. */
function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES')) throw error; // none of ours is closed to root
    return '';
  }
}
