// A start under "images_trusted": an image that is not signed is refused with the reason, or gives way to the rescue image; and
// what is said of it beforehand.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labKey, signedDocument, simpleCarrier } from '../../fixtures/images/signing.ts';
import { lacks } from '../../fixtures/machine.ts';
import { run, runOk } from '../../fixtures/process.ts';
import { digestOf } from '../images/image-builder.ts';
import { VerbsHost } from '../verbs/verbs-host.ts';

describe.skipIf(lacks('busybox', 'skopeo', 'umoci'))('a start with images_trusted', () => {
  let verbs: VerbsHost;
  const ctl = async (...args: string[]) => await verbs.host.ctlOk(...args);
  const policy = async (defaults: string, images: string): Promise<void> =>
    await verbs.host.setPolicy(`[defaults]\nlinger = 0\n${defaults}\n[images]\n${images}\n`);
  const login = async () => {
    await verbs.host.ctl('stop', verbs.name);
    const { uid, gid } = verbs.user;
    const { code, stdout, stderr } = await run(verbs.host.client, ['-c', 'cat /which'], { uid, gid });
    return { code, out: stdout.toString(), err: stderr.toString() };
  };

  /** A layout of a root filesystem, signed with the key. */
  const signedLayout = async (content: string): Promise<string> => {
    const root = await verbs.rootfs(`root-${content}`, { which: content });
    const layout = join(verbs.host.folder, `layout-${content}`);
    await ctl('image', 'import', `made/${content}:1`, root);
    const archive = `${layout}.tar`;
    await ctl('image', 'export', `made/${content}:1`, archive);
    await mkdir(layout);
    await runOk('tar', ['-xf', archive, '-C', layout]);
    const index = JSON.parse((await runOk('cat', [join(layout, 'index.json')])).toString());
    const [image] = index.manifests;
    const { manifest, blobs } = simpleCarrier(signedDocument(image.digest, 'lab/base'), labKey);
    for (const blob of [manifest, ...blobs])
      await writeFile(join(layout, 'blobs/sha256', digestOf(blob).slice(7)), blob);
    const entry = { mediaType: image.mediaType, digest: digestOf(manifest), size: manifest.length };
    await writeFile(join(layout, 'index.json'), JSON.stringify({ ...index, manifests: [image, entry] }));
    return layout;
  };

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults: { image: 'lab/base:1' } } });
    const keys = join(verbs.host.policyFile, '../keys');
    await mkdir(keys, { mode: 0o755 });
    await writeFile(join(keys, 'lab.pem'), labKey.publicPem, { mode: 0o644 });
  });
  afterAll(async () => await verbs[Symbol.asyncDispose](), 60_000);

  it('goes by the policy of that moment, says why not, and falls back to the rescue image', async () => {
    await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('plain', { which: 'plain' }));
    await policy('image = lab/base:1', 'images_trusted = none');
    expect(await login()).toMatchObject({ code: 0, out: 'plain' });

    const trusted = 'images_trusted = lab/*=lab.pem';
    await policy('image = lab/base:1', trusted);
    const refused = await login();
    expect(refused).toMatchObject({ code: 125, out: '' });
    expect(refused.err).toContain('The image of this sandbox is not one that this host trusts.');
    expect(verbs.host.logTail()).toContain('no signature of it is kept here');

    await ctl('image', 'import', 'resc:1', await verbs.rootfs('resc', { which: 'rescue' }));
    await policy('image = lab/base:1\nrescue = resc:1', trusted);
    expect(await login()).toMatchObject({ code: 125 }); // the rescue image is not trusted either
    await policy('image = lab/base:1\nrescue = resc:1', `${trusted}\nunsigned_local = yes`);
    const rescued = await login();
    expect(rescued).toMatchObject({ code: 0, out: 'rescue' });
    expect(verbs.host.logTail()).toContain('starting from the rescue image');

    const { stderr } = await verbs.host.ctl(
      'image',
      'import',
      'lab/base:1',
      await verbs.rootfs('other', { which: 'other' }),
    );
    expect(stderr.toString()).toContain('no signature of it is kept here');
    await ctl('image', 'import', 'lab/base:1', await signedLayout('signed'));
    expect(await login()).toMatchObject({ code: 0 });
    await ctl('reset', verbs.name, '--yes', '--no-save');
    expect(await login()).toMatchObject({ code: 0, out: 'signed' });
  }, 180_000);

  it('is foretold by "policy check" and "doctor"', async () => {
    await policy('image = host', 'images_trusted = none');
    await ctl('image', 'import', 'made/here:1', await verbs.rootfs('here'));
    await policy('image = made/here:1', 'images_trusted = lab/*=lab.pem');
    const check = await verbs.plain('policy', 'check', verbs.host.policyFile);
    expect(check.stdout.toString()).toContain(
      'names made/here:1, which would not start: it was made on this host',
    );
    const report = await verbs.host.ctl('doctor', '--user', verbs.name);
    expect(report.stdout.toString()).toContain('image made/here:1 would not start');
    await policy('image = made/here:1', 'images_trusted = lab/*=lab.pem\nunsigned_local = yes');
    const fine = await verbs.plain('policy', 'check', verbs.host.policyFile);
    expect(fine.stdout.toString()).not.toContain('would not start');
  }, 120_000);
});
