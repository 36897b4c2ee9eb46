// Disk limits by quotas of projects, on ext4 and xfs, and by images that grow: with a kernel that knows quotas, and a root
// that may do everything.

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folderPrefix } from '../fixtures/leftovers.ts';
import { describeFinished, type Finished, runOk } from '../fixtures/process.ts';
import { Machine } from './machine.ts';
import { environment, suites, usersScript } from './remote.ts';

const patience = { timeoutMs: 240_000 };
const users = ['ada', 'bob', 'cleo', 'dora'];
const wanted = (process.env['DOCKERSH_VM_KERNELS'] ?? 'trixie').split(' ');

/** To the last block, in the layer and at home; then what is free. */
const fill = `head -c 20M /dev/zero >/var/tmp/layer; head -c 100M /dev/zero >~/big; echo "status $?"
for size in 65536 4096; do for at in ~ /var/tmp; do dd if=/dev/zero of=$at/f$size bs=$size 2>/dev/null; done; done
df -Pk / ~ | awk 'NR > 1 { print "free", $4, "of", $2 }'`;

/** Every way in which a user could take files out of the quota. */
const attack = String.raw`import errno, fcntl, os, struct, sys
GET, SET = 0x801c581f, 0x401c5820   # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602 # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
def attributes(fd): return list(struct.unpack('IIIII8s', fcntl.ioctl(fd, GET, bytes(28))))
def put(fd, values): fcntl.ioctl(fd, SET, struct.pack('IIIII8s', *values))
def attempt(what, fd):
    try: what(fd); print('done')
    except OSError as error: print(errno.errorcode[error.errno])
def other(id):
    def change(fd):
        values = attributes(fd); values[3] = id; put(fd, values)
    return change
def flag(fd):
    values = attributes(fd); values[0] ^= 0x200; put(fd, values)
def old_flag(fd):
    flags = struct.unpack('i', fcntl.ioctl(fd, GET_FLAGS, bytes(4)))[0]
    fcntl.ioctl(fd, SET_FLAGS, struct.pack('i', flags ^ 0x20000000))
for place in [os.path.expanduser('~'), '/var/tmp']:
    folder = os.path.join(place, 'attack'); os.makedirs(folder, exist_ok=True)
    file = os.path.join(folder, 'file'); open(file, 'w').write('x')
    for path in (place, folder, file):
        fd = os.open(path, os.O_RDONLY); before = attributes(fd)
        for way in (other(0), other(5), flag, old_flag): attempt(way, fd)
        print('id kept', attributes(fd)[3] == before[3] != 0)
`;

