// Exports what is kept of a user into one file, and imports it for another account of another host: files with owners,
// modes, times, links, holes, attributes, capabilities and what was deleted of the image.

import { readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Host } from '../../fixtures/host.ts';
import { lacks } from '../../fixtures/machine.ts';
import { ctlBundle, nodeProgram } from '../../fixtures/paths.ts';
import { type Finished, Running, run, runOk, waitUntil } from '../../fixtures/process.ts';
import { TestUser } from '../../fixtures/users.ts';
import { VerbsHost } from '../verbs/verbs-host.ts';

const defaults = { image: 'lab/base:1', root: 'yes', linger: '1h', stop_grace: '100ms', shell: '/bin/sh' };

/** What a sandbox has of everything that was made in it. Times are those of the files, and so is the order. */
const look = [
  'cd /',
  'find srv root home/$(id -un) ! -type d -o -type d -empty | sort >/tmp/names',
  'while read -r name; do stat -c \'%n %F %a %U:%G %h %s %Y\' "$name"; done </tmp/names',
  'rm /tmp/names',
  'cat ~/file ~/second; readlink ~/link; ls -a /srv/dir /srv/gone 2>&1; true',
].join('\n');

const made = [
  'set -e',
  'echo mine >~/file; chmod 640 ~/file; ln ~/file ~/second; ln -s /nowhere ~/link; mkfifo ~/pipe',
  'mkdir ~/empty; chmod 2775 ~/empty; touch -d "2001-02-03 04:05:06" ~/file',
  'rm /srv/gone; rm -r /srv/dir; mkdir /srv/dir; echo new >/srv/dir/new',
].join('\n');
/** As root inside. */
const madeByRoot = [
  'set -e',
  'mkdir -p /root/kept; echo x >/root/kept/of-33; chown 33:34 /root/kept/of-33',
  'cp /bin/busybox /srv/dir/setuid; chmod 4755 /srv/dir/setuid; cp /bin/busybox /srv/dir/capable',
].join('\n');

const python = [
  'import os, struct, sys',
  'layer, home, root, uid = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])',
  // cap_net_raw=ep, for the sandbox alone: version 3 with the id of its root.
  'cap = struct.pack("<IIIIII", 0x03000001, 1 << 13, 0, 0, 0, root)',
  'os.setxattr(layer + "/srv/dir/capable", "security.capability", cap)',
  'os.setxattr(home + "/file", "user.note", b"kept")',
  'entry = lambda tag, perm, who: struct.pack("<HHI", tag, perm, who)',
  'acl = struct.pack("<I", 2) + entry(1, 6, 0xffffffff) + entry(2, 4, root + 33) + entry(4, 4, 0xffffffff)',
  'acl += entry(16, 4, 0xffffffff) + entry(32, 0, 0xffffffff)',
  'os.setxattr(home + "/file", "system.posix_acl_access", acl)',
  'os.setxattr(home + "/empty", "system.posix_acl_default", acl)',
  'f = open(home + "/sparse", "wb"); f.seek(5 << 30); f.write(b"end"); f.truncate(300 << 30); f.close()',
  'os.chown(home + "/sparse", uid, uid)',
].join('\n');
/** What only the host sees of it. */
const seen = [
  'import os, struct, sys',
  'layer, home, root = sys.argv[1], sys.argv[2], int(sys.argv[3])',
  'cap = struct.unpack("<IIIIII", os.getxattr(layer + "/srv/dir/capable", "security.capability"))',
  'print("capability", hex(cap[0]), cap[1], cap[5] - root)',
  'print("note", os.getxattr(home + "/file", "user.note").decode())',
  'print("list", struct.unpack("<I", os.getxattr(home + "/file", "system.posix_acl_access")[16:20])[0] - root)',
  'print("default", struct.unpack("<I", os.getxattr(home + "/empty", "system.posix_acl_default")[16:20])[0] - root)',
  'print("setuid", os.stat(layer + "/srv/dir/setuid").st_uid - root, os.stat(layer + "/root/kept/of-33").st_gid - root)',
  's = os.stat(home + "/sparse"); print("sparse", s.st_size >> 30, s.st_blocks < 200)',
  'f = open(home + "/sparse", "rb"); f.seek((5 << 30) - 1); print("data", f.read(5))',
].join('\n');
const expected = [
  'capability 0x3000001 8192 0',
  'note kept',
  'list 33',
  'default 33',
  'setuid 0 34',
  'sparse 300 True',
  "data b'\\x00end\\x00'",
  '',
].join('\n');

