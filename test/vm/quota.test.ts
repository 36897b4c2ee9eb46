// Disk limits by quotas of projects, on ext4 and xfs, and by images that grow: with a kernel that knows quotas, and a root
// that may do everything.

import { truncate, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFinished, type Finished, runOk, waitUntil } from '../fixtures/process.ts';
import { quote } from '../fixtures/shell-text.ts';
import { Machine } from './machine.ts';
import { environment, suites, usersScript } from './remote.ts';

const patience = { timeoutMs: 240_000 };
const users = ['ada', 'bob', 'cleo', 'dora', 'eve', 'finn'];
const wanted = (process.env['DOCKERSH_VM_KERNELS'] ?? 'trixie').split(' ');

/** To the last block, in the layer and at home; then what is free. */
const fill = `head -c 20M /dev/zero >/var/tmp/layer; head -c 100M /dev/zero >~/big; echo "status $?"
for size in 65536 4096; do for at in ~ /var/tmp; do dd if=/dev/zero of=$at/f$size bs=$size 2>/dev/null; done; done
df -Pk / ~ | awk 'NR > 1 { print "free", $4, "of", $2 }'`;

/** Every way in which a user could take files out of the quota, or give themselves another. */
const attack = String.raw`
my ($get, $set) = (0x801c581f, 0x401c5820);           # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
my ($get_flags, $set_flags) = (0x80086601, 0x40086602); # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
sub attributes { my $all = "\0" x 28; ioctl($_[0], $get, $all) or die "$!"; unpack "L5 a8", $all }
sub answer { print $_[0] ? "done\n" : "$!\n" }
for my $place ($ENV{HOME}, "/var/tmp") {
    my $folder = "$place/attack$$";
    mkdir $folder;
    open my $new, ">", "$folder/file" or die "$folder $!";
    print $new "x";
    close $new;
    for my $path ($place, $folder, "$folder/file") {
        open my $fd, "<", $path or die "$path $!";
        my @before = attributes($fd);
        for my $change ([3, 0], [3, 5], [0, $before[0] ^ 0x200]) {
            my @wanted = @before;
            $wanted[$$change[0]] = $$change[1];
            answer(ioctl($fd, $set, my $all = pack("L5 a8", @wanted)));
        }
        my $flags = "\0" x 8;
        ioctl($fd, $get_flags, $flags) or die "$!";
        answer(ioctl($fd, $set_flags, my $other = pack("q", unpack("q", $flags) ^ 0x20000000)));
        my $limits = "\0" x 200;
        answer(0 == syscall(443, fileno($fd), 0x80000802, $before[3], $limits)); # quotactl_fd(Q_SETQUOTA, PRJQUOTA)
        print "id kept\n" if $before[3] != 0 && (attributes($fd))[3] == $before[3];
    }
}`;
const refusals = /^(?:Invalid argument|Operation not permitted|Function not implemented)$/gm;

/** Prints a number once it is as wanted, or as it is after a minute. */
const becomes = (number: string, wanted: string): string =>
  `for i in $(seq 120); do n=$(${number}); [ $n ${wanted} ] && break; sleep .5; done; echo $n`;

/** As many files as there may be, and one more. */
const manyFiles = `mkdir ~/n && cd ~/n && perl -e 'for (1 .. 4000) { open(my $f, ">", $_) or die "$_ $!\\n" }'`;

/** An image in which a user can become root: by a setuid setpriv. busybox has one of that name. */
const makeDiskImage = `mkdir -p /root/base/{bin,etc,tmp,proc,dev,home,var/tmp}; chmod 1777 /root/base/var/tmp
  cp /bin/busybox /usr/bin/perl /root/base/bin/; install -m 4755 /usr/bin/setpriv /root/base/bin/become
  for name in sh head df awk unshare chmod chown mkdir rm stat; do ln -s busybox /root/base/bin/$name; done
  cp -L --parents $(ldd /usr/bin/perl /usr/bin/setpriv | grep -o '/lib[^ ]*' | sort -u) /root/base
  dockershctl image import lab/root:1 /root/base; rm -r /root/base`;
