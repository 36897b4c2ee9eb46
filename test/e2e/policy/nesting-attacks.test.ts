// Attacks of a user who may nest: on the limits, on the control groups, on what is mounted, on everybody else.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importDebian, lacksDebian } from '../../fixtures/images/debian-image.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { supervisorOf } from '../../fixtures/supervisor.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const skip = control || lacksDebian();

let data = '';
let login: Login;
let neighbour: Login;
beforeAll(async () => {
  if (skip) return;
  data = await mkdtemp('/srv/dockersh-test-');
  await chmod(data, 0o755);
  await mkdir(join(data, 'ro'));
  await writeFile(join(data, 'ro/file'), 'as it was\n', { mode: 0o666 });
  await chmod(join(data, 'ro'), 0o777);
  const image = await importDebian(world().host);
  login = await world().addLogin('shell');
  neighbour = world().login('shell');
  const free = { root: 'yes', nesting: 'yes', memory: '256M', pids: 100, mounts: `${data}/ro:/ro` };
  await world().host.setPolicy({
    defaults: { image, stop_grace: '0', linger: '1h' },
    users: { [login.user.name]: free },
  });
}, 1_200_000);
afterAll(async () => {
  if (data !== '') await rm(data, { recursive: true, force: true });
});

async function output(who: Login, command: string): Promise<string> {
  const result = await who.ssh(command, { timeoutMs: 60_000 });
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

/** Ways to be as much of a root as there is: the user's, in a namespace, in two of them, the sandbox's own. */
const roots: Record<string, string> = {
  user: 'bash -c',
  'root of a namespace': 'unshare -Urmpf --mount-proc bash -c',
  'root of a namespace in a namespace':
    'unshare -UrmCinpf --mount-proc unshare -UrmCinpf --mount-proc bash -c',
  'root of the sandbox': 'sudo -n bash -c',
  'root of a namespace of the sandbox’s root': 'sudo -n unshare -UrmCinpf --mount-proc bash -c',
};

const cgroup2 = 'mkdir -p /tmp/c2 && mount -t cgroup2 none /tmp/c2';
const v1 = (controller: string): string =>
  `mkdir -p /tmp/c1 && mount -t cgroup -o ${controller} none /tmp/c1`;
const attempts: Record<string, string> = {
  'raise the memory limit (v1)': `${v1('memory')} && echo -1 > /tmp/c1/memory.limit_in_bytes`,
  'raise the limit of processes (v1)': `${v1('pids')} && echo max > /tmp/c1/pids.max`,
  'make a control group of version 1': `${v1('memory')} && mkdir /tmp/c1/x`,
  'leave a control group of version 1': `${v1('memory')} && echo 0 > /tmp/c1/cgroup.procs`,
  'name a release agent': `${v1('memory')} && echo /bin/sh > /tmp/c1/release_agent`,
  'allow a device (v1)': `${v1('devices')} && echo a > /tmp/c1/devices.allow`,
  'thaw or freeze (v1)': `${v1('freezer')} && echo FROZEN > /tmp/c1/freezer.state`,
  'write a limit of the delegated root': `cd /sys/fs/cgroup; for f in memory.max memory.high memory.swap.max pids.max cpu.max io.max cgroup.max.descendants cgroup.max.depth; do [ -e $f ] && echo max > $f && exit 0; done; exit 1`,
  'write a limit by a mount of its own': `${cgroup2}; cd /tmp/c2; for f in memory.max pids.max cpu.max cgroup.max.descendants; do [ -e $f ] && echo max > $f && exit 0; done; exit 1`,
  'write a limit, or the controllers, of the group that logins begin in': `cd /sys/fs/cgroup/sessions; for f in *.max *.high *.weight cgroup.freeze cgroup.kill cgroup.type cgroup.subtree_control; do true >>$f && exit 0; done; exit 1`,
  'say which controllers it has': `true >>/sys/fs/cgroup/cgroup.subtree_control`,
  'make or remove groups in it': `cd /sys/fs/cgroup/sessions; mkdir x || rmdir kept`,
  'kill or freeze the delegated root': 'cd /sys/fs/cgroup; echo 1 > cgroup.kill || echo 1 > cgroup.freeze',
  'see a cgroup above': `${cgroup2}; ls -d /tmp/c2/u*-* /tmp/c2/inside /tmp/c2/../inside /sys/fs/cgroup/inside /sys/fs/cgroup/supervisors`,
  'write to a read-only mount': '! cat /ro/file; mount -o remount,bind,rw /ro; echo x > /ro/file',
  'write to it by another bind':
    'mount --bind /ro /mnt && mount -o remount,bind,rw /mnt && echo x > /mnt/file',
  'write to it by an overlay':
    'mkdir -p /tmp/o/{u,w,m}; mount -t overlay -o lowerdir=/ro,upperdir=/ro,workdir=/tmp/o/w none /tmp/o/m',
  'take nosuid off the home': `mount -o remount,bind,suid $HOME && grep " $HOME " /proc/self/mountinfo | grep -qv nosuid`,
  'take nodev off the home': `mount -o remount,bind,dev $HOME && grep " $HOME " /proc/self/mountinfo | grep -qv nodev`,
  'see what is below a mount': 'umount -l $HOME || umount -l /ro',
  'have more terminals': 'mount -o remount,max=1000 /dev/pts',
  'make a device that works': 'mount -t tmpfs none /mnt; mknod /mnt/n c 1 3 || mknod /mnt/disk b 254 0',
  'mount a disk': 'mount -t ext4 /dev/vda /mnt || mount -t ext4 /dev/loop0 /mnt || losetup -f',
  'mount a file system of the machine':
    'mount -t debugfs none /mnt || mount -t tracefs none /mnt || mount -t securityfs none /mnt || mount -t bpf none /mnt && echo x > /mnt/x',
  'write to /proc/sys': 'echo x > /proc/sys/kernel/core_pattern || echo 1 > /proc/sys/kernel/sysrq',
  'trigger sysrq': 'echo h > /proc/sysrq-trigger',
  'write to /sys':
    'mount -o remount,bind,rw /sys; echo 1 > /sys/kernel/profiling || echo mem > /sys/power/state',
  'load a module': `perl -e 'exit(syscall(175, 0, 0, "") == 0 ? 0 : 1)'`,
  'use keyrings': `perl -e 'exit(syscall(250, 1, 0) >= 0 ? 0 : 1)'`,
  'load a program into the kernel': `perl -e '$! = 0; syscall(321, 5, 0, 0); exit($! == 1 || $! == 38 ? 1 : 0)'`,
  'trace by perf': `perl -e '$! = 0; syscall(298, 0, 0, 0, 0, 0); exit($! == 1 || $! == 38 ? 1 : 0)'`,
  'use io_uring or userfaultfd': `perl -e '$! = 0; syscall(425, 1, 0); $a = $! + 0; syscall(323, 0); exit($a == 38 && $! == 38 ? 1 : 0)'`,
  'open by a handle': `perl -e '$! = 0; syscall(304, 0, 0, 0); exit($! == 1 ? 1 : 0)'`,
  'push keys into a terminal': `perl -e 'open(T, "<", "/dev/ptmx") or exit 1; exit(ioctl(T, 0x5412, "x") ? 0 : 1)'`,
  'open a kernel’s socket family': `perl -e 'socket(S, 38, 5, 0) or exit 1'`,
  'raise a hard limit': 'ulimit -Hn $(( $(ulimit -Hn) + 1 ))',
  'lower the nice value': 'renice -n -5 $$',
  'be spared by the memory killer': 'echo -1000 > /proc/self/oom_score_adj',
  'set the clock': 'date -s 2020-01-01',
};

/** Of a process inside, as the host sees it: lines of /proc/PID/cgroup. */
const cgroupsOf = (pid: number): string[] => readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');

function pidsOnHost(command: string): number[] {
  return globSync('/proc/[0-9]*/cmdline')
    .filter((file) => {
      try {
        return readFileSync(file, 'utf8').split('\0').join(' ').trim() === command;
      } catch {
        return false; // it has ended
      }
    })
    .map((file) => Number(file.split('/')[2]));
}

describe.skipIf(skip)('a user who may nest', () => {
  it.each(Object.entries(roots))('as %s, cannot get out', async (_name, root) => {
    const tries = [...Object.entries(attempts), ['be seen to succeed', 'true'] as const].map(
      ([name, command]) =>
        `${root} ${quote(`( ${command} ) >/dev/null 2>&1 </dev/null; echo $?`)} 2>/dev/null </dev/null | grep -qx 0 && echo ${quote(`can ${name}`)}`,
    );
    const ran = `${root} 'echo ran'`;
    expect(await output(login, [ran, ...tries, 'true'].join('\n'))).toBe('ran\ncan be seen to succeed\n');
    expect(readFileSync(join(data, 'ro/file'), 'utf8')).toBe('as it was\n');
  });

  it.skipIf(unlimited)('keeps to the memory limit in every namespace', async () => {
    const hungry = `perl -e '$x = "x" x 600e6; print "survived"'`;
    for (const root of Object.values(roots)) {
      const result = await login.ssh(`${root} ${quote(`${hungry}; true`)}; true`, { timeoutMs: 60_000 });
      expect(result.stdout.toString(), describeFinished(result)).toBe('');
    }
    expect((await login.ssh('true')).code).toBe(0);
  });

  it('stays in the sandbox’s control groups, wherever it moves its processes', async () => {
    const place = 'mkdir -p /sys/fs/cgroup/a/b; echo $$ > /sys/fs/cgroup/a/b/cgroup.procs;';
    await using session = login.start(`${place} unshare -UrmCpf --mount-proc sleep 54321`);
    await waitUntil(() => pidsOnHost('sleep 54321').length > 0, 'the process', 10_000);
    const name = `u${login.user.uid}-${login.user.name}`;
    const lines = cgroupsOf(pidsOnHost('sleep 54321')[0] ?? 0);
    const unified = lines.find((line) => line.startsWith('0::'));
    expect(unified).toMatch(new RegExp(`/${name}/inside/a/b$`));
    // A guest uses none of the hierarchies of version 1 that its kernel has.
    for (const line of lines.filter((one) => !unlimited && /:(?:memory|pids|cpu):/.test(one)))
      expect(line).toContain(name);
    // Nor does it end there what is not its own: PID 1 alone is the sandbox's.
    const seen = await output(login, 'cat /sys/fs/cgroup/sessions/cgroup.procs | sort -n | head -2');
    expect(seen).toMatch(/^0\n1\n$|^1\n/);
    await session[Symbol.asyncDispose]();
  });

  it('cannot keep the next login out, wherever it moves its processes and whatever it does to them', async () => {
    const name = `u${login.user.uid}-${login.user.name}`;
    const trap = `cd /sys/fs/cgroup && mkdir trap && for pid in $(cat sessions/cgroup.procs); do echo $pid >trap/cgroup.procs; done
      rmdir sessions/kept sessions; echo threaded >trap/cgroup.type; echo 1 >trap/cgroup.freeze`;
    await using session = login.start(trap);
    const inside = (): string | undefined =>
      globSync(`/sys/fs/cgroup/{.,*}/${world().host.cgroup}/${name}/inside`)[0];
    const frozen = (): boolean => {
      const file = `${inside()}/trap/cgroup.events`;
      return existsSync(file) && readFileSync(file, 'utf8').includes('frozen 1');
    };
    await waitUntil(frozen, 'everything to stand still', 20_000);
    const initPid = (await world().host.sandboxOf(login.user))?.initPid ?? 0;
    expect(cgroupsOf(initPid).find((line) => line.startsWith('0::'))).toMatch(/\/trap$/);
    expect(await output(login, 'grep ^0:: /proc/self/cgroup')).toBe('0::/sessions\n');
    await world().host.ctlOk('stop', login.user.name);
    expect(await output(login, 'ls -d /sys/fs/cgroup/*/')).toBe('/sys/fs/cgroup/sessions/\n');
    await session[Symbol.asyncDispose]();
  });

  it('sees nobody else', async () => {
    await using session = neighbour.start('sleep 54322');
    await waitUntil(() => pidsOnHost('sleep 54322').length > 0, 'the neighbour', 10_000);
    for (const root of Object.values(roots)) {
      const script = `cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 54[3]22'; mount -t cgroup2 none /mnt 2>/dev/null; grep -c . $(find /sys/fs/cgroup /mnt -name '${neighbour.user.name}*' 2>/dev/null) /dev/null; true`;
      expect(await output(login, `${root} ${quote(script)}`)).toBe('0\n0\n');
    }
    await session[Symbol.asyncDispose]();
  });

  it('has as many namespaces and control groups as there are to be had', async () => {
    const namespaces = `perl -e 'for (1 .. 90) { my $p = fork; last unless defined $p; if (!$p) { for (1 .. 30) { syscall(272, 0x10000000) == 0 or exit 1 } sleep 20; exit } } sleep 2; kill 9, -getpgrp' ; true`;
    await login.ssh(`setsid -w ${namespaces.replace('; true', '')}; unshare -U true`, { timeoutMs: 60_000 });
    const groups = `cd /sys/fs/cgroup && for i in $(seq 1100); do mkdir g$i 2>/dev/null || break; done; ls -d g* | wc -l; d=.; for i in $(seq 40); do d=$d/x; mkdir $d 2>/dev/null || break; done; rmdir g1; true`;
    const count = Number(await output(login, groups));
    expect(count).toBeGreaterThan(100);
    expect(count).toBeLessThan(1000);
    expect((await login.ssh('exit 3')).code).toBe(3);
  });

  it('leaves nothing behind: not when the sandbox stops, and not when its supervisor is killed', async () => {
    const name = `u${login.user.uid}-${login.user.name}`;
    const left = (): string[] => globSync(`/sys/fs/cgroup/{.,*}/${world().host.cgroup}/${name}`);
    const make = 'mkdir -p /sys/fs/cgroup/p/q/r; echo $$ > /sys/fs/cgroup/p/q/r/cgroup.procs';
    await world().host.ctlOk('stop', login.user.name); // it may have as many as there can be
    expect((await login.ssh(make)).code).toBe(0);
    expect(left().length).toBeGreaterThan(0);
    await world().host.ctlOk('stop', login.user.name);
    expect(left()).toEqual([]);
    expect((await login.ssh(`${make}; (setsid sleep 1000 >/dev/null 2>&1 </dev/null &); true`)).code).toBe(0);
    const initPid = (await world().host.sandboxOf(login.user))?.initPid;
    process.kill(supervisorOf(initPid).supervisor, 'SIGKILL');
    await waitUntil(() => !existsSync(`/proc/${initPid}`), 'the sandbox to be gone', 20_000);
    // What the killed one could not take away, the next one does.
    expect(await output(login, 'ls -d /sys/fs/cgroup/*/')).toBe('/sys/fs/cgroup/sessions/\n');
    await world().host.ctlOk('stop', login.user.name);
    expect(left()).toEqual([]);
  });

  it('gets a session again where the spawner was killed, in the control group that is meant', async () => {
    expect((await login.ssh('true')).code).toBe(0);
    process.kill(supervisorOf((await world().host.sandboxOf(login.user))?.initPid).spawner, 'SIGKILL');
    expect(await output(login, 'grep ^0:: /proc/self/cgroup; unshare -Ur id -u')).toBe('0::/sessions\n0\n');
  });
});
