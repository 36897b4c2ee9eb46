// Images of the administrator's own, imported from a folder or a tar file.

import { chmod, chown, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import { control, lacks, program } from '../../fixtures/machine.ts';
import { describeFinished, runOk } from '../../fixtures/process.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld();

describe.skipIf(control || lacks('busybox'))('an imported image', () => {
  let rootfs: string;

  beforeAll(async () => {
    const { host } = world();
    rootfs = await makeRootfs(join(host.folder, 'rootfs'), {
      files: { '/etc/release': 'tiny 1\n', '/opt/tool': '#!/bin/sh\necho tool "$@"\n' },
    });
    await copyFile(program('busybox'), join(rootfs, 'bin/busybox-setuid'));
    await chmod(join(rootfs, 'bin/busybox-setuid'), 0o4755);
    await chown(join(rootfs, 'etc/release'), 12, 12);
    await host.ctlOk('image', 'import', 'tiny', rootfs);
    const tar = join(host.folder, 'rootfs.tar');
    await runOk('tar', ['-C', rootfs, '-cf', tar, '.']);
    await host.ctlOk('image', 'import', 'lab/from-tar:1', tar);
    await runOk('gzip', ['-k', tar]);
    await host.ctlOk('image', 'import', 'lab/from-gzip', `${tar}.gz`);
  }, 120_000);

  it('is listed, next to the host image', async () => {
    const { images } = (await world().host.ctlOk('image', 'ls')) as {
      images: { name: string; digest: string; virtual: boolean }[];
    };
    const names = images.map(({ name }) => name);
    expect(names.toSorted()).toEqual(['host', 'lab/from-gzip:latest', 'lab/from-tar:1', 'tiny:latest']);
    expect(images.find(({ name }) => name === 'tiny:latest')?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(images.find(({ name }) => name === 'host')?.virtual).toBe(true);
  });

  describe.each(modes)('as %s', (mode) => {
    it.each(['tiny', 'lab/from-tar:1', 'lab/from-gzip'])('is where users of %s land', async (image) => {
      const login = await world().addLogin(mode);
      await world().host.setPolicy({ defaults: { image: 'host' }, users: { [login.user.name]: { image } } });
      const result = await login.ssh('cat /etc/release; /opt/tool a "b c"; id; ls /usr; exit 8');
      const { name, uid, gid } = login.user;
      // /usr/bin is there for the command of self-service.
      expect(result.stdout.toString(), describeFinished(result)).toBe(
        `tiny 1\ntool a b c\nuid=${uid}(${name}) gid=${gid}(${name}) groups=${gid}(${name})\nbin\nlib\n`,
      );
      expect(result.code).toBe(8);
      await using shell = login.terminal(undefined, { ssh: [] });
      await shell.prompt();
      expect((await shell.command('tty; echo $0')).output).toMatch(/^\/dev\/pts\/\d+\n-sh\n$/);
      // Ids are those of the image; a setuid file gives nothing.
      expect((await shell.command('stat -c %u:%g /etc/release /bin/sh /')).output).toBe('12:12\n0:0\n0:0\n');
      expect((await shell.command('/bin/busybox-setuid id -u')).output).toBe(`${uid}\n`);
      expect((await shell.command('echo x > /etc/release || echo denied')).output).toMatch(/denied/);
    });

    it('is shared, and what one user changes the other does not see', async () => {
      const [one, two] = [await world().addLogin(mode), await world().addLogin(mode)];
      await world().host.setPolicy({ defaults: { image: 'tiny' } });
      await one.ssh('echo mine > /tmp/x; echo mine > ~/x');
      expect((await two.ssh('ls /tmp ~')).stdout.toString()).not.toMatch(/x\n/);
      expect((await one.ssh('cat ~/x')).stdout.toString()).toBe('mine\n');
    });
  });

  it('that is in use cannot be removed by accident, or users keep what they have', async () => {
    const login = await world().addLogin('shell');
    await world().host.setPolicy({ defaults: { image: 'tiny' } });
    await using session = login.start('echo ready; cat; cat /etc/release');
    await session.waitForOutput('ready');
    expect((await world().host.ctl('image', 'rm', 'tiny')).code).toBe(64);
    await world().host.ctlOk('image', 'rm', 'tiny', '--force');
    session.process.stdin?.end();
    expect((await session.finished()).stdout.toString()).toBe('ready\ntiny 1\n');
  });
});
