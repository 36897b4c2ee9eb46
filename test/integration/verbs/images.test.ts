// The image verbs through a real daemon: typed as docker's users do, with docker's output, and with results that
// other tools read.

import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks, program } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, runOk } from '../../fixtures/process.ts';
import { builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { tar } from '../images/tar-builder.ts';
import { RealRegistry } from '../registry/real-registry.ts';
import { VerbsHost } from './verbs-host.ts';

interface Imported {
  images: { name: string; digest: string }[];
}

let verbs: VerbsHost;
const ctl = async (...args: string[]) => await verbs.host.ctlOk(...args);
const path = (name: string): string => join(verbs.host.folder, name);

beforeAll(async () => {
  verbs = await VerbsHost.start();
  if (lacks('busybox')) return;
  await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('base', { '/etc/release': 'base\n' }));
}, 180_000);

afterAll(async () => {
  await verbs[Symbol.asyncDispose]();
}, 60_000);

describe.skipIf(lacks('busybox'))('images', () => {
  it('are listed in the columns of docker', async () => {
    const { stdout } = await verbs.plain('image', 'ls');
    const [head, host, base] = stdout.toString().split('\n');
    expect(head).toMatch(/^REPOSITORY +TAG +IMAGE ID +CREATED +LAYERS +SIZE$/);
    expect(host).toMatch(/^host +- +[0-9a-f]{12} +- /);
    expect(base).toMatch(/^lab\/base +1 +[0-9a-f]{12} +\d+ seconds? ago +1 +/);
  });

  it('take one more name, and lose it', async () => {
    await ctl('image', 'tag', 'lab/base:1', 'lab/other');
    expect(await ctl('image', 'inspect', 'lab/other')).toMatchObject({
      names: ['lab/base:1', 'lab/other:latest'],
    });
    await ctl('image', 'rm', 'lab/other');
    const missing = await verbs.plain('image', 'inspect', 'lab/other');
    expect(missing.code).toBe(66);
    expect(missing.stderr.toString()).toContain("image 'lab/other'");
  });

  it.each(['oci', 'docker'] as const)('go out as a %s archive and come in again', async (format) => {
    const file = path(`${format}.tar`);
    await ctl('image', 'export', 'lab/base:1', file, '--format', format);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { images } = (await ctl('image', 'import', `lab/${format}:1`, file)) as Imported;
    expect(images).toMatchObject([{ name: `lab/${format}:1` }]);
    const { configDigest } = (await ctl('image', 'inspect', `lab/${format}:1`)) as { configDigest: string };
    expect(await ctl('image', 'inspect', 'lab/base:1')).toMatchObject({ configDigest });
  });

  it('of another kind of machine come in with a warning', async () => {
    const layer = builtLayer(tar({ name: 'etc/motd', data: 'hello\n' }));
    const foreign = builtImage([layer], { config: { architecture: 'mips64le' } });
    const layout = await writeLayout(path('foreign'), foreign);
    const said = await verbs.plain('image', 'import', 'lab/foreign:1', layout);
    expect(said.code, describeFinished(said)).toBe(0);
    expect(said.stderr.toString()).toContain(
      'lab/foreign:1: for linux/mips64le: on this machine its programs run only by emulation',
    );
    const own = await verbs.plain(
      'image',
      'import',
      'lab/own:1',
      await writeLayout(path('own'), builtImage([layer])),
    );
    expect(own.stderr.toString()).not.toContain('emulation');
    await ctl('image', 'rm', 'lab/foreign:1');
    await ctl('image', 'rm', 'lab/own:1');
  });

  it.skipIf(lacks('skopeo'))('go out so that skopeo reads them', async () => {
    const file = path('for-skopeo.tar');
    await ctl('image', 'export', 'lab/base:1', file, '--format', 'docker');
    await runOk(program('skopeo'), ['copy', '--quiet', `docker-archive:${file}`, `dir:${path('copied')}`]);
    expect(await readdir(path('copied'))).toContain('manifest.json');
  });

  it('come from standard input and from pipes, compressed or not, and leave nothing of it', async () => {
    const before = (await readdir('/var/tmp')).filter((name) => name.startsWith('dockersh-import-'));
    await ctl('image', 'export', 'lab/base:1', path('piped.tar'));
    const ctlLine = `"${nodeProgram}" "${ctlBundle}" --socket "${path('run/admin.sock')}"`;
    const shell = async (script: string): Promise<string> =>
      await runOk('bash', ['-c', script.replaceAll('CTL', ctlLine)], { cwd: verbs.host.folder });
    expect(await shell('cat piped.tar | CTL image load -')).toContain('imported lab/base:1: ');
    expect(await shell('CTL image import lab/piped - < piped.tar')).toContain('imported lab/piped');
    expect(await shell('CTL image import lab/piped <(gzip -c piped.tar)')).toContain('imported lab/piped');
    expect(await shell('! CTL image import lab/piped - < /dev/null 2>&1')).toContain('E_');
    await ctl('image', 'rm', 'lab/piped');
    expect((await readdir('/var/tmp')).filter((name) => name.startsWith('dockersh-import-'))).toEqual(before);
  });

  it('are not written where that is not possible, and leave nothing', async () => {
    await mkdir(path('folder/sub'), { recursive: true });
    expect((await verbs.host.ctl('image', 'export', 'lab/base:1', path('folder'))).code).toBe(64);
    expect((await verbs.host.ctl('image', 'export', 'lab/base:1', path('none/file'))).code).toBe(66);
    expect(await readdir(path('folder'))).toEqual(['sub']);
  });

  it.skipIf(lacks('fuse2fs'))('are written to file systems that know no files without a name', async () => {
    const folder = path('fuse');
    await mkdir(folder);
    await runOk('truncate', ['-s', '64M', path('fuse.image')]);
    await runOk('mkfs.ext4', ['-q', path('fuse.image')]);
    await runOk('fuse2fs', ['-o', 'fakeroot', path('fuse.image'), folder]);
    try {
      for (const round of ['a new name', 'a name that is taken']) {
        await ctl('image', 'export', 'lab/base:1', join(folder, 'base.tar'));
        expect((await readdir(folder)).sort(), round).toEqual(['base.tar', 'lost+found']);
        await ctl('image', 'import', 'lab/fuse:1', join(folder, 'base.tar'));
        await ctl('image', 'rm', 'lab/fuse:1');
      }
    } finally {
      await runOk('umount', [folder]);
    }
  });

  it('leave nothing of an export that was killed once another goes to the same file', async () => {
    await mkdir(path('exports'));
    const half = (name: string): string => path(`exports/.${name}.0123456789abcdef.tmp`);
    await writeFile(path('precious'), 'precious');
    await symlink(path('precious'), half('base.tar'));
    await writeFile(half('other.tar'), 'half');
    await mkdir(path('exports/.base.tar.fedcba9876543210.tmp'));
    await ctl('image', 'export', 'lab/base:1', path('exports/base.tar'));
    expect((await readdir(path('exports'))).sort()).toEqual([
      '.base.tar.fedcba9876543210.tmp',
      '.other.tar.0123456789abcdef.tmp',
      'base.tar',
    ]);
    expect(await readFile(path('precious'), 'utf8')).toBe('precious');
  });

  it('tell what they take, and what of it is shared', async () => {
    await verbs.inside('true');
    const use = (await ctl('image', 'du')) as {
      images: { names: string[]; ownBytes: number; sharedBytes: number }[];
      users: { user: string; snapshots: number }[];
    };
    const base = use.images.find(({ names }) => names.includes('lab/base:1'));
    expect(base?.ownBytes).toBeGreaterThan(500_000);
    expect(use.users).toMatchObject([{ user: verbs.name, snapshots: 0 }]);
    expect((await verbs.plain('image', 'du')).stdout.toString()).toMatch(/UNIQUE SIZE\n/);
  });

  it('are verified, and what is damaged is named', async () => {
    expect(await ctl('image', 'verify', '--layers')).toMatchObject({ problems: [] });
    const { configDigest } = (await ctl('image', 'inspect', 'lab/base:1')) as { configDigest: string };
    const blob = join(verbs.host.stateFolder, 'images/blobs/sha256', configDigest.slice(7));
    const whole = await readFile(blob);
    await writeFile(blob, whole.toString().replace('linux', 'minux'));
    const found = await verbs.plain('image', 'verify');
    await writeFile(blob, whole);
    expect(found.code).toBe(65);
    expect(found.stdout.toString()).toContain(configDigest);
    expect(await ctl('image', 'verify')).toMatchObject({ problems: [] });
  });

  it('that nothing needs are collected', async () => {
    const removed = await verbs.plain('image', 'prune');
    expect(removed.stdout.toString(), describeFinished(removed)).toMatch(/Total reclaimed space: /);
  });

  it('keep to the limits that the policy has now', async () => {
    await verbs.host.setPolicy('[defaults]\nimage = host\n[images]\nmax_entries = 5\n');
    const refused = await verbs.plain('image', 'import', 'lab/large', path('base'));
    expect(refused.code, describeFinished(refused)).not.toBe(0);
    expect(refused.stderr.toString()).toMatch(/limit/);
    await verbs.host.setPolicy({ defaults: { image: 'host' } });
  });
});