describe.each(suites.filter((suite) => wanted.includes(suite)))('quotas on Debian %s', (suite) => {
  let machine: Machine;
  const root = async (command: string): Promise<string> => await machine.sshOk('root', command, patience);
  const ssh = async (user: string, command: string): Promise<Finished> =>
    await machine.ssh(user, command, patience);
  const out = async (user: string, command: string): Promise<string> =>
    await machine.sshOk(user, command, patience);
  const limit = async (user: string, lines: string): Promise<void> => {
    await root(
      `printf '[user:${user}]\n${lines}\n' >/etc/dockersh/conf.d/${user}.ini; dockershctl policy check`,
    );
  };
  const stop = async (user: string): Promise<void> => void (await root(`dockershctl stop ${user}`));
  const used = async (user: string) => {
    const stats = JSON.parse(await root('dockershctl --json stats')) as {
      sandboxes: { user: string; disk: { bytes: number; limitBytes: number; inodes: number } | null }[];
    };
    return stats.sandboxes.find((one) => one.user === user)?.disk;
  };

  beforeAll(async () => {
    const enable = users.map((user) => `usermod --shell /usr/bin/dockersh ${user}`).join('\n');
    machine = await Machine.start(suite, `${usersScript(users)}\n${enable}`);
  }, 600_000);
  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
  }, 60_000);

  const onAnyFileSystem = (user: string, full: RegExp): void => {
    it('df inside tells the limit, and layer and home share it', async () => {
      await limit(user, 'disk = 64M\ninodes = 2000');
      const result = await ssh(user, fill);
      expect(result.stderr.toString(), describeFinished(result)).toMatch(full);
      expect(result.stdout.toString()).toBe('status 1\nfree 0 of 65536\nfree 0 of 65536\n');
    }, 300_000);

    it('at 100 % a login works, warm and cold, and deleting makes room', async () => {
      expect(await out(user, 'echo in')).toBe('in\n');
      for (let round = 0; round < 2; round += 1) {
        await stop(user);
        expect(await out(user, 'echo in; test -w /var/tmp && ls -s ~/big >/dev/null && echo fine')).toBe(
          'in\nfine\n',
        );
      }
      expect(await out(user, 'rm /var/tmp/layer; sync; head -c 10M /dev/zero >~/again; wc -c <~/again')).toBe(
        '10485760\n',
      );
      await out(user, 'rm -f ~/big ~/f* /var/tmp/f* ~/again');
      expect((await used(user))?.bytes).toBeLessThan(4 * 1024 ** 2);
    }, 300_000);

    it('more files than inodes allows are not to be had, and a login works', async () => {
      const made = await ssh(
        user,
        `mkdir ~/n && cd ~/n && perl -e 'for (1 .. 4000) { open(my $f, ">", $_) or die "$_ $!\\n" }'`,
      );
      expect(made.stderr.toString(), describeFinished(made)).toMatch(full);
      expect(Number(/^\d+/.exec(made.stderr.toString())?.[0])).toBeLessThan(2001);
      await stop(user);
      expect(await out(user, 'rm -r ~/n && echo gone')).toBe('gone\n');
    }, 300_000);

    it('a user gets no file out of it', async () => {
      const tried = await out(user, `python3 -c '${attack.replaceAll("'", `'"'"'`)}'`);
      const lines = tried.trim().split('\n');
      expect(lines.filter((line) => line === 'EINVAL' || line === 'EPERM')).toHaveLength(24);
      expect(lines.filter((line) => line === 'id kept True')).toHaveLength(6);
      // Holes are free until they are written to, and space that is asked for ahead of time is not to be had.
      const more = await ssh(
        user,
        'truncate -s 10G ~/hole && echo hole; fallocate -l 200M ~/ahead; rm -f ~/hole ~/ahead',
      );
      expect(more.stdout.toString()).toBe('hole\n');
      expect(more.stderr.toString()).toMatch(full);
    }, 300_000);

    it('changes at once in a sandbox that runs', async () => {
      const size = `df -Pk ~ | awk 'NR > 1 { print $2 }'`;
      for (const [text, kib] of [
        ['128M', 131_072],
        ['40M', 40_960],
      ]) {
        await limit(user, `disk = ${text}`);
        await root('sleep 2');
        expect(await out(user, size)).toBe(`${kib}\n`);
      }
      expect((await used(user))?.limitBytes).toBe(40 * 1024 ** 2);
    }, 300_000);
  };

  describe('of projects on ext4', () => {
    onAnyFileSystem('ada', /Disk quota exceeded/);

    it('count what was there before the limit: files, links and a home that was moved there', async () => {
      await root(`install -d -o bob -g bob /home/bob/sub && head -c 20M /dev/zero >/home/bob/sub/big
        ln -s sub/big /home/bob/link; mkfifo /home/bob/pipe; chown -Rh bob:bob /home/bob
        usermod --shell /bin/bash bob; dockershctl user enable bob --home private --files move 2>&1`);
      await out('bob', 'echo x >/var/tmp/x; ln -s x /var/tmp/y');
      expect(await used('bob')).toBeNull();
      await limit('bob', 'disk = 64M');
      await stop('bob');
      expect(
        await out(
          'bob',
          'readlink ~/link /var/tmp/y; ls -l ~/pipe | cut -c1; mv ~/link ~/linked; readlink ~/linked',
        ),
      ).toBe('sub/big\nx\np\nsub/big\n');
      expect((await used('bob'))?.bytes).toBeGreaterThan(20 * 1024 ** 2);
      expect((await ssh('bob', 'head -c 60M /dev/zero >~/more')).stderr.toString()).toMatch(/quota exceeded/);
      await out('bob', 'rm ~/more');
      // A snapshot is the user's as well; what does not fit changes nothing.
      await root('dockershctl snapshot bob small');
      await out('bob', 'head -c 30M /dev/zero >/var/tmp/large');
      expect((await machine.ssh('root', 'dockershctl snapshot bob large 2>&1', patience)).code).not.toBe(0);
      await root('dockershctl rollback bob small --yes');
      expect(await out('bob', 'ls /var/tmp')).toBe('x\ny\n');
      const before = (await used('bob'))?.bytes ?? 0;
      await out('bob', 'head -c 5M /dev/zero >/var/tmp/z; sync');
      expect(((await used('bob'))?.bytes ?? 0) - before).toBeGreaterThan(4 * 1024 ** 2);
      // Back on the host, nobody counts it any more.
      await root('dockershctl user disable bob 2>&1');
      expect(await root('lsattr -p /home/bob/sub/big')).toMatch(/^ *0 /);
    }, 600_000);
  });

  describe('of projects on xfs', () => {
    beforeAll(async () => {
      const folder = await mkdtemp(`${folderPrefix}xfs-`);
      try {
        const script = `truncate -s 512M ${folder}/x && mkfs.xfs -q ${folder}/x && gzip -1 ${folder}/x &&
          scp -q "$@" ${join(folder, 'x.gz')} root@guest:/root/x.gz`;
        const options = machine.sshOptions().map((each) => (each === '-p' ? '-P' : each));
        await runOk('bash', ['-c', script, 'scp', ...options], { env: environment, ...patience });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      await root(`for user in ada bob; do dockershctl stop $user; done
        gunzip /root/x.gz
        systemctl stop dockershd.socket dockershd-admin.socket dockershd.service
        mount -o loop,prjquota /root/x /var/lib/dockersh && chmod 700 /var/lib/dockersh
        systemctl start dockershd.socket dockershd-admin.socket dockershd.service`);
    }, 300_000);

    onAnyFileSystem('cleo', /No space left on device|Disk quota exceeded/);
  });

  describe('of images', () => {
    it('grow at once, while the sandbox runs', async () => {
      const size = `df -Pk / | awk 'NR > 1 { print $2 }'`;
      await limit('dora', 'disk = 64M\ndisk_backend = image');
      expect(Number(await out('dora', `echo kept >~/kept; ${size}`))).toBeLessThan(65_536);
      await limit('dora', 'disk = 150M\ndisk_backend = image');
      await root('sleep 3');
      expect(Number(await out('dora', size))).toBeGreaterThan(130_000);
      expect(await out('dora', 'head -c 100M /dev/zero >~/big; wc -c <~/big; cat ~/kept')).toBe(
        '104857600\nkept\n',
      );
    }, 300_000);

    it('survive a cut of the power', async () => {
      const writing = machine.startSsh(
        'dora',
        'while :; do date >>~/dates; cp ~/kept ~/kept2; mv ~/kept2 ~/kept; done',
      );
      await root('sleep 5; sync; sleep 3');
      await machine.cutPower();
      await writing.finished().catch(() => undefined);
      await machine.boot();
      await root(
        'mountpoint -q /var/lib/dockersh || { systemctl stop dockershd.socket dockershd-admin.socket dockershd.service; mount -o loop,prjquota /root/x /var/lib/dockersh; systemctl start dockershd.socket dockershd-admin.socket dockershd.service; }',
      );
      expect(await out('dora', 'cat ~/kept; wc -c <~/big')).toBe('kept\n104857600\n');
    }, 600_000);
  });
});
