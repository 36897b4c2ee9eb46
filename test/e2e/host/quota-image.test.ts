// Disk limits held by an image for each user. The kernel's own limits, through the real ssh.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, run, waitUntil } from '../../fixtures/process.ts';
import { parentOf } from '../../fixtures/supervisor.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const MiB = 1024 ** 2;

async function edit(login: Login, settings: PolicySection): Promise<void> {
  await world().host.setPolicy({
    defaults: { image: 'host', stop_grace: '1s', disk_backend: 'image' },
    users: { [login.user.name]: settings },
  });
}

const imageOf = (login: Login): string =>
  join(world().host.stateFolder, 'users', String(login.user.uid), 'disk.img');

async function out(login: Login, command: string): Promise<string> {
  const result = await login.ssh(command);
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

/** Size and use in KiB, of the inodes with "i". */
async function df(
  login: Login,
  where: string,
  kind = 'k',
): Promise<{ size: number; used: number; free: number }> {
  const text = await out(login, `df -P${kind} ${where} | tail -1`);
  const [, size, used, free] = text.trim().split(/\s+/);
  return { size: Number(size), used: Number(used), free: Number(free) };
}

/** The loop devices that are behind it. */
async function devicesOf(file: string): Promise<string[]> {
  const { stdout } = await run('losetup', ['--noheadings', '--output', 'NAME', '-j', file]);
  return stdout
    .toString()
    .split(/\s+/)
    .filter((name) => name !== '');
}

async function attached(file: string): Promise<boolean> {
  return (await devicesOf(file)).length > 0;
}

async function supervisorOf(login: Login): Promise<number> {
  const sandbox = await login.host.sandboxOf(login.user);
  if (sandbox === undefined) throw new Error('there is no sandbox');
  return parentOf(sandbox.initPid);
}

const stop = async (login: Login) => await world().host.ctlOk('stop', login.user.name);
const used = (file: string): number => statSync(file).blocks * 512;

describe.skipIf(control)('disk = SIZE, held by an image', () => {
  it('df inside tells the limit, for / and the home alike; on the host the image takes what is in it', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '200M', inodes: '5000' });
    for (const where of ['/', '~']) {
      const { size, free } = await df(login, where);
      expect(size).toBeLessThanOrEqual(200 * 1024);
      expect(size).toBeGreaterThan(170 * 1024);
      expect(free).toBeGreaterThan(170 * 1024);
      const inodes = await df(login, where, 'i');
      expect(inodes.size).toBeGreaterThan(4700);
      expect(inodes.size).toBeLessThan(5300);
    }
    expect(statSync(imageOf(login)).size).toBe(200 * MiB);
    expect(used(imageOf(login))).toBeLessThan(16 * MiB);
    // Mounted, and nowhere to be seen.
    const [device = ''] = await devicesOf(imageOf(login));
    expect(device).toMatch(/^\/dev\/loop\d+$/);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(world().host.stateFolder);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(` ${device} `);
  });

  it('is full at the limit: the kernel says so, layer and home share it, and logins go on', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '64M' });
    expect(await out(login, 'echo before > ~/kept; echo mine > /var/tmp/mine; cat /var/tmp/mine')).toBe(
      'mine\n',
    );
    const filled = await login.ssh(
      'head -c 40M /dev/zero > /var/tmp/layer; head -c 200M /dev/zero > ~/home; echo "status $?"; ls -s ~/home',
    );
    expect(filled.stderr.toString(), describeFinished(filled)).toMatch(
      /No space left on device|Disk quota exceeded/,
    );
    expect(filled.stdout.toString()).toMatch(/^status 1\n/);
    // To the last block.
    await login.ssh(
      'for size in 65536 4096 1; do dd if=/dev/zero of=$HOME/f$size bs=$size 2>/dev/null; done',
    );
    expect((await df(login, '~')).free).toBe(0);
    const more = await login.ssh('head -c 8192 /dev/zero > /var/tmp/more; echo "status $?"');
    expect(more.stdout.toString()).toBe('status 1\n');

    expect(await out(login, 'cat ~/kept')).toBe('before\n');
    await using terminal = login.terminal();
    terminal.send('echo at-$((6 * 7))\r');
    await terminal.expect(/at-42/);
    terminal.send('exit\r');
    await terminal.exited();
    // Cold, too: whatever a start makes has room.
    for (let round = 0; round < 3; round += 1) {
      await stop(login);
      expect(await out(login, 'cat ~/kept /var/tmp/mine')).toBe('before\nmine\n');
      expect((await login.ssh('touch /var/tmp/written && rm /var/tmp/written')).code).toBe(0);
    }
    const target = join(world().host.folder, `copied-${login.user.name}`);
    const copied = await login.script('scp -q -F $SSH_CONFIG "$HOST:kept" "$1"', [target]);
    expect(copied.code, describeFinished(copied)).toBe(0);
    expect(readFileSync(target, 'utf8')).toBe('before\n');
    // Deleting works, and then there is room again.
    expect(
      await out(login, 'rm ~/home ~/f*; sync; head -c 10M /dev/zero > ~/again; wc -c < ~/again'),
    ).toMatch(/^10485760/);
  });

  it('gives freed space back to the host', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '256M' });
    await out(login, 'head -c 150M /dev/urandom > ~/big; sync ~/big');
    await waitUntil(() => used(imageOf(login)) > 140 * MiB, 'the image to grow', 10_000);
    await out(login, 'rm ~/big; sync');
    await waitUntil(
      async () => {
        await login.ssh('sync');
        return used(imageOf(login)) < 40 * MiB;
      },
      'the image to shrink',
      30_000,
    );
  });

  it('more files than inodes allows are not to be had', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '100M', inodes: '2000' });
    const result = await login.ssh(
      `mkdir ~/many && cd ~/many && perl -e 'for (1 .. 5000) { open(my $f, ">", $_) or die "$_: $!\\n" }'`,
    );
    expect(result.stderr.toString(), describeFinished(result)).toMatch(/^\d+: No space left on device/);
    const made = Number(/^\d+/.exec(result.stderr.toString())?.[0]);
    expect(made).toBeGreaterThan(1800);
    expect(made).toBeLessThan(2150);
    await stop(login);
    expect((await login.ssh('rm -r ~/many; touch ~/one')).code).toBe(0);
  });

  it('what was there before comes along when a limit is set, changed and taken away', async () => {
    const login = await world().addLogin('shell');
    await edit(login, {});
    await out(
      login,
      `echo kept > ~/kept; ln ~/kept ~/linked; ln -s kept ~/soft; mkfifo ~/pipe; chmod 4755 ~/kept
      echo changed > /var/tmp/mine; head -c 20M /dev/urandom > ~/random; touch -d 2020-01-02 ~/old`,
    );
    const look = `cd; stat -c '%n %a %h %Y %F' kept linked soft pipe old; readlink soft; sha256sum random; cat kept /var/tmp/mine`;
    const before = await out(login, look);
    expect(existsSync(imageOf(login))).toBe(false);
    const snapshot = await world().host.ctl('snapshot', login.user.name, 'one');
    expect(snapshot.code, describeFinished(snapshot)).toBe(0);

    for (const [settings, size] of [
      [{ disk: '128M' }, 128],
      [{ disk: '200M' }, 200],
      [{ disk: '96M', inodes: '3000' }, 96],
      [{}, undefined],
      [{ disk: '100M' }, 100],
    ] as const) {
      await edit(login, settings);
      await stop(login);
      expect(await out(login, look)).toBe(before);
      expect(existsSync(imageOf(login)) ? statSync(imageOf(login)).size / MiB : undefined).toBe(size);
      const folder = join(world().host.stateFolder, 'users', String(login.user.uid));
      expect(existsSync(join(folder, 'home'))).toBe(size === undefined);
      expect(existsSync(join(folder, 'disk.img.new'))).toBe(false);
      const shown = JSON.stringify(await world().host.ctlOk('snapshot', login.user.name, '--ls'));
      expect(shown).toContain('"one"');
    }
    await edit(login, { disk: '100M' });
    expect((await world().host.ctl('rollback', login.user.name, 'one', '--yes')).code).toBe(0);
    expect(await out(login, look)).toBe(before);
  });

  it('less than there is on it is not made of it, and the login goes on', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '128M' });
    await out(login, 'head -c 80M /dev/urandom > ~/big');
    await edit(login, { disk: '48M' });
    await stop(login);
    expect(await out(login, 'wc -c < ~/big')).toMatch(/^83886080/);
    expect(statSync(imageOf(login)).size).toBe(128 * MiB);
    await out(login, 'rm ~/big');
    await stop(login);
    await out(login, 'true');
    expect(statSync(imageOf(login)).size).toBe(48 * MiB);
  });

  it('survives a killed daemon, a killed supervisor, and both', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '64M' });
    await out(login, 'echo 1 > ~/count');
    await using session = login.start('cat');
    session.process.stdin?.write('hello\n');
    await session.waitForOutput('hello');
    await world().host.killDaemon('SIGKILL');
    await world().host.startDaemon();
    session.process.stdin?.write('again\n');
    await session.waitForOutput('again');
    // What belongs to the disk works with the daemon that found it: by its own loop device, and no second one.
    expect((await world().host.ctl('snapshot', login.user.name, 'alive')).code).toBe(0);
    const { stdout } = await run('losetup', ['-j', imageOf(login)]);
    expect(stdout.toString().trim().split('\n')).toHaveLength(1);
    process.kill(await supervisorOf(login), 'SIGKILL');
    expect((await session.finished()).code).toBe(125);
    expect(await out(login, 'cat ~/count')).toBe('1\n');
    const supervisor = await supervisorOf(login);
    await world().host.killDaemon('SIGKILL');
    process.kill(supervisor, 'SIGKILL');
    await waitUntil(async () => !(await attached(imageOf(login))), 'the loop device to go', 20_000);
    await world().host.startDaemon();
    expect(await out(login, 'cat ~/count')).toBe('1\n');
    await stop(login);
    await waitUntil(async () => !(await attached(imageOf(login))), 'the loop device to go', 20_000);
  });

  it('a damaged one is refused with a reason, and mended as the log says', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '300M' });
    await out(login, 'echo kept > ~/kept');
    await stop(login);
    const file = imageOf(login);
    await waitUntil(async () => !(await attached(file)), 'the loop device to go', 20_000);
    await run('dd', ['if=/dev/zero', `of=${file}`, 'bs=4096', 'count=1', 'conv=notrunc']);
    const refused = await login.ssh('echo in');
    expect(refused.code).toBe(125);
    expect(refused.stdout.length).toBe(0);
    expect(refused.stderr.toString()).toMatch(/disk of this sandbox is damaged[\s\S]*E_DISK_BROKEN/);
    expect(refused.stderr.toString()).not.toContain(world().host.folder);
    expect(JSON.stringify(world().host.logRecords())).toContain(`e2fsck -f ${file}`);
    await run('e2fsck', ['-fy', file]);
    expect(await out(login, 'cat ~/kept')).toBe('kept\n');
  });

  it('a daemon that is killed while it moves everything loses nothing', async () => {
    const login = await world().addLogin('shell');
    await edit(login, {});
    const look = 'cd; sha256sum [0-9]*; cat /var/tmp/mine';
    const before = await out(
      login,
      `echo mine > /var/tmp/mine; for n in 1 2 3 4 5; do head -c 4M /dev/urandom > ~/$n; done; ${look}`,
    );
    const limits = ['none', '64M', '96M', '48M'];
    for (let round = 0; round < 12; round += 1) {
      await edit(login, { disk: limits[round % limits.length] ?? 'none' });
      await stop(login);
      await using starting = login.start('true');
      await delay(100 + Math.random() * 150);
      await world().host.killDaemon('SIGKILL');
      await world().host.startDaemon();
      await starting.finished();
      expect(await out(login, look), `round ${round}`).toBe(before);
      const left = readdirSync(join(imageOf(login), '..')).filter((name) => /new|out/.test(name));
      expect(left).toEqual([]);
    }
  });

  it('stats, policy diff and explain show it', async () => {
    const login = await world().addLogin('shell');
    await edit(login, { disk: '64M', inodes: '4000' });
    await using session = login.start('head -c 20M /dev/urandom > ~/big; sync; echo in; cat');
    await session.waitForOutput('in');
    const stats = (await world().host.ctlOk('stats')) as {
      sandboxes: {
        user: string;
        disk: { bytes: number; limitBytes: number; inodes: number; inodesLimit: number };
      }[];
    };
    const disk = stats.sandboxes.find(({ user }) => user === login.user.name)?.disk;
    expect(disk?.bytes).toBeGreaterThan(20 * MiB);
    expect(disk?.limitBytes).toBeGreaterThan(50 * MiB);
    expect(disk?.limitBytes).toBeLessThanOrEqual(64 * MiB);
    expect(disk?.inodes).toBeGreaterThan(20);
    const explained = JSON.stringify(await world().host.ctlOk('policy', 'explain', login.user.name));
    expect(explained).toMatch(/"key":"disk","value":"64M"/);
    await edit(login, { disk: '40M', inodes: '4000' });
    await waitUntil(
      async () => JSON.stringify(await world().host.ctlOk('policy', 'diff', login.user.name)).includes('40M'),
      'the edit to be seen',
    );
    expect(await world().host.ctlOk('policy', 'diff', login.user.name)).toEqual({
      user: login.user.name,
      changes: [{ key: 'disk', running: '64M', policy: '40M', applies: 'now' }],
    });
  });
});