const becomeRoot = 'become --reuid 0 --regid 0 --clear-groups';
/** Ways to be as much of a root as there is inside. */
const roots = [becomeRoot, 'unshare -Urm', `${becomeRoot} unshare -Urm`];

/** The machine has no programs to make it. */
async function makeXfs(file: string): Promise<void> {
  await writeFile(file, '');
  await truncate(file, 512 * 1024 ** 2);
  await runOk('mkfs.xfs', ['-q', file], { env: environment });
}

describe.each(suites.filter((suite) => wanted.includes(suite)))('quotas on Debian %s', (suite) => {
  let machine: Machine;
  const root = async (command: string): Promise<string> => await machine.sshOk('root', command, patience);
  const ssh = async (user: string, command: string): Promise<Finished> =>
    await machine.ssh(user, command, patience);
  const out = async (user: string, command: string): Promise<string> =>
    await machine.sshOk(user, command, patience);
  const limit = async (user: string, lines: string): Promise<void> => {
    await root(`printf '[user:${user}]\n${lines}\n' >/etc/dockersh/conf.d/${user}.ini`);
    const settings = lines.split('\n').map((line) => line.split(' = '));
    const isRead = async (): Promise<boolean> => {
      const { keys } = JSON.parse(await root(`dockershctl --json policy explain ${user}`)) as {
        keys: { key: string; value: string }[];
      };
      return settings.every(([name, text]) => keys.find(({ key }) => key === name)?.value === text);
    };
    await waitUntil(isRead, `the policy for ${user}`, 60_000);
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
    // A service manager for each user who logs in is not what is tested, and takes most of the time of a login.
    const script = `${usersScript(users)}\n${enable}\nsystemctl mask user@.service`;
    machine = await Machine.start(suite, script, makeXfs);
  }, 900_000);
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
      const made = await ssh(user, manyFiles);
      expect(made.stderr.toString(), describeFinished(made)).toMatch(full);
      expect(Number(/^\d+/.exec(made.stderr.toString())?.[0])).toBeLessThan(2001);
      await stop(user);
      expect(await out(user, 'rm -r ~/n && echo gone')).toBe('gone\n');
    }, 300_000);

    it('a user gets no file out of it', async () => {
      const tried = await out(user, `perl -e ${quote(attack)}`);
      expect(tried.match(refusals), tried).toHaveLength(30);
      expect(tried.match(/^id kept$/gm), tried).toHaveLength(6);
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
        expect(await out(user, becomes(size, `-eq ${kib}`))).toBe(`${kib}\n`);
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
    }, 900_000);

    it('hold for what is imported from an archive, and it is refused where it does not fit', async () => {
      await limit('cleo', 'disk = 64M\ninodes = 2000');
      await out('cleo', 'head -c 40M /dev/urandom >~/big; echo x >/var/tmp/x; sync');
      const before = (await used('cleo'))?.bytes ?? 0;
      const forget = 'dockershctl user forget cleo --force --yes';
      await root(
        `dockershctl user export cleo /root/cleo.tar; ${forget}; dockershctl user import /root/cleo.tar`,
      );
      expect(await out('cleo', 'wc -c <~/big; cat /var/tmp/x')).toBe(`${40 * 1024 ** 2}\nx\n`);
      expect(Math.abs(((await used('cleo'))?.bytes ?? 0) - before)).toBeLessThan(1024 ** 2);
      expect((await ssh('cleo', 'head -c 60M /dev/zero >~/more')).stderr.toString()).toMatch(
        /quota exceeded/,
      );
      await out('cleo', 'rm ~/more');
      await root(forget);
      await limit('cleo', 'disk = 32M');
      const refused = await machine.ssh('root', 'dockershctl user import /root/cleo.tar', patience);
      expect(refused.stderr.toString(), describeFinished(refused)).toMatch(/does not fit/);
      expect(await out('cleo', 'ls ~')).toBe('');
    }, 600_000);
  });

  describe('of projects, where users are root inside and may nest', () => {
    it('hold for every root there is, whatever it does', async () => {
      await root(makeDiskImage);
      await limit('eve', 'image = lab/root:1\nroot = yes\nnesting = yes\ndisk = 64M\ninodes = 2000');
      const tried = await out(
        'eve',
        ['chmod 777 ~', ...roots.map((as) => `${as} perl -e ${quote(attack)}`)].join('\n'),
      );
      expect(tried.match(refusals), tried).toHaveLength(30 * roots.length);
      expect(tried.match(/^id kept$/gm), tried).toHaveLength(6 * roots.length);
      // What is given away to another id inside counts as before, and root has no room of its own.
      const give = `head -c 20m /dev/zero >/var/tmp/given; chown 33:33 /var/tmp/given; head -c 5m /dev/zero >$HOME/given; chown 1234:65533 $HOME/given`;
      const full = await ssh(
        'eve',
        `${becomeRoot} sh -c ${quote(give)}; stat -c '%u %g' /var/tmp/given ~/given
        df -Pk / ~ | awk 'NR > 1 { print $2, ($3 > 25600) }'
        ${roots.map((as, index) => `${as} sh -c ${quote(`head -c 100m /dev/zero >/var/tmp/fill${index} || echo full`)}`).join('\n')}
        ${becomeRoot} sh -c ${quote('rm /var/tmp/given /var/tmp/fill*')}; ${becomeRoot} sh -c ${quote(manyFiles)}`,
      );
      expect(full.stdout.toString(), describeFinished(full)).toBe(
        `33 33\n1234 65533\n65536 1\n65536 1\n${'full\n'.repeat(roots.length)}`,
      );
      const said = full.stderr.toString(); // busybox's head has no reason to give
      expect(Number(/^(\d+) Disk quota exceeded$/m.exec(said)?.[1]), said).toBeLessThan(2001);
      await stop('eve');
      expect(await out('eve', `echo in; ${becomeRoot} rm -r ~/n && echo gone`)).toBe('in\ngone\n');
    }, 600_000);
  });

  const withXfs = async (): Promise<void> => {
    await root('mkdir -p /srv/homes; mountpoint -q /srv/homes || mount -o prjquota /dev/vdb /srv/homes');
  };

  describe('of projects, with homes on another file system', () => {
    beforeAll(withXfs, 300_000);

    it('hold on each of them by itself; at 100 % of the home a login works', async () => {
      await limit('finn', 'disk = 64M\ninodes = 2000\nhome_root = /srv/homes');
      const filled = await ssh(
        'finn',
        `head -c 100M /dev/zero >~/big; echo "status $?"; for size in 65536 4096; do dd if=/dev/zero of=$HOME/f$size bs=$size 2>/dev/null; done
        df -Pk ~ | awk 'NR > 1 { print "free", $4, "of", $2 }'; head -c 40M /dev/zero >/var/tmp/layer; echo "status $?"
        df -Pk / | awk 'NR > 1 { print $2, ($3 > 40960), ($3 < 49152) }'; head -c 40M /dev/zero >/var/tmp/more; echo "status $?"`,
      );
      expect(filled.stdout.toString(), describeFinished(filled)).toBe(
        'status 1\nfree 0 of 65536\nstatus 0\n65536 1 1\nstatus 1\n',
      );
      expect(filled.stderr.toString()).toMatch(/No space left on device|quota exceeded/);
      await stop('finn');
      expect(
        await out('finn', 'rm ~/big /var/tmp/more; sync; head -c 10M /dev/zero >~/again; wc -c <~/again'),
      ).toBe('10485760\n');
    }, 300_000);
  });

  describe('of projects on xfs', () => {
    beforeAll(async () => {
      await withXfs();
      await root(`for user in ada bob eve finn; do dockershctl stop $user; done
        systemctl stop dockershd.socket dockershd-admin.socket dockershd.service
        mount --bind /srv/homes /var/lib/dockersh && chmod 700 /var/lib/dockersh
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
      expect(Number(await out('dora', becomes(size, '-gt 130000')))).toBeGreaterThan(130_000);
      expect(await out('dora', 'head -c 100M /dev/zero >~/big; wc -c <~/big; cat ~/kept')).toBe(
        '104857600\nkept\n',
      );
    }, 300_000);
  });
});
