// Users who make their layer as awkward as they can: every verb works, or says why not and leaves everything as
// it was; and nobody else notices.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { Running, runOk } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

const policy = { defaults: { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' } };

describe.skipIf(lacks('busybox', 'python3'))('a layer that is in the way', () => {
  let verbs: VerbsHost;
  const ctl = (...args: string[]) => verbs.host.ctlOk(...args);
  const upper = (): string => join(verbs.host.stateFolder, 'users', String(verbs.user.uid), 'layer/upper');
  const snapshots = async (): Promise<string[]> => {
    const listed = (await ctl('snapshot', verbs.name, '--ls')) as { snapshots: { name: string }[] };
    return listed.snapshots.map(({ name }) => name);
  };
  const refusal = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await verbs.plain(...args);
    expect(code, args.join(' ')).toBe(65);
    return stderr.toString();
  };

  beforeAll(async () => {
    verbs = await VerbsHost.start({ policy });
    await ctl('image', 'import', 'lab/base:1', await verbs.rootfs('base', { '/srv/below': 'x\n' }));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(async () => {
    await ctl('stop', verbs.name);
    await verbs.inside('true');
    await ctl('reset', verbs.name, '--yes', '--no-save');
    await verbs.inside('echo >/srv/new; rm /srv/new'); // the folder is the user's own now
  });

  /** Below /srv, as nobody but a program of the user's could make it. */
  const python = async (script: string): Promise<string> => {
    const full = `import os, socket, stat\nos.chdir(${JSON.stringify(join(upper(), 'srv'))})\n${script}`;
    return await runOk('python3', ['-c', full]);
  };
  /** Without what is in the files: one has a terabyte of holes. */
  const listing = async (): Promise<string[]> => {
    const format = '%p %y %m %U:%G %n %b %s %T@ %l\\0';
    const found = (await runOk('find', ['.', '-printf', format], { cwd: upper() })).split('\0').sort();
    return found.map((line) => line.replace(/ c 0 0:0 \d+ /, ' c 0 0:0 ')); // overlay links whiteouts to one
  };
  const deep = (levels: number): string =>
    `for n in range(${levels}):\n  os.mkdir('d')\n  os.chdir('d')\nopen('bottom', 'w').close()`;

  const told = async (): Promise<string[]> => {
    const { code, stdout } = await verbs.plain('diff', verbs.name);
    expect(code).toBe(0);
    return stdout.toString().trimEnd().split('\n');
  };

  it('of folders 5000 deep: diff tells all of them, commit takes what an image can hold', async () => {
    await verbs.inside('echo mine >/srv/mine');
    await python(`${deep(5_000)}\nos.mkdir('.wh.x')\nopen('.wh.x/y\\n', 'w').close()`);
    const lines = await told();
    expect(lines.length).toBe(5_000 + 5); // and /srv, mine, bottom, .wh.x, y
    expect(lines.every((line) => line.length < 4096)).toBe(true);
    expect(lines).toContain(`A /srv${'/d'.repeat(1_000)}`);
    // No path has two slashes in a row; 148 d are shown of those that lead to it.
    expect(lines).toContain(`A /srv${'/d'.repeat(148)}//[4852 folders]//bottom`);
    expect(lines).toContain(`A /srv${'/d'.repeat(148)}//[4852 folders]//.wh.x`);
    expect(lines).toContain(`A /srv${'/d'.repeat(148)}//[4853 folders]//y\ufffd`);

    const made = await verbs.plain('commit', verbs.name, 'lab/made:1');
    expect(made.code).toBe(0);
    expect(made.stderr.toString()).toMatch(/^dockershctl: left out 'srv\/d\/.*d': the path is longer/m);
    expect((await ctl('image', 'verify', '--layers')) as object).toMatchObject({ problems: [] });
    await ctl('image', 'tag', 'lab/made:1', 'lab/base:made');
    await verbs.host.setPolicy({ defaults: { ...policy.defaults, image: 'lab/made:1' } });
    try {
      await ctl('reset', verbs.name, '--yes', '--no-save');
      // As deep as a path can lead, and no further.
      const seen = await verbs.inside(`cat /srv/mine; ls /srv${'/d'.repeat(1_747)}`);
      expect(seen.split('\n')).toEqual(['mine', 'd', '']);
    } finally {
      await verbs.host.setPolicy(policy);
    }
    await ctl('reset', verbs.name, '--yes', '--no-save');
    for (const name of ['lab/made:1', 'lab/base:made']) await ctl('image', 'rm', name);
  }, 120_000);

  it('of folders 5000 deep: what has to copy it refuses, what has to remove it does not', async () => {
    await verbs.inside('echo mine >/srv/mine');
    await python(deep(5_000));
    expect(await refusal('snapshot', verbs.name, 'deep')).toMatch(/deeper|longer than the limit/);
    expect(await snapshots()).toEqual([]);
    expect(await verbs.inside('cat /srv/mine')).toBe('mine\n');
    await ctl('image', 'du');
    await ctl('image', 'gc');
    expect(await ctl('image', 'verify', '--layers')).toMatchObject({ problems: [] });

    const { saved } = (await ctl('reset', verbs.name, '--yes')) as { saved: { name: string } };
    expect(await verbs.inside('ls /srv')).toBe('below\n');
    expect(await snapshots()).toEqual([saved.name]);
    await verbs.inside('echo next >/srv/next');
    expect(await refusal('rollback', verbs.name, saved.name, '--yes')).toMatch(
      /deeper|longer than the limit/,
    );
    expect(await snapshots()).toEqual([saved.name]);
    expect(await verbs.inside('cat /srv/next')).toBe('next\n');
    await ctl('snapshot', verbs.name, saved.name, '--rm');

    await ctl('snapshot', verbs.name, 'shallow');
    await python(deep(5_000));
    await ctl('rollback', verbs.name, 'shallow', '--yes');
    expect(await verbs.inside('ls /srv')).toBe('below\nnext\n');
    for (const name of await snapshots()) await ctl('snapshot', verbs.name, name, '--rm');
    expect(await readdir(join(upper(), '../..'))).not.toContain(expect.stringMatching(/^\./));
  }, 120_000);

  it('of folders 5000 deep does not keep a policy from beginning anew', async () => {
    await python(deep(5_000));
    await ctl('image', 'import', 'lab/base:2', await verbs.rootfs('second', { '/etc/release': 'two\n' }));
    await verbs.host.setPolicy({
      defaults: { ...policy.defaults, image: 'lab/base:2', on_image_change: 'reset' },
    });
    try {
      await ctl('stop', verbs.name);
      expect(await verbs.inside('cat /etc/release; ls /srv')).toBe('two\n');
      for (const name of await snapshots()) await ctl('snapshot', verbs.name, name, '--rm');
    } finally {
      await verbs.host.setPolicy(policy);
    }
  }, 120_000);

  it('of pipes, sockets, links, holes, closed folders and unspeakable names is taken as it is', async () => {
    await verbs.inside(`cd /srv; rm below; busybox mkfifo pipe; echo x >file; ln file link; ln -s /etc/shadow symlink
      mkdir closed; echo secret >closed/file; chmod 0 closed/file closed
      printf 'x' >"$(printf 'a\\nb')"; printf 'x' >"$(printf 'c\\033[31md\\007')"; printf 'x' >"$(printf '\\377\\376')"
      busybox truncate -s 1024G holes; echo end | busybox dd of=holes bs=1 seek=1000000000 conv=notrunc 2>/dev/null`);
    await python("s = socket.socket(socket.AF_UNIX)\ns.bind('socket')");
    // What nobody may make inside.
    for (const command of [
      'busybox mknod /srv/whiteout c 0 0',
      'busybox mknod /srv/disk b 8 0',
      'busybox chattr +i /srv/file',
      'busybox chattr +a /srv/file',
      'busybox setfattr -n trusted.overlay.opaque -v y /srv',
    ]) {
      expect((await verbs.exec('/bin/sh', '-c', command)).code, command).not.toBe(0);
    }

    const { stdout } = await verbs.plain('diff', verbs.name);
    const changes = stdout.toString();
    expect(changes.split('\n').every((line) => line === '' || /^[ACD] \/[^\p{Cc}]*$/u.test(line))).toBe(true);
    for (const line of ['C /srv', 'D /srv/below', 'A /srv/pipe', 'A /srv/closed', 'A /srv/holes']) {
      expect(changes.split('\n')).toContain(line);
    }

    const before = await listing();
    await ctl('snapshot', verbs.name, 'all');
    await ctl('reset', verbs.name, '--yes', '--no-save');
    await ctl('rollback', verbs.name, 'all', '--yes');
    expect(await listing()).toEqual(before);
    expect(await verbs.inside('ls /srv/below 2>&1 || true')).toContain('No such file');
    expect(await verbs.inside('stat -c "%h %s" /srv/link')).toBe('2 2\n');
    expect(await refusal('commit', verbs.name, 'lab/made:1')).toContain('limit of bytes');
    await verbs.inside('rm /srv/holes');
    await ctl('commit', verbs.name, 'lab/made:1');
    expect(await ctl('image', 'verify', '--layers')).toMatchObject({ problems: [] });
    await ctl('image', 'rm', 'lab/made:1');

    await verbs.inside(`echo >"/srv/$(printf '.wh.\\033[31mx')"`);
    expect(await told()).toContain('A /srv/.wh.\ufffd[31mx');
    const made = await verbs.plain('commit', verbs.name, 'lab/made:1');
    expect(made.code).toBe(0);
    expect(made.stderr.toString()).toContain(
      "left out 'srv/.wh.\\x1b[31mx': a name that means a deleted file",
    );
    expect(made.stderr.toString()).not.toContain('\u001b');
    await ctl('image', 'rm', 'lab/made:1');
    await ctl('snapshot', verbs.name, 'all', '--rm');
  }, 120_000);

  it('that changes all the time is compared and copied nevertheless', async () => {
    const { uid, gid } = verbs.user;
    const churn = `cd /srv; mkdir a b; while :; do
      mkdir a/d; echo x >a/d/f; ln a/d/f a/l; mv a/d b/d; rm -r b/d a/l; mkdir b/d; touch b/d/g; rm -r b/d
      echo x >a/d; rm a/d; ln -s x a/d; rm a/d; busybox truncate -s 100000 a/f; busybox truncate -s 0 a/f; done`;
    await using running = new Running(verbs.host.client, ['-c', churn], { uid, gid, stdio: 'ignore' });
    for (let round = 0; round < 15; round += 1) {
      await ctl('diff', verbs.name);
      await ctl('snapshot', verbs.name, `churn${round}`, '--no-pause');
      await ctl('snapshot', verbs.name, `churn${round}`, '--rm');
    }
    expect(running.exited).toBe(false);
  }, 240_000);

  it('of many files is walked in a time that grows with their number alone', async () => {
    await python("for n in range(50000):\n  os.close(os.open('f%d' % n, os.O_CREAT))");
    const start = performance.now();
    const { changes } = (await ctl('diff', verbs.name)) as { changes: unknown[] };
    expect(changes.length).toBeGreaterThanOrEqual(50_000);
    await ctl('snapshot', verbs.name, 'many');
    await ctl('image', 'du');
    await ctl('reset', verbs.name, '--yes', '--no-save');
    await ctl('snapshot', verbs.name, 'many', '--rm');
    expect(performance.now() - start).toBeLessThan(60_000);
  }, 120_000);
});