describe('bootstrap', () => {
  it.skipIf(lacks('busybox'))('of busybox gives an image to log in to, in about a second', async () => {
    const began = performance.now();
    await ctl('image', 'bootstrap', 'busybox', 'mini');
    expect(performance.now() - began).toBeLessThan(10_000);
    await verbs.host.setPolicy({ defaults: { image: 'mini' } });
    await ctl('stop', verbs.name);
    expect(await verbs.inside('readlink /bin/sh; vi --help 2>&1 | head -1')).toMatch(
      /^\/bin\/busybox\nBusyBox/,
    );
    await verbs.host.setPolicy({ defaults: { image: 'host' } });
    await ctl('stop', verbs.name);
  });

  it.each([
    ['debian', 'it is no suite'],
    ['debian:Trixie', 'it is no suite'],
    ['slackware:15', 'it is no suite'],
    ['debian:--help', 'it is no suite'],
  ])('of %s is refused', async (suite, why) => {
    const { code, stderr } = await verbs.plain('image', 'bootstrap', suite, 'x');
    expect(code).toBe(64);
    expect(stderr.toString()).toContain(why);
  });

  it.skipIf(lacks('mmdebstrap'))(
    'of a Debian suite gives an image with its package manager',
    async () => {
      const { stderr } = await verbs.plain('image', 'bootstrap', 'debian:bookworm');
      expect(stderr.toString()).toMatch(/running apt-get update\n(.*\n)*extracting archives\n/);
      await verbs.host.setPolicy({ defaults: { image: 'debian:bookworm' } });
      await ctl('stop', verbs.name);
      expect(await verbs.inside('dpkg-query -W apt; cat /etc/debian_version')).toMatch(/^apt\t[^\n]+\n12\./);
      await verbs.host.setPolicy({ defaults: { image: 'host' } });
      await ctl('stop', verbs.name);
    },
    300_000,
  ); // what it downloads comes as fast as it comes

  it.skipIf(lacks('mmdebstrap'))('leaves nothing behind when it fails', async () => {
    const url = 'http://127.0.0.1:9/debian';
    const failed = await verbs.plain('image', 'bootstrap', 'debian:trixie', 'x', '--mirror', url);
    expect(failed.code).not.toBe(0);
    expect(await readdir(join(verbs.host.stateFolder, 'tmp'))).toEqual([]);
  });
});

