// Updates of images reach people: a plan before, those who are in a session later, and a way back. An image that somebody
// would miss is not removed by mistake.

import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lacks } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { describeFinished, type Finished } from '../../fixtures/process.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { TestUser } from '../../fixtures/users.ts';
import { VerbsHost } from './verbs-host.ts';

const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '100ms' };

interface Plans {
  readonly users: readonly {
    readonly user: string;
    readonly upgraded: boolean;
    readonly running: boolean;
    readonly shadowed: {
      readonly count: number;
      readonly examples: readonly string[];
      readonly packages: boolean;
    };
  }[];
}

describe.skipIf(lacks('busybox'))('an image that has a newer version', { timeout: 300_000 }, () => {
  const parts = new AsyncDisposableStack();
  let verbs: VerbsHost;
  let other: TestUser;
  const ctl = async (...args: string[]): Promise<unknown> => await verbs.host.ctlOk(...args);
  const inside = async (user: string, script: string): Promise<string> => {
    const result: Finished = await verbs.host.ctl('exec', user, '--', '/bin/sh', '-c', script);
    expect(result.code, describeFinished(result)).toBe(0);
    return result.stdout.toString();
  };
  const version = async (user: string): Promise<string> => (await inside(user, 'cat /etc/release')).trim();
  const plan = async (...args: string[]): Promise<Plans> =>
    (await ctl('upgrade', '--dry-run', ...args)) as Plans;
  const stopAll = async (): Promise<unknown> => await ctl('stop', '--all');

  beforeAll(async () => {
    verbs = parts.use(await VerbsHost.start({ policy: { defaults } }));
    other = parts.use(await TestUser.create({ shell: '/bin/bash' }));
    verbs.host.uids.push(other.uid);
    for (const name of ['one', 'two', 'three']) {
      const files = {
        '/etc/release': `${name}\n`,
        '/srv/conf': `conf of ${name}\n`,
        '/srv/same': 'same\n',
        '/srv/doomed': `doomed of ${name}\n`,
        '/var/lib/dpkg/status': `packages of ${name}\n`,
      };
      const folder = await verbs.rootfs(name, files);
      await chmod(join(folder, 'var/lib/dpkg'), 0o777);
      await ctl('image', 'import', `lab/${name}:1`, folder);
    }
  }, 120_000);
  afterAll(async () => {
    await parts.disposeAsync();
  }, 60_000);
  beforeEach(async () => {
    await verbs.host.setPolicy({ defaults });
    await stopAll();
    await ctl('image', 'tag', 'lab/one:1', 'lab/base:1');
    for (const user of [verbs.name, other.name]) {
      await inside(user, 'true');
      await ctl('reset', user, '--no-save', '--yes');
      expect(await version(user)).toBe('one');
    }
  }, 180_000);

  it('is planned first, with the files of users that will hide newer ones', async () => {
    const replace = (file: string): string =>
      `cp ${file} /tmp/x; rm ${file}; cp /tmp/x ${file}; echo mine >>${file}`;
    await verbs.inside(`cd /srv; ${replace('conf')}; ${replace('same')}; rm doomed; echo new >own`);
    await verbs.inside(`cd /var/lib/dpkg; ${replace('status')}`);
    expect((await plan('--all')).users).toEqual([]);
    await ctl('image', 'tag', 'lab/two:1', 'lab/base:1');
    const { users } = await plan('--all');
    expect(users.map(({ user, upgraded, running }) => [user, upgraded, running]).sort()).toEqual(
      [
        [verbs.name, true, true],
        [other.name, true, true],
      ].sort(),
    );
    expect(users.find(({ user }) => user === verbs.name)?.shadowed).toEqual({
      count: 3,
      examples: ['/srv/conf', '/srv/doomed', '/var/lib/dpkg/status'],
      packages: true,
    });
    expect(users.find(({ user }) => user === other.name)?.shadowed.count).toBe(0);
    const shown = (await verbs.plain('upgrade', '--dry-run', verbs.name)).stdout.toString();
    expect(shown).toContain(
      `${verbs.name} keeps 3 files that hide newer ones of the image:\n    /srv/conf\n`,
    );
    expect(shown).toContain('The database of packages is one');
    await stopAll();
    expect(await version(verbs.name)).toBe('one'); // a plan does nothing
  });

  it('is taken by all who are meant, by those in a session when their sandbox ends, and can be gone back from', async () => {
    await verbs.inside('echo mine >/srv/own');
    await ctl('stop', other.name);
    await ctl('image', 'tag', 'lab/two:1', 'lab/base:1');
    const refused = await verbs.plain('upgrade', '--all');
    expect([refused.code, refused.stderr.toString()]).toEqual([64, expect.stringContaining('--yes')]);
    expect(await ctl('upgrade', '--all', '--yes')).toMatchObject({
      users: expect.arrayContaining([
        expect.objectContaining({ user: verbs.name, upgraded: true, running: true }),
        expect.objectContaining({ user: other.name, upgraded: true, running: false }),
      ]) as unknown,
    });
    expect([await version(verbs.name), await version(other.name)]).toEqual(['one', 'two']);
    await stopAll();
    expect([await version(verbs.name), await version(other.name)]).toEqual(['two', 'two']);
    // Nobody but the ways back keeps the image before.
    await ctl('image', 'rm', 'lab/one:1');
    await ctl('image', 'gc');
    await ctl('upgrade', '--rollback', '--all', '--yes');
    await stopAll();
    expect([await version(verbs.name), await version(other.name)]).toEqual(['one', 'one']);
    expect(await verbs.inside('cat /srv/own')).toBe('mine\n');
    const again = await verbs.plain('upgrade', '--rollback', verbs.name);
    expect([again.code, again.stderr.toString()]).toEqual([
      66,
      expect.stringContaining('has not been upgraded'),
    ]);
    const base = join(verbs.host.stateFolder, `users/${verbs.user.uid}/layer/base.json`);
    const { digest } = JSON.parse(await readFile(base, 'utf8')) as { digest: string };
    await ctl('image', 'tag', `lab/base@${digest}`, 'lab/one:1');
  });

  it('is gone back from, of all, by those alone who have the newest', async () => {
    await ctl('image', 'tag', 'lab/two:1', 'lab/base:1');
    await ctl('upgrade', verbs.name);
    await ctl('image', 'tag', 'lab/three:1', 'lab/base:1');
    await ctl('upgrade', other.name);
    // The way of the first one leads to what is older still.
    expect(await ctl('upgrade', '--rollback', '--all', '--yes')).toMatchObject({
      users: [{ user: other.name, upgraded: true }],
    });
    await stopAll();
    expect([await version(verbs.name), await version(other.name)]).toEqual(['two', 'one']);
  });

  it('is taken by those of a group, or of an image', async () => {
    await verbs.host.setPolicy({ defaults, users: { [other.name]: { image: 'lab/second:1' } } });
    await ctl('image', 'tag', 'lab/one:1', 'lab/second:1');
    await stopAll();
    await version(other.name);
    for (const name of ['base', 'second']) await ctl('image', 'tag', 'lab/two:1', `lab/${name}:1`);
    const whom = async (...args: string[]) => (await plan(...args)).users.map(({ user }) => user);
    expect(await whom('--image', 'lab/second:1')).toEqual([other.name]);
    expect(await whom('--image', 'lab/base:1')).toEqual([verbs.name]);
    expect(await whom('--group', other.name)).toEqual([other.name]);
    expect(await whom('--group', 'nosuchgroup')).toEqual([]);
    await ctl('upgrade', '--image', 'lab/second:1', '--yes');
    await stopAll();
    expect([await version(verbs.name), await version(other.name)]).toEqual(['one', 'two']);
  });

  it('is asked for at a terminal', async () => {
    await ctl('image', 'tag', 'lab/two:1', 'lab/base:1');
    const socket = join(verbs.host.runFolder, 'admin.sock');
    for (const [answer, expected] of [
      ['n', 'one'],
      ['y', 'two'],
    ] as const) {
      await using terminal = new Terminal(nodeProgram, [
        ctlBundle,
        '--socket',
        socket,
        'upgrade',
        verbs.name,
      ]);
      await terminal.expect(/HIDDEN[\s\S]*Go on\? \[y\/N\] /);
      terminal.send(`${answer}\r`);
      await terminal.exited();
      await stopAll();
      expect(await version(verbs.name)).toBe(expected);
    }
  });

  it('is taken by every start where the policy says so, and not again after it was gone back from', async () => {
    await verbs.inside('echo mine >/srv/own');
    await verbs.host.setPolicy({ defaults: { ...defaults, on_image_change: 'upgrade' } });
    await ctl('image', 'tag', 'lab/two:1', 'lab/base:1');
    expect(await version(verbs.name)).toBe('one');
    await stopAll();
    expect(await version(verbs.name)).toBe('two');
    expect(await verbs.inside('cat /srv/own')).toBe('mine\n');
    await ctl('upgrade', '--rollback', verbs.name);
    for (let start = 0; start < 2; start += 1) {
      await stopAll();
      expect(await version(verbs.name)).toBe('one');
    }
    await ctl('image', 'tag', 'lab/three:1', 'lab/base:1');
    await stopAll();
    expect(await version(verbs.name)).toBe('three');
    await ctl('snapshot', verbs.name, 'kept');
    await ctl('upgrade', '--rollback', verbs.name);
    await ctl('rollback', verbs.name, 'kept', '--yes');
    expect(await version(verbs.name)).toBe('three'); // a snapshot brings its image
    for (const { name } of ((await ctl('snapshot', verbs.name, '--ls')) as { snapshots: { name: string }[] })
      .snapshots)
      await ctl('snapshot', verbs.name, name, '--rm');
  });

  it('is not removed while the policy names it or a sandbox runs on it, unless that is meant', async () => {
    const remove = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, stderr } = await verbs.plain('image', 'rm', ...args);
      return [code, stderr.toString()];
    };
    expect(await remove('lab/base')).toEqual([66, expect.stringContaining('E_NOT_FOUND')]);
    expect(await remove('lab/base:1')).toEqual([
      64,
      expect.stringMatching(/policy names it, image in \[defaults\]/),
    ]);
    await verbs.host.setPolicy({ defaults: { ...defaults, image: 'host' } });
    expect(await remove('lab/base:1')).toEqual([64, expect.stringContaining(verbs.name)]);
    await stopAll();
    expect((await remove('lab/base:1'))[0]).toBe(0);
    await verbs.host.setPolicy({ defaults });
    const checked = await verbs.plain('policy', 'check', verbs.host.policyFile);
    expect([checked.code, checked.stdout.toString()]).toEqual([
      0,
      expect.stringMatching(/:2: warning: image names lab\/base:1, which is not on this host/),
    ]);
    await ctl('image', 'tag', 'lab/one:1', 'lab/base:1');
    expect((await remove('lab/base:1', '--force'))[0]).toBe(0);
    await ctl('image', 'tag', 'lab/one:1', 'lab/base:1');
    expect((await verbs.plain('policy', 'check', verbs.host.policyFile)).stdout.toString()).not.toContain(
      'warning',
    );
  });
});
