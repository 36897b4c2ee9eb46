// root = yes: whoever is root inside is that inside, and nobody anywhere else.

import { chmod, chown, lstat, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importDebian, lacksDebian } from '../../fixtures/images/debian-image.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const skip = control || lacksDebian();
const quick = { stop_grace: '0', linger: '1h' };

let data = '';
let free: Login;
let bound: Login;
beforeAll(async () => {
  if (skip) return;
  data = await mkdtemp('/srv/dockersh-test-');
  await chmod(data, 0o755);
  await mkdir(join(data, 'share'));
  await writeFile(join(data, 'share/secret'), 'secret\n', { mode: 0o600 });
  const image = await importDebian(world().host);
  free = world().login('shell');
  bound = await world().addLogin('shell');
  await chown(join(data, 'share'), free.user.uid, 0);
  const settings = { root: 'yes', pids: 200, cpuset: 'none', mounts: `${data}/share:/share:rw` };
  await world().host.setPolicy({
    defaults: { image, ...quick },
    users: { [free.user.name]: settings },
  });
}, 1_200_000);
afterAll(async () => {
  if (data !== '') await rm(data, { recursive: true, force: true });
});

// A package whose files get several owners, a setuid program, a user of its own, and a hard link.
const makePackage = `
set -e; rm -rf ~/p ~/p.deb; mkdir -p ~/p/DEBIAN ~/p/usr/lib/dsh-pkg; cd ~/p
printf 'Package: dsh-pkg\\nVersion: 1\\nArchitecture: all\\nMaintainer: t <t@example.org>\\nDescription: t\\n' > DEBIAN/control
cat > DEBIAN/postinst <<'END'
#!/bin/sh
set -e
useradd --system --no-create-home dshsvc
for id in 1 33 1234 65533; do echo $id > /usr/lib/dsh-pkg/$id; chown $id:$id /usr/lib/dsh-pkg/$id; done
chown dshsvc: /usr/lib/dsh-pkg/own
cp /usr/bin/id /usr/lib/dsh-pkg/id33; chown 33:33 /usr/lib/dsh-pkg/id33; chmod 4755 /usr/lib/dsh-pkg/id33
END
chmod 755 DEBIAN/postinst; echo own > usr/lib/dsh-pkg/own; ln usr/lib/dsh-pkg/own usr/lib/dsh-pkg/link
dpkg-deb --root-owner-group --build ~/p ~/p.deb >/dev/null`;

