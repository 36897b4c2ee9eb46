// The file system of the state is full, or the one that an archive goes to: whatever was asked for says so (E_DISK_FULL,
// status 74), blames no image, and works when there is room again.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, runOk } from '../../fixtures/process.ts';
import { SmallDisk } from '../../fixtures/small-disk.ts';
import { answerOk, cli, FakeDaemon } from '../../unit/cli/fake-daemon.ts';
import { RealRegistry } from '../registry/real-registry.ts';
import { VerbsHost } from './verbs-host.ts';

describe.skipIf(lacks('busybox', 'docker-registry'))('a full disk', () => {
  const parts = new AsyncDisposableStack();
  let disk: SmallDisk;
  let verbs: VerbsHost;
  let registry: RealRegistry;
  let rootfs = '';
  let tar = '';
  let saved = '';
  let packed = '';
  let docker = '';

  const isFull = (result: Finished): void => {
    const said = JSON.parse(result.stderr.toString() || '{}') as { error?: { code: string } };
    expect([result.code, said.error?.code], describeFinished(result)).toEqual([74, 'E_DISK_FULL']);
  };

  beforeAll(async () => {
    disk = parts.use(await SmallDisk.mount(24));
    const defaults = { image: 'lab/base:1', linger: '0', stop_grace: '0' };
    verbs = parts.use(
      await VerbsHost.start({ policy: { defaults }, stateFolder: join(disk.mountPoint, 'state') }),
    );
    const storage = join(verbs.host.folder, 'registry');
    await mkdir(storage);
    registry = parts.use(await RealRegistry.start(storage));
    rootfs = await verbs.rootfs('base', { 'etc/motd': 'x'.repeat(300_000) });
    tar = join(verbs.host.folder, 'base.tar');
    saved = join(verbs.host.folder, 'saved.tar');
    await runOk('tar', ['-C', rootfs, '-cf', tar, '.']);
    packed = `${tar}.gz`;
    await runOk('gzip', ['-k', tar]);
    docker = join(verbs.host.folder, 'docker.tar');
    const other = await verbs.rootfs('other', { 'etc/motd': 'y'.repeat(400_000) });
    await verbs.host.ctlOk('image', 'import', 'lab/other:1', other);
    await verbs.host.ctlOk('image', 'export', '--format', 'docker', 'lab/other:1', docker);
    await verbs.host.ctlOk('image', 'export', 'lab/other:1', saved);
    await verbs.host.setPolicy(
      `[defaults]\nimage = lab/base:1\nlinger = 0\nstop_grace = 0\n[images]\nregistry = ${registry.host}\n`,
    );
    await verbs.host.ctlOk('image', 'push', 'lab/other:1', `${registry.host}/lab/other:1`);
    await verbs.host.ctlOk('image', 'rm', 'lab/other:1');
    await verbs.host.ctlOk('image', 'gc');
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', rootfs);
    await verbs.host.ctlOk(
      'image',
      'import',
      'lab/spare:1',
      await verbs.rootfs('spare', { 'etc/motd': 'spare' }),
    );
    await verbs.inside('head -c 200000 /dev/zero >/srv/file');
    await verbs.host.ctlOk('snapshot', verbs.name, 'first');
    await verbs.host.ctlOk('stop', verbs.name);
    await disk.fill();
  }, 120_000);
  afterAll(async () => {
    await parts.disposeAsync();
  }, 60_000);

  const verbsThatWrite: [string, (n?: number) => string[]][] = [
    ['image pull', () => ['image', 'pull', `${registry.host}/lab/other:1`]],
    ['image import of a folder', () => ['image', 'import', 'lab/new:1', rootfs]],
    ['image import of an archive', () => ['image', 'import', 'lab/new:2', tar]],
    ['image import of a compressed archive', () => ['image', 'import', 'lab/new:3', packed]],
    ['image import of an archive of docker save', () => ['image', 'import', 'lab/new:4', docker]],
    ['image load', () => ['image', 'load', saved]],
    ['image export', () => ['image', 'export', 'lab/base:1', join(disk.mountPoint, 'out.tar')]],
    ['image bootstrap', () => ['image', 'bootstrap', 'busybox', 'lab/busybox']],
    ['image tag', () => ['image', 'tag', 'lab/base:1', 'lab/base:2']],
    ['commit', () => ['commit', verbs.name, 'lab/ada:1']],
    ['snapshot', (n = 0) => ['snapshot', verbs.name, `try-${n}`]],
    ['rollback', () => ['rollback', verbs.name, 'first', '--yes']],
  ];
  it.each(verbsThatWrite)('is what %s says', async (_what, args) => {
    isFull(await verbs.host.ctl(...args()));
  });

  it('is what they say wherever the room ends', async () => {
    for (const kilobytes of [12, 160, 640]) {
      for (const [, args] of verbsThatWrite) {
        await disk.leave(kilobytes);
        const result = await verbs.host.ctl(...args(kilobytes));
        if (result.code !== 0) isFull(result);
        await disk.fill();
      }
    }
  }, 180_000);

  it('is what dockershctl says of its own files', async () => {
    const config = join(disk.mountPoint, 'etc/dockersh.ini');
    await using daemon = await FakeDaemon.start(
      answerOk({
        config,
        state: '/s',
        run: '/r',
        audit: '/a',
        libexec: '/l',
        unenforced: [],
        policyFault: null,
        recordingsWaiting: 0,
      }),
    );
    const { status, stderr } = await cli(['--socket', daemon.socketPath, 'maintenance', 'on']);
    expect([status, stderr]).toEqual([74, expect.stringContaining('[E_DISK_FULL]')]);
  });

  it('can be emptied with no byte free', async () => {
    expect(await verbs.host.ctlOk('reset', verbs.name, '--yes')).toMatchObject({
      saved: { sizeBytes: expect.any(Number) },
    });
    await disk.fill();
    await verbs.host.ctlOk('snapshot', '--rm', verbs.name, 'first');
    await disk.fill();
    await verbs.host.ctlOk('image', 'rm', 'lab/spare:1');
    await disk.fill();
    await verbs.host.ctlOk('image', 'gc');
    const { stdout } = await verbs.host.ctl('image', 'ls');
    expect(stdout.toString()).not.toContain('lab/spare');
    await verbs.host.ctlOk('reset', verbs.name, '--yes', '--no-save');
  });

  it('is over when there is room again', async () => {
    await disk.makeRoom();
    await verbs.host.ctlOk('image', 'import', 'lab/new:9', tar);
    expect(await verbs.host.ctlOk('image', 'verify', '--layers')).toMatchObject({ problems: [] });
    expect(await verbs.inside('ls /srv')).toBe('');
  });
});
