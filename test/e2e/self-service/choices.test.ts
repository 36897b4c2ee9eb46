// Choices of users by self-service: an image of those that they may have, ports of their own, and the way back.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { Internet } from '../../fixtures/network/internet.ts';
import { policyText } from '../../fixtures/policy-text.ts';
import { waitUntil } from '../../fixtures/process.ts';
import type { World } from '../../fixtures/world.ts';

describe.skipIf(control || lacks('busybox'))('a choice', () => {
  let world: World;
  let login: Login;
  const stack = new AsyncDisposableStack();
  const defaults = {
    ...{ image: 'host', network: 'private', linger: '10m', stop_grace: '0' },
    images_allowed: 'lab/*',
  };
  const policy = async (more: Record<string, string> = {}): Promise<void> => {
    const section = policyText({ defaults: { ...defaults, ...more } });
    await world.host.setPolicy(`${section}\n[host]\npublish_pool = 20000-20999/3\n`);
  };
  const asked = async (command: string) => {
    const { code, stdout, stderr } = await login.ssh(command);
    return { code, out: stdout.toString(), err: stderr.toString() };
  };
  const stop = async () => await world.host.ctl('stop', login.user.name);

  beforeAll(async () => {
    const internet = stack.use(await Internet.create());
    world = stack.use(await internet.world({ modes: ['shell'], policy: { defaults } }));
    login = world.login('shell');
    await policy();
    const root = await makeRootfs(join(world.host.folder, 'rootfs'), { files: { marker: 'lab\n' } });
    await world.host.ctlOk('image', 'import', 'lab/base:1', root);
    await world.host.ctlOk('image', 'import', 'other/base:1', root);
  });
  afterAll(async () => {
    await stack.disposeAsync();
  });

  it('of an image counts from the next start on, and only of those that the policy lists', async () => {
    expect((await asked('cat /marker')).code).not.toBe(0);
    const { images } = JSON.parse((await asked('@images --json')).out) as { images: { name: string }[] };
    expect(images.map(({ name }) => name)).toEqual(['host', 'lab/base:1']);
    const refused = await asked('@image use other/base:1');
    expect([refused.code, refused.err]).toEqual([
      77,
      expect.stringContaining('none of the images that you may choose'),
    ]);
    expect((await asked('@image use lab/missing:1')).code).toBe(66);
    const taken = await asked('@image use lab/base:1');
    expect([taken.code, taken.out]).toEqual([
      0,
      expect.stringContaining('Until it ends, your sandbox keeps'),
    ]);
    expect((await asked('cat /marker')).code).not.toBe(0);
    await stop();
    expect((await asked('cat /marker')).out).toBe('lab\n');
    // A daemon that starts knows it as well.
    await world.host.killDaemon('SIGKILL');
    await world.host.startDaemon();
    expect((await asked('cat /marker')).out).toBe('lab\n');
    expect((await asked('@undo')).out).toContain('what the policy says');
    await stop();
    expect((await asked('cat /marker')).code).not.toBe(0);
    expect((await asked('@undo')).code).toBe(66);
  });

  it('counts only for as long as the policy allows it', async () => {
    await asked('@image use lab/base:1');
    await policy({ images_allowed: 'none' });
    await stop();
    expect((await asked('cat /marker')).code).not.toBe(0);
    await policy({ self_service: 'status' });
    await stop();
    expect((await asked('cat /marker')).code).not.toBe(0);
    await policy();
    await stop();
    expect((await asked('cat /marker')).out).toBe('lab\n');
    await asked('@undo');
    await stop();
  });

  it('of ports counts at once, for ports of the own alone', async () => {
    await asked('true');
    const refused = await asked('@publish 22:22');
    expect([refused.code, refused.err]).toEqual([64, expect.stringContaining('not yours')]);
    expect((await asked('@publish +3:80')).code).toBe(64);
    expect((await asked('@publish 10.9.9.9:+0:80')).code).toBe(64);
    expect((await asked('@publish +0:8080 +1:9090/udp')).code).toBe(0);
    const published = async () => {
      const { published: all } = JSON.parse((await asked('@publish --json')).out) as { published: string[] };
      return all.length;
    };
    await waitUntil(async () => (await published()) === 2, 'both ports are published');
    expect((await asked('@undo')).code).toBe(0);
    await waitUntil(async () => (await published()) === 0, 'no port is published');
  });

  it('of the files is taken back', async () => {
    expect((await asked('echo mine >/var/tmp/mine; sync')).code).toBe(0);
    expect((await asked('@reset yes')).code).toBe(0);
    expect((await asked('cat /var/tmp/mine')).code).not.toBe(0);
    expect((await asked('@undo')).out).toContain('@reset is taken back');
    expect((await asked('cat /var/tmp/mine')).out).toBe('mine\n');
  });
});