describe.skipIf(skip)('root inside', () => {
  it('comes by sudo, and installs software with files of several owners, which stay', async () => {
    const login = free;
    const result = await login.ssh(
      `${makePackage}; id -u; sudo -n id -u; sudo -n apt-get install -y -o Debug::NoLocking=0 ~/p.deb >~/log 2>&1 || cat ~/log; stat -c '%u %g' /usr/lib/dsh-pkg/[0-9]*; stat -c %U /usr/lib/dsh-pkg/own; /usr/lib/dsh-pkg/id33 -u`,
      { timeoutMs: 100_000 },
    );
    const { uid } = login.user;
    const owners = '1 1\n1234 1234\n33 33\n65533 65533\n';
    expect(result.stdout.toString(), describeFinished(result)).toBe(`${uid}\n0\n${owners}dshsvc\n33\n`);
    await world().host.ctlOk('stop', login.user.name);
    const again = await login.ssh(
      'dpkg-query -W dsh-pkg; sudo -n -u dshsvc id -un; sudo -n dpkg --purge dsh-pkg >/dev/null 2>&1; ls /usr/lib/dsh-pkg/own 2>&1; sudo -n userdel dshsvc',
    );
    expect(again.stdout.toString(), describeFinished(again)).toMatch(/^dsh-pkg\t1\ndshsvc\nls: cannot/);
  });

  it('is nobody on the host: what it makes setuid belongs to an id of this user alone', async () => {
    const login = free;
    expect((await login.ssh('sudo -n sh -c "cp /bin/sh /opt/sh; chmod 6755 /opt/sh"')).code).toBe(0);
    const { host } = world();
    const made = await lstat(join(host.stateFolder, 'users', String(login.user.uid), 'layer/upper/opt/sh'));
    expect(made.uid).toBeGreaterThanOrEqual(0x8000_0000);
    expect(made.gid).toBeGreaterThanOrEqual(0x8000_0000);
    expect((await login.ssh('/opt/sh -p -c "id -u"')).stdout.toString()).toBe('0\n');
    // Not in the home, which is on the host as well, nor in what is shared.
    const elsewhere = await login.ssh(
      'for at in ~ /share /tmp /dev/shm /run; do sudo -n cp -p /opt/sh $at/rootsh 2>/dev/null && sudo -n chmod 6755 $at/rootsh && $at/rootsh -p -c "id -u"; done; true',
    );
    const { uid } = login.user;
    expect(elsewhere.stdout.toString().replaceAll(`${uid}\n`, ''), describeFinished(elsewhere)).toBe('');
  });

  it('has the capabilities that installing takes, and the filter', async () => {
    const result = await free.ssh(
      "sudo -n grep -E '^(CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status | tr -s '\\t' ' '; grep -E '^(CapEff|CapPrm|CapInh|CapAmb):' /proc/self/status | tr -s '\\t' ' '; grep -E '^(CapBnd|NoNewPrivs):' /proc/1/status | tr -s '\\t' ' '",
    );
    const roots = '00000000800005fb';
    expect(result.stdout.toString().trim().split('\n'), describeFinished(result)).toEqual([
      `CapEff: ${roots}`,
      `CapBnd: ${roots}`,
      'NoNewPrivs: 0',
      'Seccomp: 2',
      'CapInh: 0000000000000000',
      'CapPrm: 0000000000000000',
      'CapEff: 0000000000000000',
      'CapAmb: 0000000000000000',
      'CapBnd: 0000000000000000',
      'NoNewPrivs: 1',
    ]);
  });

  // Each must fail, as root inside.
  const attempts: Record<string, string> = {
    'mount a tmpfs': 'mount -t tmpfs none /mnt',
    'bind a folder': 'mount --bind /tmp /mnt',
    'make a mount writable': 'mount -o remount,rw /sys || mount -o remount,suid /home',
    'unmount anything': 'umount -l /proc || umount -l /dev/pts || umount -l ~',
    'make a user namespace': 'unshare -U true',
    'make a mount namespace': 'unshare -m true',
    'enter namespaces': 'nsenter -t 1 -m true',
    chroot: 'chroot / true',
    'make a device': 'mknod /opt/null c 1 3 || mknod /dev/mem2 c 1 1 || mknod /opt/disk b 254 0',
    'change the host name': 'hostname pwned || echo pwned > /proc/sys/kernel/hostname',
    'add an address': 'ip address add 10.0.0.1/8 dev lo',
    'make an interface': 'ip link add x type dummy',
    'open a raw socket': `perl -e 'socket(S, 2, 3, 1) or exit 1'`,
    'write to /proc/sys': 'echo x > /proc/sys/kernel/core_pattern',
    'allow itself namespaces': 'echo 1 > /proc/sys/user/max_user_namespaces',
    'trigger sysrq': 'echo h > /proc/sysrq-trigger',
    'write to /sys': 'echo 1 > /sys/kernel/profiling || echo mem > /sys/power/state',
    'read the kernel log': 'dmesg',
    'read kernel memory': 'head -c 1 /proc/kcore',
    'read the memory of init': 'head -c 1 /proc/1/mem',
    'read the environment of init': 'cat /proc/1/environ',
    'follow the root of init': 'ls /proc/1/root/',
    'kill init': 'kill -KILL 1; sleep 0.2; kill -0 $PPID && exit 1',
    'raise a hard limit': 'bash -c "ulimit -Hn $(( $(ulimit -Hn) + 1 ))"',
    'lower the nice value': 'renice -n -5 $$',
    'make itself safe from the memory killer': 'bash -c "echo -1000 > /proc/self/oom_score_adj"',
    'load a module': 'perl -e \'exit(syscall(175, 0, 0, "") == 0 ? 0 : 1)\'',
    'use somebody else’s file in a shared folder':
      'cat /share/secret || chown 0 /share/secret || chmod 644 /share/secret',
    'own the shared folder': 'chown 0:0 /share',
    'become an id that is not the sandbox’s': `perl -e '$> = 70000; exit($> == 70000 ? 0 : 1)'`,
    'set the clock': 'date -s 2020-01-01',
    'make a control group': 'mkdir /sys/fs/cgroup/x',
  };
  it('cannot do what would change more than the sandbox’s files', async () => {
    const login = free;
    const tries = Object.entries(attempts).map(
      ([name, command]) => `( ${command} ) >/dev/null 2>&1 </dev/null && echo ${quote(`can ${name}`)}`,
    );
    const script = [...tries, 'echo tried all'].join('\n');
    const result = await login.ssh(`sudo -n bash -c ${quote(script)}`, { timeoutMs: 60_000 });
    expect(result.stdout.toString(), describeFinished(result)).toBe('tried all\n');
  });

  it('cannot end the sandbox by a signal to its PID 1, however it is sent', async () => {
    const login = free;
    expect((await login.ssh('true')).code).toBe(0);
    const before = await world().host.sandboxOf(login.user);
    // As often as they can be sent, and with forged senders: rt_sigqueueinfo(2), SI_QUEUE from pid 0.
    const forge = [1, 2, 10, 15, 34]
      .map((number) => `syscall(129, 1, ${number}, pack("iiiiiix104", ${number}, 0, -1, 0, 0, 0));`)
      .join('');
    const script = `for s in $(seq 64); do [ $s = 17 ] || kill -$s 1; done 2>/dev/null; perl -e ${quote(`for (1 .. 300) { ${forge} }`)}`;
    const result = await login.ssh(`sudo -n bash -c ${quote(script)}; echo sent`);
    expect(result.stdout.toString(), describeFinished(result)).toBe('sent\n');
    await sleep(500); // now it would be alone
    expect((await world().host.sandboxOf(login.user))?.initPid).toBe(before?.initPid);
  });

  it.skipIf(unlimited)('is still bound by the limits of the sandbox', async () => {
    const login = free;
    const forks =
      'for (1 .. 400) { my $p = fork; last unless defined $p; sleep 20, exit unless $p; push @p, $p } kill 9, @p; print scalar @p';
    const bomb = await login.ssh(`sudo -n perl -e ${quote(forks)}`);
    expect(Number(bomb.stdout.toString()), describeFinished(bomb)).toBeGreaterThan(100);
    expect(Number(bomb.stdout.toString()), describeFinished(bomb)).toBeLessThan(200);
    expect((await login.ssh('true')).code).toBe(0);
  });

  it('is there for nobody else: setuid programs have no effect with root = no', async () => {
    const login = bound;
    const { uid } = login.user;
    const result = await login.ssh(
      'sudo -n id -u; find / -xdev -perm -4000 -type f 2>/dev/null | grep -c .; cp /bin/bash ~/b; chmod 6755 ~/b; ~/b -p -c "id -u"; grep NoNewPrivs /proc/self/status; ls /etc/sudoers.d/dockersh; grep -c "^[^ ]* [^ ]* [^ ]* [^ ]* / .*nosuid" /proc/self/mountinfo',
    );
    expect(result.stdout.toString(), describeFinished(result)).toMatch(
      new RegExp(`^\\d+\\n${uid}\\nNoNewPrivs:\\t1\\n1\\n$`),
    );
    expect(result.stderr.toString()).toMatch(/no new privileges|setuid/);
  });
});
