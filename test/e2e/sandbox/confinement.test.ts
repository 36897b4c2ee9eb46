// One user tries to get more rights inside, or out. Everything must be as for a process with no rights
// at all, and the same for commands, terminals, and both ways of logging in.

import { describe, expect, it } from 'vitest';
import { tryingCalls } from '../../fixtures/kernel/system-calls.ts';
import { control } from '../../fixtures/machine.ts';
import { run } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { Terminal } from '../../fixtures/terminal.ts';
import { modes, useWorld } from '../../fixtures/world.ts';

const world = useWorld();

// Each must fail. What it prints on the way doesn't matter.
const attempts: Record<string, string> = {
  'mount a tmpfs': 'mount -t tmpfs none /mnt',
  'mount proc again': 'mkdir -p ~/p && mount -t proc proc ~/p',
  'bind a folder': 'mount --bind /tmp /mnt',
  'make /usr writable': 'mount -o remount,rw /usr',
  'unmount /proc/sys': 'umount /proc/sys',
  'write to /usr': 'echo x > /usr/bin/pwned',
  'replace a program of the host': 'echo x >> /usr/bin/true',
  'write to /sys': 'echo 1 > /sys/kernel/profiling || echo mem > /sys/power/state',
  'make a control group': 'mkdir /sys/fs/cgroup/pwned || mkdir /sys/fs/cgroup/*/pwned',
  'write to /proc/sys': 'echo x > /proc/sys/kernel/core_pattern',
  'write to a namespaced /proc/sys': 'echo 1 > /proc/sys/net/ipv4/ip_forward',
  'trigger sysrq': 'echo h > /proc/sysrq-trigger',
  'make a character device': 'mknod ~/null c 1 3',
  'make a block device': 'mknod ~/disk b 254 0',
  'find a block device': 'find /dev -type b | grep -q .',
  'find a device of the kernel': 'ls /dev/mem /dev/kmsg /dev/kvm /dev/fuse /dev/loop* /dev/vd* | grep -q .',
  'make a user namespace': 'unshare -U true',
  'become root in a user namespace': 'unshare -r true',
  'make a mount namespace': 'unshare -m true',
  'make a network namespace': 'unshare -n true',
  'enter the namespaces of init': 'nsenter -t 1 -m -u -i -n -p true',
  chroot: '/usr/sbin/chroot / true',
  'become root by su': 'su -c true root </dev/null',
  'become root by sudo': 'sudo -n true',
  'keep rights by a setuid copy': 'cp /bin/bash ~/b && chmod 6755 ~/b && [ "$(~/b -p -c "id -u")" = 0 ]',
  'take ownership': 'touch ~/f && chown 0:0 ~/f',
  'read the memory of init': 'head -c 1 /proc/1/mem',
  'read the environment of init': 'cat /proc/1/environ',
  'list the descriptors of init': 'ls /proc/1/fd',
  'follow the root of init': 'ls /proc/1/root/',
  'read the memory map of init': 'grep -q . /proc/1/maps',
  'signal init': 'kill -KILL 1 || kill -STOP 1',
  'read the kernel log': 'dmesg',
  'read kernel memory': 'head -c 1 /proc/kcore',
  'read kernel symbols': "grep -v '^0000000000000000' /proc/kallsyms | grep -q .",
  'raise a hard limit': 'ulimit -Hn $(( $(ulimit -Hn) + 1 ))',
  'lower the nice value': 'renice -n -5 $$',
  'make itself safe from the memory killer': 'echo -1000 > /proc/self/oom_score_adj',
};

describe.skipIf(control).each(modes)('as %s', (mode) => {
  it.each([
    ['a command', []],
    ['a terminal', ['-tt']],
  ])('%s has no capability, no new privileges, a filter', async (_name, options) => {
    const result = await world().login(mode).ssh('cat /proc/self/status', { options });
    const status = Object.fromEntries(
      result.stdout
        .toString()
        .split(/\r?\n/)
        .map((line) => line.split(/:\s*/, 2) as [string, string]),
    );
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(`${set} ${status[set]}`).toBe(`${set} 0000000000000000`);
    }
    expect(status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
    expect(Number(status['TracerPid'])).toBe(0);
  });

  it.each([
    ['a command', []],
    ['a terminal', ['-tt']],
  ])('%s has no descriptor but the three', async (_name, options) => {
    const result = await world().login(mode).ssh('ls /proc/self/fd', { options });
    // 3 is the folder that ls itself reads.
    expect(result.stdout.toString().trim().split(/\s+/)).toEqual(['0', '1', '2', '3']);
  });
});

