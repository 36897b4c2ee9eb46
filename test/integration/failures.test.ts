// Provokes the failures of native programs, each by what really makes it fail, and reads its permanent code. Those that no
// host can be made to have are told apart in native/test/err_test.c, rootfs_test.c and spec_test.c.

import { chmod, chown, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDiskImage } from '../../src/users/disk/disk-image.ts';
import { Host } from '../fixtures/host.ts';
import { makeRootfs } from '../fixtures/images/rootfs.ts';
import { control, unlimited } from '../fixtures/machine.ts';
import { describeFinished, type Finished, Running, run, runOk, waitUntil } from '../fixtures/process.ts';
import { TestUser } from '../fixtures/users.ts';

describe.skipIf(control)('a failure', () => {
  const parts = new AsyncDisposableStack();
  let host: Host;
  let user: TestUser;
  let data = '';

  const defaults = { image: 'host', linger: '0', stop_grace: '0', hangup_grace: '0' };
  const given = async (settings: Record<string, string | number>): Promise<void> => {
    await host.setPolicy({ defaults, users: { [user.name]: settings } });
    await host.ctlOk('stop', user.name);
  };
  const login = async (command: string): Promise<Finished> =>
    await run(host.client, ['-c', command], { uid: user.uid, gid: user.gid });
  const refusal = async (settings: Record<string, string | number>): Promise<string> => {
    await given(settings);
    const result = await login('echo in');
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stdout.toString()).toBe('');
    return /\[(E_[A-Z_]+),/.exec(result.stderr.toString())?.[1] ?? describeFinished(result);
  };
  let heard = 0;
  /** Of the failed session that nobody has asked about yet: its code and the log's reason. The log comes after the client's exit. */
  const ended = async (): Promise<{ code: unknown; why: unknown }> => {
    const failed = () =>
      host.logRecords().filter(({ event, code }) => event === 'session-closed' && code !== undefined);
    await waitUntil(() => failed().length > heard, 'the session’s end to be in the log');
    heard += 1;
    const record = failed()[heard - 1];
    expect(record).toMatchObject({ cause: 'not-started' });
    return { code: record?.['code'], why: record?.['reason'] };
  };

  beforeAll(async () => {
    data = await mkdtemp('/srv/dockersh-test-');
    parts.defer(async () => await rm(data, { recursive: true, force: true }));
    await chmod(data, 0o755);
    host = parts.use(await Host.start({ policy: { defaults } }));
    user = parts.use(await TestUser.create({ shell: host.client }));
    host.uids.push(user.uid);
  }, 120_000);

  afterAll(async () => {
    await parts.disposeAsync();
  });

  it('of a folder that the policy shows', async () => {
    expect(await refusal({ mounts: `${data}/missing:/data` })).toBe('E_MOUNT');
  });

  it('of a device', async () => {
    const top = `/dev/dockersh-test-${process.pid}`;
    const folder = join(top, ...Array.from({ length: 60 }, () => 'd')); // more than the sandbox’s /dev has room for
    try {
      await mkdir(folder, { recursive: true });
      await runOk('mknod', [join(folder, 'fuse'), 'c', '10', '229']);
      expect(await refusal({ devices: join(folder, 'fuse') })).toBe('E_DEVICE');
    } finally {
      await rm(top, { recursive: true, force: true });
    }
  });

  it('of a home that is somebody else’s', async () => {
    await given({});
    expect((await login('exit 3')).code).toBe(3);
    await host.ctlOk('stop', user.name);
    const home = join(host.stateFolder, 'users', String(user.uid), 'home');
    await chown(home, 12_345, 12_345);
    expect(await refusal({})).toBe('E_HOME');
    await chown(home, user.uid, user.gid);
    expect((await login('exit 3')).code).toBe(3);
  });

  it.skipIf(unlimited)('of a limit that the kernel does not take', async () => {
    expect(await refusal({ cpuset: '4000' })).toBe('E_LIMIT_REFUSED');
  });

  it('of an image without one of its layers', async () => {
    const rootfs = await makeRootfs(join(data, 'whole'));
    await host.ctlOk('image', 'import', 'whole', rootfs);
    const layers = (await runOk('find', [host.stateFolder, '-path', '*/layers/*', '-name', 'tree'])).trim();
    const [tree = ''] = layers.split('\n').filter((path) => !path.includes('/users/'));
    await rename(tree, `${tree}.away`);
    expect(await refusal({ image: 'whole' })).toBe('E_IMAGE_BROKEN');
    await rename(`${tree}.away`, tree);
    expect((await login('exit 3')).code).toBe(3);
  });

  it('of a session is that of the session alone', async () => {
    const broken = { busybox: false, files: { '/bin/sh': 'no program\n' } };
    await host.ctlOk('image', 'import', 'empty', await makeRootfs(join(data, 'empty'), broken));
    await given({ image: 'empty' });
    expect((await login('true')).code).toBe(125);
    expect(await ended()).toMatchObject({
      code: 'E_SESSION_START',
      why: expect.stringContaining('/bin/sh'),
    });
    await given({});
    const withFolder = await run('/bin/sh', ['-c', `exec ${host.client} -c true </`], {
      uid: user.uid,
      gid: user.gid,
    });
    expect(withFolder.code, describeFinished(withFolder)).toBe(125);
    expect((await ended()).why).toContain('must not be folders');
  });

  it.skipIf(unlimited)('for want of processes', async () => {
    await given({ pids: 16 });
    const { uid, gid } = user;
    const fill = `${'sleep 1000 & '.repeat(15)} echo full; read line`;
    await using full = new Running(host.client, ['-c', fill], {
      uid,
      gid,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    await full.waitForOutput('full');
    const result = await login('echo in');
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stderr.toString()).toContain('as many processes as it may');
    expect(await ended()).toMatchObject({ code: 'E_PROCESSES' });
    const { logins } = (await host.ctlOk('logins')) as { logins: { outcome: string | null }[] };
    expect(logins.map(({ outcome }) => outcome)).toContain('E_PROCESSES');
  });

  it('of a disk image is a full disk only where that is full', async () => {
    const small = await mkdtemp('/tmp/dockersh-test-disk-');
    await runOk('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]);
    try {
      const size = { bytes: 2 ** 30, inodes: null };
      await expect(makeDiskImage(join(small, 'a'), size)).rejects.toMatchObject({ code: 'E_DISK_FULL' });
      const none = { bytes: 8192, inodes: null };
      await expect(makeDiskImage(join(small, 'b'), none)).rejects.toMatchObject({ code: 'E_LIMIT_REFUSED' });
    } finally {
      await runOk('umount', [small]);
      await rm(small, { recursive: true });
    }
  });
});
