// dockersh-layer copies homes that their owners have prepared for it, and that they change meanwhile.

import {
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFolder } from '../../fixtures/paths.ts';
import { type Finished, Running, run, runOk } from '../../fixtures/process.ts';

const owner = 64_321; // nobody's: the files need an owner, not an account
let top: string;
let folder: string;
let home: string;
let secret: string;

beforeAll(async () => {
  top = await mkdtemp('/tmp/dockersh-test-');
});
afterAll(async () => {
  await rm(top, { recursive: true });
});

async function freshHome(): Promise<void> {
  folder = await mkdtemp(join(top, 'c-'));
  home = join(folder, 'home');
  secret = join(folder, 'secret');
  await mkdir(home);
  await writeFile(secret, 'SECRET', { mode: 0o600 });
  await chown(home, owner, owner);
}

async function copy(from = home, to = join(folder, 'copy')): Promise<Finished> {
  return await run(join(buildFolder, 'dockersh-layer'), ['copy', '--one-file-system', 'yes', from, to]);
}

describe('a home that is copied', () => {
  it('keeps what it has: modes, owners, links, pipes, holes, names that are no text', async () => {
    await freshHome();
    await runOk('bash', [
      '-c',
      `cd "$1" && echo x >plain && chmod 4751 plain && ln plain hard && ln -s /etc/shadow link && mkfifo pipe &&
       truncate -s 1G hole && mkdir -m 2770 sub && echo y >"sub/$(printf 'a\\nb\\377')" && setfattr -n user.a -v b plain &&
       chown -hR ${owner}:${owner} . && chown 0:0 plain && chmod 4751 plain`,
      'bash',
      home,
    ]);
    expect(JSON.parse((await copy()).stdout.toString())).toMatchObject({ entries: 7, skippedMounts: 0 });
    const list = async (at: string) =>
      await runOk('bash', [
        '-c',
        `cd "$1" && find . -printf '%P %y %m %U %G %n %l %T@\\n' | LC_ALL=C sort`,
        'bash',
        at,
      ]);
    expect(await list(join(folder, 'copy'))).toBe(await list(home));
    expect((await lstat(join(folder, 'copy/hole'))).blocks).toBe(0);
    expect(await runOk('getfattr', ['--only-values', '-n', 'user.a', join(folder, 'copy/plain')])).toBe('b');
  });

  it('gives nobody what a link leads to', async () => {
    await freshHome();
    await symlink(secret, join(home, 'symbolic'));
    await symlink(folder, join(home, 'folder'));
    await link(secret, join(home, 'hard'));
    expect((await copy()).code).toBe(0);
    expect((await lstat(join(folder, 'copy/symbolic'))).isSymbolicLink()).toBe(true);
    expect((await lstat(join(folder, 'copy/folder'))).isSymbolicLink()).toBe(true);
    // What was root's stays root's, with its mode.
    const hard = await lstat(join(folder, 'copy/hard'));
    expect([hard.uid, hard.mode & 0o777]).toEqual([0, 0o600]);
  });

  it('leaves device nodes out', async () => {
    await freshHome();
    await runOk('mknod', [join(home, 'device'), 'b', '8', '0']);
    expect(JSON.parse((await copy()).stdout.toString())).toMatchObject({ skippedDevices: 1 });
    expect(await readdir(join(folder, 'copy'))).toEqual([]);
  });

  it('leaves out what is mounted in it', async () => {
    await freshHome();
    const script = `mkdir "$1/mounted" && mount -t tmpfs none "$1/mounted" && echo x >"$1/mounted/inside" &&
      "$3" copy --one-file-system yes "$1" "$2"`;
    const program = join(buildFolder, 'dockersh-layer');
    const to = join(folder, 'copy');
    const text = await runOk('unshare', ['-m', 'bash', '-c', script, 'bash', home, to, program]);
    expect(JSON.parse(text)).toMatchObject({ skippedMounts: 1 });
    expect(await readdir(to)).toEqual([]);
  });

  it('may come from another kind of file system', async () => {
    await freshHome();
    const script = `mount -t tmpfs none "$1" && head -c 3000000 /dev/urandom >"$1/data" && truncate -s 20M "$1/data" &&
      "$3" copy --one-file-system yes "$1" "$2" && cmp "$1/data" "$2/data" && stat -c %b "$2/data"`;
    const program = join(buildFolder, 'dockersh-layer');
    const lines = (
      await runOk('unshare', ['-m', 'bash', '-c', script, 'bash', home, join(folder, 'copy'), program])
    ).trim();
    expect(Number(lines.split('\n').at(-1))).toBeLessThan(10_000); // blocks of 512: the hole stayed one
  });

  it('is never somebody else’s file, however its owner hurries', async () => {
    await freshHome();
    // A link to a file of root's, made before fs.protected_hardlinks, that takes a file's place again and again.
    await mkdir(join(home, 'd'));
    for (let index = 0; index < 50; index += 1) await writeFile(join(home, `d/f${index}`), 'own');
    await link(secret, join(home, 'trap'));
    await runOk('bash', ['-c', 'chown -R "$2:$2" "$1/d" && chown "$2" "$1"', 'bash', home, String(owner)]);
    const swap = `import os,sys
os.chdir(sys.argv[1])
while True:
    for i in range(50):
        os.link('trap', 'd/t'); os.rename('d/t', 'd/f%d' % i)
        open('d/n', 'w').write('own'); os.chown('d/n', ${owner}, ${owner}); os.rename('d/n', 'd/f%d' % i)`;
    await using racer = new Running('python3', ['-c', swap, home], { stdio: 'ignore' });
    let refused = 0;
    for (let round = 0; round < 300 && refused < 3; round += 1) {
      const to = join(folder, `copy${round}`);
      const finished = await copy(home, to);
      if (finished.stderr.toString().includes('replaced while it was copied')) refused += 1;
      for (const name of await readdir(join(to, 'd')).catch(() => [])) {
        const info = await lstat(join(to, 'd', name));
        const text = await readFile(join(to, 'd', name), 'utf8');
        if (text === 'SECRET') expect([info.uid, info.mode & 0o777], name).toEqual([0, 0o600]);
      }
      await rm(to, { recursive: true, force: true });
    }
    expect(racer.exited).toBe(false);
    expect(refused).toBeGreaterThan(0); // it was close
  }, 180_000); // every copy is written to the disk
});

it('copies thousands of files', async () => {
  await freshHome();
  await runOk('python3', [
    '-c',
    `import os,sys
for d in range(20):
    p='%s/%d' % (sys.argv[1], d); os.mkdir(p)
    for f in range(1000): os.close(os.open('%s/%d' % (p, f), os.O_CREAT))`,
    home,
  ]);
  expect(JSON.parse((await copy()).stdout.toString())).toMatchObject({ entries: 20_020 });
});
