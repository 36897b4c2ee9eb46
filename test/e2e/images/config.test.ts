// An image's configuration of commands: the user that they run as (policy key image_user) and the folder that they
// start in. Images are strangers' work, so most of this tries to be somebody, or somewhere, that it must not.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import { control, lacks } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, runOk, waitUntil } from '../../fixtures/process.ts';
import { modes, useWorld } from '../../fixtures/world.ts';
import { builtImage, builtLayer, writeLayout } from '../../integration/images/image-builder.ts';

const world = useWorld();
const passwd = 'root:x:0:0::/root:/bin/sh\nservice:x:12:13::/srv:/bin/false\n';
const group = 'root:x:0:\nservice:x:13:\nmedia:x:44:service\n';

describe.skipIf(control || lacks('busybox'))("an image's configuration", () => {
  let layer: ReturnType<typeof builtLayer>;

  beforeAll(async () => {
    const { host } = world();
    const files = { '/etc/passwd': passwd, '/etc/group': group, '/srv/app/x': '' };
    const archive = join(host.folder, 'rootfs.tar');
    await runOk('tar', ['-C', await makeRootfs(join(host.folder, 'rootfs'), { files }), '-cf', archive, '.']);
    layer = builtLayer(await readFile(archive));
  }, 120_000);

  let images = 0;
  /** Gives the user an image of this configuration, and a fresh sandbox. */
  async function use(user: { name: string }, config: object, imageUser: string): Promise<void> {
    const { host } = world();
    images += 1;
    const name = `lab/config:${images}`;
    const image = builtImage([layer], { config: { config } });
    await host.ctlOk('image', 'import', name, await writeLayout(join(host.folder, `image-${images}`), image));
    await host.setPolicy({ users: { [user.name]: { image: name, image_user: imageUser } } });
    await host.ctl('stop', user.name);
  }

  async function exec(user: { name: string }, ...command: string[]): Promise<Finished> {
    const { host } = world();
    const program = join(host.folder, 'bin/dockersh-exec');
    return await host.ctl('exec', '--program', program, user.name, '--', ...command);
  }
  const text = ({ stdout }: Finished): string => stdout.toString();

  describe.each(modes)('as %s', (mode) => {
    it('has a User that commands run as where policy says so, and logins never', async () => {
      const login = world().login(mode);
      const { uid, gid, name, home } = login.user;
      const own = `uid=${uid}(${name}) gid=${gid}(${name}) groups=${gid}(${name})\n`;
      const service = 'uid=12(service) gid=13(service) groups=13(service),44(media)\n';
      for (const [policy, byExec, bySsh] of [
        ['ignore', own, own],
        ['exec', service, own],
        ['commands', service, service],
      ] as const) {
        await use(login.user, { User: 'service' }, policy);
        expect(text(await exec(login.user, 'id')), policy).toBe(byExec);
        const result = await login.ssh('id');
        expect(text(result), describeFinished(result)).toBe(bySsh);
        const script = await login.ssh(undefined, { input: 'id; pwd; echo $HOME $USER\nexit 3\n' });
        expect(text(script), describeFinished(script)).toBe(`${own}${home}\n${home} ${name}\n`);
        expect(script.code).toBe(3);
      }
    });

    it('has a User with a place and a terminal of its own, but not the home', async () => {
      const login = world().login(mode);
      const { uid, home } = login.user;
      await login.ssh('true');
      await use(login.user, { User: 'service', WorkingDir: '/srv/app' }, 'commands');
      const line = `pwd; echo $HOME $USER $LOGNAME [$XDG_RUNTIME_DIR]; ls ${home} 2>&1; kill -9 1 2>&1; exit 7`;
      const result = await login.ssh(line);
      expect(text(result)).toMatch(/^\/srv\/app\n\/srv service service \[\]\n.*denied\n.*not permitted\n$/);
      expect(result.code).toBe(7);
      // The terminal belongs to whom the command runs as.
      const onTerminal = await login.ssh('stat -c %u $(tty); echo > /dev/tty', { options: ['-tt'] });
      expect(text(onTerminal).replaceAll('\r', '')).toMatch(/(^|\n)12\n\n$/);
      // On the host it is nobody, and above all not the user.
      await using sleeping = login.start('echo ready; exec sleep 100');
      await sleeping.waitForOutput('ready');
      await waitUntil(
        () =>
          world()
            .host.processes()
            .some(({ command }) => command.startsWith('sleep 100')),
        'sleep',
      );
      const owners = world()
        .host.processes()
        .filter(({ command }) => command.startsWith('sleep 100'))
        .map((process) => process.uid);
      expect(owners.length).toBeGreaterThan(0);
      for (const owner of owners) expect(owner).toBeGreaterThanOrEqual(0x8000_0000);
      expect(owners).not.toContain(uid);
    });

    it('cannot make anybody root', async () => {
      const login = world().login(mode);
      for (const user of ['root', '0:13']) {
        await use(login.user, { User: user }, 'commands');
        expect(text(await login.ssh('id -u')), user).toBe(`${login.user.uid}\n`);
        expect(text(await exec(login.user, 'id', '-u')), user).toBe(`${login.user.uid}\n`);
      }
      const warned = world()
        .host.logRecords()
        .filter(({ msg }) => msg.startsWith('image_user:'));
      expect(warned.at(-1)).toMatchObject({ user: login.user.name });
    });

    it('refuses commands of a User that cannot be, while logins go on', async () => {
      const login = world().login(mode);
      for (const user of ['99999', '../../etc', 'service:none']) {
        await use(login.user, { User: user }, 'commands');
        const result = await login.ssh('id');
        expect(text(result), user).toBe('');
        expect(result.code, user).toBe(125);
        expect(result.stderr.toString(), user).toMatch(/the image's user ".*E_SESSION_START/s);
        expect((await exec(login.user, 'id')).code, user).toBe(125);
        const script = await login.ssh(undefined, { input: 'id -u\n' });
        expect(text(script), user).toBe(`${login.user.uid}\n`);
      }
    });

    it('goes on meaning the same after the daemon was killed', async () => {
      const login = world().login(mode);
      await use(login.user, { User: 'service' }, 'exec');
      await login.ssh('true');
      const { host } = world();
      await host.killDaemon();
      await host.startDaemon();
      expect(text(await exec(login.user, 'id', '-u'))).toBe('12\n');
    });
  });

  it('has a WorkingDir that leads nowhere but inside', async () => {
    const { user } = world().login('shell');
    for (const [folder, cwd, said] of [
      ['/srv/app', '/srv/app', ''],
      ['/srv/../srv/./app/', '/srv/app', ''],
      ['/../../../../srv', '/srv', ''],
      ['srv/app', `/home/${user.name}`, ''],
      ['../../etc', `/home/${user.name}`, ''],
      ['/proc/1/root', '/', "/proc/1/root: can't enter the WorkingDir of the image (Permission denied)"],
      ['/no/such', '/', "/no/such: can't enter the WorkingDir of the image (No such file or directory)"],
      ['/\u001b[31mx\u009by', '/', "/?[31mx??y: can't enter the WorkingDir of the image"],
      ['/bin/sh', '/', "/bin/sh: can't enter the WorkingDir of the image (Not a directory)"],
      [`/${'x'.repeat(5000)}`, '/', '/xxxxx'],
    ] as const) {
      await use(user, { WorkingDir: folder }, 'ignore');
      const result = await exec(user, 'readlink', '/proc/self/cwd');
      expect(text(result), folder).toBe(`${cwd}\n`);
      if (said === '') expect(result.stderr.toString(), folder).toBe('');
      else expect(result.stderr.toString(), folder).toContain(`dockersh: ${said}`);
    }
  });

  it('names the home folder where that is what cannot be entered', async () => {
    const login = world().login('shell');
    await use(login.user, {}, 'ignore');
    await login.ssh('chmod 0 .');
    const result = await login.ssh('pwd');
    await exec(login.user, 'chmod', '700', login.user.home);
    expect(text(result)).toBe('/\n');
    expect(result.stderr.toString()).toBe(
      `dockersh: ${login.user.home}: can't enter the home folder (Permission denied); starting in /\n`,
    );
  });
});
