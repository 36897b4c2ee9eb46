// The verbs about what users have changed: diff, commit, snapshot, rollback, reset, upgrade, through a real daemon.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

interface Snapshots {
  snapshots: { name: string; image: string; message: string | null }[];
}

describe.skipIf(lacks('busybox'))("a user's layer", () => {
  let verbs: VerbsHost;
  const ctl = async (...args: string[]) => await verbs.host.ctlOk(...args);

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy: { defaults: { image: 'lab/base:1', linger: '1h' } } });
    const first = await verbs.rootfs('first', { '/etc/release': 'one\n', '/srv/doomed': 'x\n' });
    await ctl('image', 'import', 'lab/base:1', first);
    await ctl('image', 'tag', 'lab/base:1', 'lab/base:first');
    await ctl(
      'image',
      'import',
      'lab/base:second',
      await verbs.rootfs('second', { '/etc/release': 'two\n' }),
    );
  }, 180_000);

  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  beforeEach(async () => {
    await verbs.host.setPolicy({ defaults: { image: 'lab/base:1', linger: '1h' } });
    await ctl('image', 'tag', 'lab/base:first', 'lab/base:1');
    await ctl('stop', verbs.name);
    await verbs.inside('true');
    await ctl('reset', verbs.name, '--yes', '--no-save');
  });

  it('is compared with the image, beside a running sandbox', async () => {
    await verbs.inside('echo new > /srv/new; rm /srv/doomed; mkdir /srv/folder; ln -s new /srv/link');
    const { changes } = (await ctl('diff', verbs.name)) as { changes: { kind: string; path: string }[] };
    expect(changes.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      'C /srv',
      'D /srv/doomed',
      'A /srv/folder',
      'A /srv/link',
      'A /srv/new',
    ]);
    const plain = await verbs.plain('diff', verbs.name);
    expect(plain.stdout.toString()).toContain('A /srv/new\n');
  });

  it('becomes an image, with its configuration changed', async () => {
    await verbs.inside('echo mine > /srv/mine; rm /srv/doomed');
    const args = ['--author', 'Ada', '--message', 'with mine', '--change', 'ENV COLOUR="deep red"'];
    const made = await ctl(
      'commit',
      verbs.name,
      'lab/made:1',
      ...args,
      '--change',
      'LABEL a=b',
      '-c',
      'WORKDIR /srv',
    );
    expect(made).toMatchObject({ name: 'lab/made:1', user: verbs.name });
    expect(await ctl('image', 'inspect', 'lab/made:1')).toMatchObject({
      author: 'Ada',
      config: { Env: ['COLOUR=deep red'], Labels: { a: 'b' } },
    });
    const { history } = (await ctl('image', 'history', 'lab/made:1')) as {
      history: { comment: string; author: string }[];
    };
    expect(history[0]).toMatchObject({ comment: 'with mine', author: 'Ada' });

    await verbs.host.setPolicy({ defaults: { image: 'lab/made:1', linger: '1h' } });
    await ctl('reset', verbs.name, '--yes');
    const { uid } = verbs.user;
    expect(await verbs.inside('cat /srv/mine; stat -c %u /srv/mine; echo $COLOUR; ls /srv')).toBe(
      `mine\n${uid}\ndeep red\nmine\n`,
    );
    expect((await verbs.exec('readlink', '/proc/self/cwd')).stdout.toString()).toBe('/srv\n');
    expect(await verbs.inside('cd; pwd')).toBe(`/home/${verbs.name}\n`);
    await ctl('image', 'rm', 'lab/made:1', '--force');
    // Its layer goes on on it, name or not.
    await ctl('stop', verbs.name);
    await ctl('image', 'gc');
    expect(await verbs.inside('cat /srv/mine')).toBe('mine\n');
  });

  it('refuses changes that are none', async () => {
    const { code, stderr } = await verbs.plain('commit', verbs.name, 'lab/x', '--change', 'RUN rm -rf /');
    expect(code).toBe(64);
    expect(stderr.toString()).toContain('RUN rm -rf /');
  });

  it('goes back to a snapshot, and what was there is kept', async () => {
    await verbs.inside('echo one > /srv/state');
    await ctl('snapshot', verbs.name, 'good', '--message', 'it works');
    await verbs.inside('echo two > /srv/state; echo more > /srv/more');
    const back = await ctl('rollback', verbs.name, 'good', '--yes');
    expect(back).toMatchObject({ stopped: true, snapshot: { name: 'good', message: 'it works' } });
    expect(await verbs.inside('cat /srv/state; ls /srv')).toBe('one\ndoomed\nstate\n');
    const { snapshots } = (await ctl('snapshot', verbs.name, '--ls')) as Snapshots;
    expect(snapshots.map(({ name }) => name)).toContain('good');
    const saved = snapshots.find(({ name }) => name.startsWith('before-rollback'))?.name ?? '';
    await ctl('rollback', verbs.name, saved, '--yes');
    expect(await verbs.inside('cat /srv/state /srv/more')).toBe('two\nmore\n');
    for (const { name } of ((await ctl('snapshot', verbs.name, '--ls')) as Snapshots).snapshots) {
      await ctl('snapshot', verbs.name, name, '--rm');
    }
    expect(await ctl('snapshot', verbs.name, '--ls')).toMatchObject({ snapshots: [] });
    expect((await verbs.host.ctl('rollback', verbs.name, '--yes')).code).toBe(66);
  });

  it('is emptied only when somebody agrees', async () => {
    await verbs.inside('echo x > /srv/x');
    const asked = await verbs.plain('reset', verbs.name);
    expect(asked.code).toBe(64);
    expect(asked.stderr.toString()).toContain('--yes');
    expect(await verbs.inside('cat /srv/x; echo home > ~/kept')).toBe('x\n');
    const done = await verbs.plain('reset', verbs.name, '--yes');
    expect(done.stdout.toString(), describeFinished(done)).toMatch(
      /begins anew; what was there is snapshot before-/,
    );
    expect(await verbs.inside('cat ~/kept; ls /srv')).toBe('home\ndoomed\n');
  });

  it('stays on its image when the name moves, until it is upgraded', async () => {
    expect(await verbs.inside('echo x > /srv/x; cat /etc/release')).toBe('one\n');
    await ctl('image', 'tag', 'lab/base:second', 'lab/base:1');
    expect((await verbs.plain('ps')).stdout.toString()).toContain('lab/base:1 (newer exists)');
    await ctl('stop', verbs.name);
    expect(await verbs.inside('cat /etc/release')).toBe('one\n');
    expect(await ctl('upgrade', verbs.name)).toMatchObject({ upgraded: true, running: true });
    expect(await verbs.inside('cat /etc/release')).toBe('one\n');
    await ctl('stop', verbs.name);
    expect(await verbs.inside('cat /etc/release /srv/x')).toBe('two\nx\n');
    expect(await ctl('upgrade', verbs.name)).toMatchObject({ upgraded: false });
    expect((await verbs.plain('ps')).stdout.toString()).not.toContain('newer');
  });

  it('begins anew with a moved name where the policy says so, and is kept as a snapshot', async () => {
    await verbs.inside('echo x > /srv/x');
    await verbs.host.setPolicy({
      defaults: { image: 'lab/base:1', linger: '1h', on_image_change: 'reset' },
    });
    await ctl('stop', verbs.name);
    expect(await verbs.inside('ls /srv')).toBe('doomed\nx\n');
    await ctl('image', 'tag', 'lab/base:second', 'lab/base:1');
    await ctl('stop', verbs.name);
    expect(await verbs.inside('cat /etc/release; ls /srv')).toBe('two\n');
    const { snapshots } = (await ctl('snapshot', verbs.name, '--ls')) as Snapshots;
    expect(snapshots[0]?.name).toMatch(/^before-reset/);
  });

  it('keeps the image that it is made on from being collected, after a restart as well', async () => {
    await verbs.inside('true');
    await ctl('image', 'tag', 'lab/base:second', 'lab/base:1');
    await ctl('image', 'rm', 'lab/base:first');
    try {
      await ctl('stop', verbs.name);
      await verbs.host.killDaemon();
      await verbs.host.startDaemon();
      await ctl('image', 'gc');
      expect(await verbs.inside('cat /etc/release')).toBe('one\n');
      const base = JSON.parse(
        await readFile(join(verbs.host.stateFolder, `users/${verbs.user.uid}/layer/base.json`), 'utf8'),
      ) as { digest: string };
      await ctl('image', 'tag', `lab/base@${base.digest}`, 'lab/base:first');
    } finally {
      await ctl('image', 'ls');
    }
  });

  it('on the host image cannot be committed, and says why', async () => {
    await verbs.host.setPolicy({ defaults: { image: 'host', linger: '1h' } });
    await ctl('stop', verbs.name);
    await verbs.inside('true');
    const { code, stderr } = await verbs.plain('commit', verbs.name, 'lab/host');
    expect(code).toBe(64);
    expect(stderr.toString()).toContain('the host itself');
  });
});