describe.skipIf(lacks('busybox', 'python3', 'mke2fs'))("a user's data in one file", () => {
  const parts = new AsyncDisposableStack();
  let here: VerbsHost;
  let there: Host;
  let other: TestUser;
  let file: string;

  const inside = async (host: Host, user: TestUser, script: string): Promise<string> =>
    await runOk(host.client, ['-c', script], { uid: user.uid, gid: user.gid });
  const asRoot = async (host: Host, user: TestUser, script: string): Promise<string> => {
    const { initPid } = (await host.sandboxOf(user)) ?? {};
    return await runOk('nsenter', [
      '-t',
      String(initPid),
      '-a',
      '-S',
      '0',
      '-G',
      '0',
      '/bin/sh',
      '-c',
      script,
    ]);
  };
  const rootOf = async (host: Host, user: TestUser): Promise<string> => {
    const { initPid } = (await host.sandboxOf(user)) ?? {};
    return (await runOk('awk', ['NR==1 {print $2}', `/proc/${initPid}/uid_map`])).trim();
  };
  const placesOf = (host: Host, user: TestUser): [string, string] => {
    const folder = join(host.stateFolder, 'users', String(user.uid));
    return [join(folder, 'layer/upper'), join(folder, 'home')];
  };
  /** Nobody's name is the same, and the rest is to be. */
  const told = (text: string, user: TestUser): string => text.replaceAll(user.name, 'USER');
  const usersIn = async (host: Host): Promise<string[]> => await readdir(join(host.stateFolder, 'users'));

  beforeAll(async () => {
    here = parts.use(await VerbsHost.start({ policy: { defaults } }));
    other = parts.use(await TestUser.create({ shell: '/bin/bash' }));
    there = parts.use(await Host.start({ policy: { defaults } }));
    there.uids.push(other.uid);
    const base = await here.rootfs('base', { 'srv/gone': 'x', 'srv/dir/old': 'x' });
    await runOk('chmod', ['777', join(base, 'srv/dir')]);
    await here.host.ctlOk('image', 'import', 'lab/base:1', base);
    // The very same, as docs/admin.md says.
    const image = join(here.host.folder, 'image.tar');
    await here.host.ctlOk('image', 'export', 'lab/base:1', image);
    await there.ctlOk('image', 'load', image);
    await inside(here.host, here.user, made);
    await asRoot(here.host, here.user, madeByRoot);
    const root = await rootOf(here.host, here.user);
    await runOk('python3', ['-c', python, ...placesOf(here.host, here.user), root, String(here.user.uid)]);
    await here.host.ctlOk('snapshot', here.name, 'first');
    file = join(here.host.folder, 'user.tar.zst');
  }, 120_000);
  afterAll(async () => {
    await parts.disposeAsync();
  }, 120_000);

  it("is another account's on another host, as it was", async () => {
    const before = await inside(here.host, here.user, look);
    expect(before).toMatch(/mine\nmine\n\/nowhere\n/);
    expect(before).toMatch(/gone: No such file/);
    expect(before).toMatch(/of-33 regular file 644 .*:.* 1 2/);
    const { sizeBytes, leftOut } = (await here.host.ctlOk('user', 'export', here.name, file)) as {
      sizeBytes: number;
      leftOut: { count: number };
    };
    expect(leftOut.count).toBe(0);
    expect((await stat(file)).size).toBe(sizeBytes);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const result = (await there.ctlOk('user', 'import', file, '--as', other.name)) as Record<string, unknown>;
    expect(result).toMatchObject({
      user: other.name,
      from: { name: here.name },
      imageThere: true,
      saved: null,
    });
    expect(told(await inside(there, other, look), other)).toBe(told(before, here.user));
    const root = await rootOf(there, other);
    expect(root).not.toBe(await rootOf(here.host, here.user));
    expect(await runOk('python3', ['-c', seen, ...placesOf(there, other), root])).toBe(expected);
    const { snapshots } = (await there.ctlOk('snapshot', '--ls', other.name)) as { snapshots: object[] };
    expect(snapshots).toMatchObject([{ name: 'first', image: 'lab/base:1' }]);
    expect(await usersIn(there)).toEqual([String(other.uid)]);
    await there.ctlOk('rollback', other.name, 'first', '--yes');
    expect(told(await inside(there, other, look), other)).toBe(told(before, here.user));
  }, 120_000);

  it('is what GNU tar reads as well', async () => {
    const names = await runOk('bash', ['-c', `zstd -dc "$0" 2>/dev/null | tar -tf - || true`, file]);
    if (lacks('zstd')) return;
    expect(names).toMatch(/^dockersh-user\.json\nlayer\/\n/);
    expect(names).toContain('home/sparse\n');
  });

  it('is not put over what is there, which goes into another file first', async () => {
    const refused = await there.ctl('user', 'import', file, '--as', other.name);
    expect(refused.code).toBe(64);
    expect(refused.stderr.toString()).toMatch(/is kept of .* already.*--replace FILE/);
    await inside(there, other, 'echo newer >~/newer');
    const old = join(there.folder, 'old.tar.zst');
    const verb = ['user', 'import', file, '--as', other.name, '--replace'];
    expect(await there.ctlOk(...verb, old)).toMatchObject({ saved: old, stopped: true });
    expect(await inside(there, other, 'cat ~/newer 2>/dev/null || cat ~/file')).toBe('mine\n');
    const newest = join(there.folder, 'newest.tar.zst');
    expect(await there.ctlOk('user', 'import', old, '--replace', newest)).toMatchObject({ saved: newest });
    expect(await inside(there, other, 'cat ~/newer')).toBe('newer\n');
  }, 60_000);

  it('goes from one host to another through standard output and input, and into a disk image', async () => {
    await there.ctlOk('user', 'forget', other.name, '--force', '--yes');
    await there.setPolicy({ defaults: { ...defaults, disk: '200M', disk_backend: 'image' } });
    const ctl = (host: Host): string =>
      `"${nodeProgram}" "${ctlBundle}" --socket "${join(host.runFolder, 'admin.sock')}"`;
    const line = `${ctl(here.host)} user export ${here.name} - | ${ctl(there)} user import - --as ${other.name}`;
    expect(await runOk('bash', ['-o', 'pipefail', '-c', line])).toMatch(/^imported /);
    expect(await readdir(join(there.stateFolder, 'users', String(other.uid)))).toContain('disk.img');
    expect(await inside(there, other, 'cat ~/file; cat /srv/dir/new; ls /srv/gone 2>&1; true')).toMatch(
      /^mine\nnew\n.*No such file/,
    );
    await inside(there, other, 'dd if=/dev/urandom of=$HOME/large bs=1048576 count=40 2>/dev/null');
    const again = join(there.folder, 'from-disk.tar.zst');
    await there.ctlOk('user', 'export', other.name, again, '--stop');
    await there.setPolicy({ defaults: { ...defaults, disk: '32M' } });
    await there.ctlOk('user', 'forget', other.name, '--force', '--yes');
    const large = await there.ctl('user', 'import', again);
    expect(large.code, large.stderr.toString()).toBe(74);
    expect(large.stderr.toString()).toContain('Raise');
    expect(await usersIn(there)).toEqual([]);
    await there.setPolicy({ defaults });
    await there.ctlOk('user', 'import', again);
    expect(await inside(there, other, 'cat ~/file')).toBe('mine\n');
  }, 120_000);

  it('is for an account that is there, and a file that is one', async () => {
    const named = await there.ctl('user', 'import', file, '--as', 'nobody-of-this-name');
    expect(named.code).toBe(66);
    for (const [bytes, why] of [
      ['', 'it ends too early'],
      ['x'.repeat(5000), 'has written'],
    ] as const) {
      const wrong = join(there.folder, 'wrong');
      await writeFile(wrong, bytes);
      const result = await there.ctl(
        'user',
        'import',
        wrong,
        '--as',
        other.name,
        '--replace',
        '/nonexistent/x',
      );
      expect(result.code, result.stderr.toString()).toBe(65);
      expect(result.stderr.toString()).toContain(why);
    }
    const half = join(there.folder, 'half');
    await runOk('cp', [file, half]);
    await truncate(half, Math.floor((await stat(file)).size / 2));
    const cut = await there.ctl(
      'user',
      'import',
      half,
      '--as',
      other.name,
      '--replace',
      join(there.folder, 'x'),
    );
    expect(cut.code, cut.stderr.toString()).toBe(65);
    expect(await inside(there, other, 'cat ~/file')).toBe('mine\n');
    expect(await usersIn(there)).toEqual([String(other.uid)]);
  });

  it('is whole or not there, whoever is killed', async () => {
    await inside(
      here.host,
      here.user,
      'cd; for i in 1 2 3 4 5 6; do dd if=/dev/urandom of=r$i bs=1048576 count=9 2>/dev/null; done',
    );
    const large = join(here.host.folder, 'large.tar.zst');
    await here.host.ctlOk('user', 'export', here.name, large);
    await there.ctlOk('user', 'forget', other.name, '--force', '--yes');
    const command = (host: Host, ...args: string[]): Running =>
      new Running(nodeProgram, [ctlBundle, '--socket', join(host.runFolder, 'admin.sock'), ...args]);
    const begun = async (): Promise<boolean> =>
      (await usersIn(there)).some((name) => name.startsWith('.gone-'));
    const seenOutcomes = new Set<string>();
    for (const [round, victim] of ['daemon', 'command', 'daemon', 'command'].entries()) {
      await using asked = command(there, 'user', 'import', large, '--as', other.name);
      await waitUntil(async () => (await begun()) || asked.process.exitCode !== null, 'the import to begin');
      await sleep(round * 40);
      if (victim === 'command') asked.kill('SIGKILL');
      else await there.killDaemon('SIGKILL');
      const { code } = await asked.finished();
      if (victim === 'daemon') await there.startDaemon();
      await waitUntil(async () => !(await begun()), 'what was half made to be gone', 60_000);
      const left = await usersIn(there);
      seenOutcomes.add(left.length === 0 ? 'none' : 'whole');
      if (code === 0) expect(left).toEqual([String(other.uid)]);
      if (left.length === 0) continue;
      expect(await inside(there, other, 'cd; ls r? | wc -l; cat file')).toBe('6\nmine\n');
      await there.ctlOk('user', 'forget', other.name, '--force', '--yes');
    }
    expect(seenOutcomes).toContain('none');
    const half = join(here.host.folder, 'half.tar.zst');
    await using asked = command(here.host, 'user', 'export', here.name, half);
    await sleep(300);
    await here.host.killDaemon('SIGKILL');
    const { code } = await asked.finished();
    await here.host.startDaemon();
    const names = await readdir(here.host.folder);
    if (code !== 0) expect(names.filter((name) => name.includes('half'))).toEqual([]);
    expect(await inside(here.host, here.user, 'cat ~/file')).toBe('mine\n');
  }, 180_000);

  it('is of a sandbox that runs on', async () => {
    const ticking = new Running(here.host.client, ['-c', 'while :; do echo tick; sleep 0.05; done'], {
      uid: here.user.uid,
      gid: here.user.gid,
    });
    await using _ticking = ticking;
    await waitUntil(() => ticking.stdout.includes('tick'), 'the session to run');
    const result = (await here.host.ctlOk('user', 'export', here.name, file)) as Record<string, unknown>;
    expect(result).toMatchObject({ stopped: false });
    expect(result['pausedMs']).toBeGreaterThan(0);
    const before = ticking.stdout.length;
    await waitUntil(() => ticking.stdout.length > before, 'the session to go on');
    expect(await here.host.ctlOk('user', 'export', here.name, file, '--no-pause')).toMatchObject({
      pausedMs: null,
    });
    expect(await here.host.ctlOk('user', 'export', here.name, file, '--stop')).toMatchObject({
      stopped: true,
    });
    const ended: Finished = await ticking.finished();
    expect(ended.code).not.toBe(0);
    expect((await run('test', ['-s', file])).code).toBe(0);
  }, 60_000);
});