describe.skipIf(control)('inside', () => {
  const ssh = async (command: string) => await world().login('shell').ssh(command);

  it.each(Object.entries(attempts))('cannot %s', async (_name, command) => {
    const result = await ssh(`( ${command} ) >/dev/null 2>&1; echo "status $?"`);
    expect(result.stdout.toString()).toMatch(/^status ([1-9]|\d\d+)\n$/);
  });

  it('init has the same restrictions', async () => {
    const result = await ssh('grep -E "^(CapBnd|CapEff|NoNewPrivs|Seccomp):" /proc/1/status | tr "\\t" " "');
    expect(result.stdout.toString().trim().split('\n')).toEqual([
      'CapEff: 0000000000000000',
      'CapBnd: 0000000000000000',
      'NoNewPrivs: 1',
      'Seccomp: 2',
    ]);
  });

  it('filters the system calls that make trouble', async () => {
    const script = tryingCalls(process.arch === 'x64' ? 0 : 2);
    const result = await ssh(`perl -e ${quote(script)}`);
    expect(result.stdout.toString()).toBe('tried 12\n');
  });

  it('cannot trace init', async () => {
    const attach = { x64: 101, arm64: 117 }[process.arch as 'x64' | 'arm64'];
    const result = await ssh(`perl -e 'print syscall(${attach}, 16, 1, 0, 0), "\\n"'`);
    expect(result.stdout.toString()).toBe('-1\n');
  });

  it('has its own, harmless devices', async () => {
    const result = await ssh(
      'cd /dev; for d in null zero full random urandom tty ptmx pts shm fd stdin; do [ -e $d ] || echo "no $d"; done; head -c 4 /dev/zero | wc -c; echo x > /dev/null; head -c 8 /dev/urandom | wc -c',
    );
    expect(result.stdout.toString()).toBe('4\n8\n');
  });

  it('finds its own processes, and only those, in /proc', async () => {
    const result = await ssh('ps -eo pid=,user= | sort -n | head -50');
    const rows = result.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    expect(rows[0]?.[0]).toBe('1');
    const others = rows.slice(1).filter((row) => row[1] !== world().login('shell').user.name);
    expect(others).toEqual([]);
    expect(rows.length).toBeLessThan(20);
  });
});

describe.skipIf(control)('from outside', () => {
  it('cannot type into the terminal that it was started from', async () => {
    const login = world().login('shell');
    const { uid, gid } = login.user;
    const inject = 'perl -e \'for (split //, "x\\n") { ioctl(STDIN, 0x5412, $_) for 1 }\'; true';
    const script = `setpriv --reuid ${uid} --regid ${gid} --clear-groups "$1" -c "$2"
      if read -r -t 1 line; then echo "INJECTED $line"; fi; echo finished`;
    await using terminal = new Terminal('/bin/bash', ['-c', script, 'bash', login.host.client, inject], {
      cwd: '/',
    });
    await terminal.expect(/finished/);
    expect(terminal.text).not.toMatch(/INJECTED/);
  });

  it('state is closed to everybody but root', async () => {
    const login = world().login('shell');
    await login.ssh('cp /bin/bash ~/setuid; chmod 6755 ~/setuid');
    const { uid, gid } = login.user;
    for (const folder of [login.host.stateFolder, `${login.host.runFolder}/sandboxes`]) {
      expect((await run('ls', [folder], { uid, gid })).code, folder).not.toBe(0);
    }
    for (const socket of ['admin.sock', 'exec.sock']) {
      const path = `${login.host.runFolder}/${socket}`;
      const connect = `exit(IO::Socket::UNIX->new(Peer => "${path}") ? 0 : 1)`;
      expect((await run('perl', ['-MIO::Socket::UNIX', '-e', connect], { uid, gid })).code).toBe(1);
    }
  });

  it('processes of the sandbox cannot be traced or read by the same user on the host', async () => {
    const login = world().login('shell');
    const { uid, gid } = login.user;
    await using session = login.start('echo ready; sleep 1000');
    await session.waitForOutput('ready');
    const own = login.host.processes().filter((entry) => entry.exe.startsWith('dockersh-'));
    expect(own.length).toBeGreaterThan(0);
    for (const { pid } of own) {
      expect((await run('cat', [`/proc/${pid}/environ`], { uid, gid })).code).not.toBe(0);
      expect((await run('ls', [`/proc/${pid}/fd`], { uid, gid })).code).not.toBe(0);
    }
  });
});
