// Images that podman and buildah make, run here, and the other way round; and what layers say only together, as a
// sandbox sees it. Through a real daemon, with Debian's docker-registry in between.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Containers } from '../../fixtures/images/containers.ts';
import { lacks } from '../../fixtures/machine.ts';
import { runOk } from '../../fixtures/process.ts';
import { builtImage, builtLayer, writeLayout } from '../images/image-builder.ts';
import { tar } from '../images/tar-builder.ts';
import { RealRegistry } from '../registry/real-registry.ts';
import { VerbsHost } from './verbs-host.ts';

let verbs: VerbsHost;
const ctl = async (...args: string[]) => await verbs.host.ctlOk(...args);
const path = (name: string): string => join(verbs.host.folder, name);

async function runs(image: string): Promise<void> {
  await verbs.host.setPolicy({ defaults: { image, linger: '1h' } });
  await ctl('stop', verbs.name);
}

beforeAll(async () => {
  verbs = await VerbsHost.start();
}, 180_000);

afterAll(async () => {
  await verbs[Symbol.asyncDispose]();
}, 60_000);

describe.skipIf(lacks('docker-registry', 'podman', 'buildah', 'runc', 'busybox'))(
  'podman and buildah',
  () => {
    let registry: RealRegistry;
    let others: Containers;
    const remote = (name: string): string => `${registry.host}/lab/${name}:1`;

    beforeAll(async () => {
      registry = await RealRegistry.start(path('registry'));
      others = new Containers(path('containers'));
      const base = await verbs.rootfs('base', { '/etc/release': 'base\n', '/srv/doomed': 'x\n' });
      await runOk('tar', ['-C', base, '-cf', path('base.tar'), '.']);
      await ctl('image', 'import', 'lab/base:1', base);
    }, 180_000);

    afterAll(async () => {
      await others[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    }, 60_000);

    const steps = [
      'echo built > /built; ln /built /hard; ln -s built /link; mkdir /opt /opt/tools',
      'rm -r /srv/doomed /var; stat -c %a /opt > /opt/mode',
      'rm -r /opt/tools; mkdir /opt/tools; echo again > /opt/tools/file; cat /hard > /opt/read',
    ];

    it.each(['oci', 'docker'] as const)(
      'build and push in the format of %s what we run',
      async (format) => {
        const context = path(`context-${format}`);
        await runOk('mkdir', [context]);
        await runOk('cp', [path('base.tar'), context]);
        const lines = ['FROM scratch', 'ADD base.tar /', ...steps.map((step) => `RUN ${step}`)];
        const config = ['ENV COLOUR="deep red"', 'WORKDIR /opt/tools', 'LABEL lab=yes'];
        await writeFile(join(context, 'Containerfile'), `${[...lines, ...config].join('\n')}\n`);
        await others.build(`built-${format}`, context, '--layers', '--format', format);
        const target = `docker://${remote(`built-${format}`)}`;
        await others.buildah('push', '--tls-verify=false', `built-${format}`, target);
        await ctl('image', 'pull', remote(`built-${format}`));
        await runs(remote(`built-${format}`));
        const script = 'cat /hard /link /opt/mode /opt/tools/file /opt/read; ls /srv /opt; pwd; echo $COLOUR';
        const there = 'built\nbuilt\n755\nagain\nbuilt\n';
        expect(await verbs.inside(script)).toBe(
          `${there}/opt:\nmode\nread\ntools\n\n/srv:\n/opt/tools\ndeep red\n`,
        );
      },
      300_000,
    );

    it('commit and push what we run', async () => {
      await others.podman('import', path('base.tar'), 'imported');
      const script = 'echo mine > /srv/mine; rm /srv/doomed; mkdir -m 1777 /scratch';
      const options = others.containerOptions();
      await others.podman('run', '--name', 'changed', ...options, 'imported', '/bin/sh', '-c', script);
      await others.podman('commit', '--quiet', 'changed', 'committed');
      await others.podman('push', '--tls-verify=false', 'committed', `docker://${remote('committed')}`);
      await ctl('image', 'pull', remote('committed'));
      await runs(remote('committed'));
      expect(await verbs.inside('cat /srv/mine; ls /srv; stat -c %a /scratch')).toBe('mine\nmine\n1777\n');
    }, 300_000);

    it('run what we commit and push', async () => {
      await runs('lab/base:1');
      await verbs.inside(
        'echo mine > /srv/mine; rm /srv/doomed; mkdir /srv/made; ln /srv/mine /srv/made/hard',
      );
      await ctl(
        'commit',
        verbs.name,
        'lab/mine:1',
        '--change',
        'ENV COLOUR=red',
        '--change',
        'CMD ["/bin/cat", "/etc/release"]',
      );
      await ctl('image', 'push', 'lab/mine:1', remote('mine'));
      await others.podman('pull', '--quiet', '--tls-verify=false', remote('mine'));
      expect(await others.run(remote('mine'))).toBe('base\n');
      const script = 'cat /srv/made/hard; ls /srv; stat -c "%h %u:%g" /srv/mine; echo $COLOUR';
      const { uid, gid } = verbs.user;
      expect(await others.run(remote('mine'), '/bin/sh', '-c', script)).toBe(
        `mine\nmade\nmine\n2 ${uid}:${gid}\nred\n`,
      );
    }, 300_000);

    it.each(['oci', 'docker'] as const)(
      'run what we export as %s',
      async (format) => {
        const file = path(`export-${format}.tar`);
        await ctl('image', 'export', 'lab/base:1', file, '--format', format);
        expect(await others.podman('load', '--quiet', '--input', file)).toContain('lab/base:1');
        expect(await others.run('lab/base:1', '/bin/cat', '/etc/release')).toBe('base\n');
      },
      120_000,
    );
  },
);

describe.skipIf(lacks('busybox', 'setfacl'))('an image of layers that leave folders to those below', () => {
  it('has them as they are there, with owner, mode, attributes and access lists', async () => {
    const { uid } = verbs.user;
    const root = await verbs.rootfs('layers', { '/srv/for-user': 'granted\n', '/srv/for-nobody': 'x\n' });
    await runOk('chmod', ['700', join(root, 'root')]);
    await runOk('mkdir', ['-m', '1777', join(root, 'var/tmp'), join(root, 'var/spool')]);
    await runOk('chown', ['12:12', join(root, 'var/spool')]);
    await runOk('chmod', ['640', join(root, 'srv/for-user'), join(root, 'srv/for-nobody')]);
    await runOk('setfacl', ['-m', `u:${uid}:r--`, join(root, 'srv/for-user')]);
    await runOk('bsdtar', ['--acls', '--format=pax', '-C', root, '-cf', path('lower.tar'), '.']);
    const layers = [
      await readFile(path('lower.tar')),
      tar(
        { name: 'root/x', data: 'x' },
        { name: 'var/tmp/y', data: 'y' },
        { name: 'var/spool/new/z', data: 'z' },
      ),
    ].map((archive) => builtLayer(archive));
    await ctl('image', 'import', 'lab/layers:1', await writeLayout(path('layout'), builtImage(layers)));
    await runs('lab/layers:1');
    expect(await verbs.inside('stat -c "%n %a %u:%g" /root /var/tmp /var/spool /var/spool/new')).toBe(
      '/root 700 0:0\n/var/tmp 1777 0:0\n/var/spool 1777 12:12\n/var/spool/new 755 0:0\n',
    );
    expect(
      await verbs.inside('cat /var/tmp/y /var/spool/new/z; cat /root/x 2>/dev/null || echo closed'),
    ).toBe('yzclosed\n');
    // The list grants to the user by the id that the user has inside.
    expect(await verbs.inside('cat /srv/for-user; cat /srv/for-nobody 2>/dev/null || echo closed')).toBe(
      'granted\nclosed\n',
    );
    expect(await ctl('image', 'inspect', 'lab/layers:1')).toMatchObject({ layers: { length: 2 } });
  }, 120_000);
});
