// Images that lack what people need who come by ssh: an sftp-server, or any shell at all. With real clients.

import { randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeRootfs } from '../../fixtures/images/rootfs.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, lacks, program } from '../../fixtures/machine.ts';
import { describeFinished, type Finished, run, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const everyWay = ['shell', 'both', 'gateway'] as const;
const world = useWorld({ modes: everyWay });
const images = ['busybox', 'bare'] as const;

describe.skipIf(control || lacks('busybox'))('an image without an sftp-server', () => {
  const logins = new Map<string, Login>();
  const payload = randomBytes(300_000);
  let folder = '';

  beforeAll(async () => {
    const { host } = world();
    folder = join(host.folder, 'files');
    await mkdir(folder);
    await writeFile(join(folder, 'payload'), payload);
    await host.ctlOk('image', 'import', 'busybox', await makeRootfs(join(host.folder, 'busybox')));
    // As a distroless image is: one program, and no shell.
    const bare = await makeRootfs(join(host.folder, 'bare'), { busybox: false });
    await mkdir(join(bare, 'app'));
    for (const name of ['echo', 'cat', 'env']) {
      await copyFile(program('busybox'), join(bare, 'app', name));
      await chmod(join(bare, 'app', name), 0o755);
    }
    await host.ctlOk('image', 'import', 'bare', bare);
    // One that has its own, which is no less the image's for what is brought along.
    const own = await makeRootfs(join(host.folder, 'own'), {
      files: { '/usr/lib/openssh/sftp-server': '#!/bin/sh\necho own\n' },
    });
    await host.ctlOk('image', 'import', 'own', own);
    const users: Record<string, { image: string }> = {};
    for (const way of everyWay)
      for (const image of [...images, 'own']) {
        const login = await world().addLogin(way);
        logins.set(`${way} ${image}`, login);
        users[login.user.name] = { image };
      }
    await host.setPolicy({ defaults: { image: 'host' }, users });
  }, 180_000);

  const loginOf = (way: string, image: string): Login => {
    const login = logins.get(`${way} ${image}`);
    if (login === undefined) throw new Error(`nobody has ${image} by ${way}`);
    return login;
  };
  const script = async (login: Login, text: string): Promise<Finished> => {
    const result = await login.script(text, [folder]);
    expect(result.code, describeFinished(result) + login.host.logTail()).toBe(0);
    return result;
  };

  describe.each(everyWay)('by %s', (way) => {
    describe.each(images)('%s', (image) => {
      it('serves sftp and scp', async () => {
        const login = loginOf(way, image);
        const name = `${way}-${image}`;
        await script(
          login,
          `echo "put $1/payload there" | sftp -q -b - -F "$SSH_CONFIG" "$HOST" && scp -q -F "$SSH_CONFIG" "$HOST:there" "$1/${name}"`,
        );
        expect((await readFile(join(folder, name))).equals(payload)).toBe(true);
        await script(
          login,
          `scp -q -r -F "$SSH_CONFIG" "$1" "$HOST:tree" && scp -q -F "$SSH_CONFIG" "$HOST:tree/payload" "$1/${name}"`,
        );
        expect((await readFile(join(folder, name))).equals(payload)).toBe(true);
        const listed = await script(login, 'echo "ls -l" | sftp -q -b - -F "$SSH_CONFIG" "$HOST"');
        expect(listed.stdout.toString()).toContain(login.user.name); // by the sandbox's own passwd
      });

      it.skipIf(lacks('rclone'))('serves rclone', async () => {
        const login = loginOf(way, image);
        const { sshd, user } = login;
        const remote = `:sftp,host=127.0.0.1,port=${sshd.port},user=${user.name},key_file=${sshd.identity},shell_type=none:`;
        const env = { ...process.env, HOME: folder, RCLONE_CONFIG: '/dev/null' };
        const copied = await run('rclone', ['copyto', join(folder, 'payload'), `${remote}by-rclone`], {
          env,
        });
        expect(copied.code, describeFinished(copied)).toBe(0);
        const back = await run('rclone', ['cat', `${remote}by-rclone`], { env });
        expect(back.stdout.equals(payload), describeFinished(back)).toBe(true);
      });

      it.skipIf(lacks('sshfs'))('serves sshfs', async () => {
        const login = loginOf(way, image);
        const mount = join(folder, `mount-${way}-${image}`);
        await mkdir(mount);
        const mounted = await run('sshfs', ['-F', login.configFile, `${login.target}:`, mount]);
        expect(mounted.code, describeFinished(mounted)).toBe(0);
        try {
          await writeFile(join(mount, 'by-sshfs'), payload);
          expect((await readFile(join(mount, 'by-sshfs'))).equals(payload)).toBe(true);
          expect(await readdir(mount)).toContain('by-sshfs');
        } finally {
          await waitUntil(async () => (await run('fusermount', ['-u', mount])).code === 0, 'sshfs to end');
        }
      });
    });

    it('that has its own keeps it', async () => {
      const result = await loginOf(way, 'own').ssh('/usr/lib/openssh/sftp-server');
      expect(result.stdout.toString(), describeFinished(result)).toBe('own\n');
    });
  });

  describe('and without a shell', () => {
    const ssh = async (command: string | undefined, options: readonly string[] = []): Promise<Finished> =>
      await loginOf('shell', 'bare').ssh(command, { options });

    it('runs a program with plain words, as it is', async () => {
      const result = await ssh('/app/echo  a-b\tc=d /x,y:z%+@ 2');
      expect(result.stdout.toString(), describeFinished(result)).toBe('a-b c=d /x,y:z%+@ 2\n');
      expect((await ssh('/app/cat /nothing')).code).toBe(1);
      const piped = await loginOf('shell', 'bare').ssh('/app/cat', { input: payload });
      expect(piped.stdout.equals(payload)).toBe(true);
    });

    it.each([
      '/app/echo $HOME',
      '/app/echo "a b"',
      "/app/echo 'a'",
      '/app/echo a; /app/echo b',
      '/app/echo a | /app/cat',
      '/app/echo a > file',
      '/app/echo a && /app/echo b',
      '/app/echo `x`',
      '/app/echo *',
      '/app/echo ~',
      '/app/echo a\\ b',
      'X=1 /app/env',
      '/app/echo a\n/app/echo b',
      '! /app/echo',
    ])('refuses %j, and says why', async (command) => {
      const result = await ssh(command);
      expect(result.stdout.toString()).toBe('');
      expect(result.stderr.toString()).toBe(
        'dockersh: this image has no shell, and the command needs one: only a program and plain words can be run.\n',
      );
      expect(result.code).toBe(127);
    });

    it('says so to who wants one, and of a program that is not there', async () => {
      const login = await ssh(undefined, ['-tt']);
      expect(login.stdout.toString()).toContain('this image has no shell.');
      expect(login.code).toBe(127);
      const missing = await ssh('/app/nothing');
      expect(missing.stderr.toString()).toBe('dockersh: /app/nothing: No such file or directory\n');
      expect(missing.code).toBe(127);
    });
  });

  it('is brought what it lacks by one layer for all', async () => {
    const { host } = world();
    const layers = await readdir(join(host.stateFolder, 'stand-in'));
    expect(layers).toHaveLength(1);
    const records = await Promise.all(
      (await readdir(join(host.runFolder, 'sandboxes')))
        .filter((name) => name.endsWith('.json'))
        .map(async (name) => JSON.parse(await readFile(join(host.runFolder, 'sandboxes', name), 'utf8'))),
    );
    for (const { image, layers: has } of records as { image: string; layers: string[] }[])
      expect([image, has.some((layer) => layer.includes('/stand-in/'))]).toEqual([image, true]);
    expect(records.length).toBeGreaterThan(4);
  });
});