describe.skipIf(lacks('busybox', 'docker-registry'))('a registry on loopback', () => {
  let registry: RealRegistry;

  beforeAll(async () => {
    registry = await RealRegistry.start(path('registry'));
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
  });

  it('gets what is pushed, and gives it back', async () => {
    const remote = `${registry.host}/lab/base:1`;
    const pushed = await verbs.plain('image', 'push', 'lab/base:1', remote);
    expect(pushed.code, describeFinished(pushed)).toBe(0);
    expect(pushed.stdout.toString()).toMatch(/:1: digest: sha256:[0-9a-f]{64}\n1 layers sent/);
    expect(pushed.stderr.toString()).toMatch(/[0-9a-f]{12}: Pushed\n/);
    const again = await ctl('image', 'push', 'lab/base:1', remote);
    expect(again).toMatchObject({ layersSent: 0, layersThere: 1 });

    const pulled = await verbs.plain('image', 'pull', remote, '--as', 'lab/pulled');
    expect(pulled.stdout.toString(), describeFinished(pulled)).toMatch(
      /^Digest: .*\nStatus: Downloaded newer image/,
    );
    expect((await verbs.plain('image', 'pull', remote, '--as', 'lab/pulled')).stdout.toString()).toContain(
      'Image is up to date',
    );
    const { configDigest } = (await ctl('image', 'inspect', 'lab/base:1')) as { configDigest: string };
    expect(await ctl('image', 'inspect', 'lab/pulled')).toMatchObject({ configDigest });
  });

  it('shows progress as JSON when asked to', async () => {
    const remote = `${registry.host}/lab/base:1`;
    await ctl('image', 'rm', 'lab/pulled');
    const { stderr } = await verbs.plain('image', 'pull', remote, '--as', 'lab/pulled', '--progress', 'json');
    const lines = stderr.toString().trim().split('\n');
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty('progress.step');
  });

  it('that has no such image says so', async () => {
    const { code, stderr } = await verbs.plain('image', 'pull', `${registry.host}/lab/none`);
    expect(code).toBe(66);
    expect(stderr.toString()).toContain('lab/none');
  });
});
