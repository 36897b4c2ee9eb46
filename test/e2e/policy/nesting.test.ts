// nesting = yes: namespaces, containers and a systemd of the user's own inside; nesting = no: none of it.

import { beforeAll, describe, expect, it } from 'vitest';
import { importDebian, lacksDebian } from '../../fixtures/images/debian-image.ts';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });
const skip = control || lacksDebian();

type Kind = 'none' | 'nesting' | 'both';
const settings = {
  none: { root: 'no', nesting: 'no' },
  nesting: { root: 'no', nesting: 'yes' },
  both: { root: 'yes', nesting: 'yes' },
};
const logins = new Map<Kind, Login>();
beforeAll(async () => {
  if (skip) return;
  const image = await importDebian(world().host);
  const users: Record<string, Record<string, string>> = {};
  for (const kind of ['none', 'nesting', 'both'] as const) {
    const login = await world().addLogin('shell');
    logins.set(kind, login);
    users[login.user.name] = settings[kind];
  }
  await world().host.setPolicy({ defaults: { image, stop_grace: '0', linger: '1h' }, users });
}, 1_200_000);

function loginOf(kind: Kind): Login {
  const login = logins.get(kind);
  if (login === undefined) throw new Error(`no user for ${kind}`);
  return login;
}

async function output(login: Login, command: string, timeoutMs = 30_000): Promise<string> {
  const result = await login.ssh(`exec 2>&1; ${command}`, { timeoutMs });
  expect(result.code, describeFinished(result)).toBe(0);
  return result.stdout.toString();
}

// A container's root file system out of one static program.
const container = `mkdir -p ~/c/bin ~/c/etc ~/c/proc ~/c/old && cp /bin/busybox ~/c/bin/sh`;

describe.skipIf(skip)('nesting', () => {
  it('= yes: a user is root in a namespace of their own, with mounts, processes and a network', async () => {
    for (const kind of ['nesting', 'both'] as const) {
      const login = loginOf(kind);
      expect(await output(login, 'unshare -Ur id -u')).toBe('0\n');
      expect(await output(login, "unshare -Urm sh -c 'mount -t tmpfs none /mnt && stat -f -c %T /mnt'")).toBe(
        'tmpfs\n',
      );
      expect(await output(login, "unshare -Urpf --mount-proc sh -c 'ls /proc | grep -c ^1$; echo $$'")).toBe(
        '1\n1\n',
      );
      expect(
        await output(login, "unshare -Urn sh -c 'ip link set lo up && ip -o addr | grep -c 127.0.0.1'"),
      ).toBe('1\n');
      const pivot =
        'mount --bind ~/c ~/c && cd ~/c && /usr/sbin/pivot_root . old && exec /bin/sh -c "echo /*"';
      expect(await output(login, `${container}; unshare -Urm sh -c '${pivot}'`)).toBe(
        '/bin /etc /old /proc\n',
      );
    }
  });

  it('= yes: a control group to divide further, in which sessions begin', async () => {
    const login = loginOf('nesting');
    const script = `grep ^0:: /proc/self/cgroup; cd /sys/fs/cgroup && mkdir -p mine/deep && echo $$ > mine/deep/cgroup.procs && grep ^0:: /proc/self/cgroup; echo 0 > sessions/cgroup.procs; rmdir mine/deep mine && ls -d */`;
    expect(await output(login, script)).toBe('0::/sessions\n0::/mine/deep\nsessions/\n');
    // Where the host's controllers are of version 2, users can set limits for parts of their own.
    const controllers = await output(login, 'cat /sys/fs/cgroup/cgroup.controllers');
    if (!controllers.split(/\s+/).includes('memory')) return;
    const hungry = `cd /sys/fs/cgroup && mkdir -p small && echo 20M > small/memory.max && (echo 0 > small/cgroup.procs; exec perl -e '$x = "x" x 1e8; print "survived"'); echo $?; rmdir small`;
    expect(await output(login, hungry)).toBe('137\n');
  });

  it('= yes: podman runs a container', async () => {
    const login = loginOf('both');
    const run = `${container}; tar -C ~/c -c . | podman import -q - c >/dev/null 2>&1; podman run --rm --network none localhost/c /bin/sh -c 'echo in container; id -u; cat /proc/self/cgroup' 2>/dev/null`;
    expect(await output(login, run, 60_000)).toMatch(/^in container\n0\n(?:.*\n)*0::\/\n$/);
    // With more ids than one: what belongs to the container's user is none of root's.
    const several = `podman run --rm --network none localhost/c /bin/sh -c 'echo x > /f && chown 65534:33 /f && stat -c "%u %g" /f' 2>&1`;
    expect(await output(login, several)).toBe('65534 33\n');
  });

  it('= no: nothing of it', async () => {
    const login = loginOf('none');
    const tries = [
      'unshare -U true',
      'unshare -Ur true',
      'unshare -m true',
      'unshare -n true',
      'unshare -p -f true',
      'unshare -C true',
      'mount -t tmpfs none /mnt',
      'mkdir /sys/fs/cgroup/x',
      'ls /sys/fs/cgroup/cgroup.procs',
      'ls /dev/fuse',
      'echo 5 > /proc/sys/user/max_user_namespaces',
      'podman run --rm localhost/c true',
      'newuidmap $$ 0 1 1',
      `grep -q "^$USER:" /etc/subuid`,
    ];
    const script = tries.map((one) => `( ${one} ) >/dev/null 2>&1 </dev/null && echo 'can ${one}'`);
    expect(await output(login, [...script, 'echo tried all'].join('\n'))).toBe('tried all\n');
    // The filter is one lock; the kernel's own bound is another.
    expect(await output(login, 'cat /proc/sys/user/max_user_namespaces')).toBe('0\n');
  });
});

describe.skipIf(skip)('nesting deeper', () => {
  it('a systemd of the user’s own comes up in a container', async () => {
    const login = loginOf('both');
    const without = [
      'home',
      'var/cache',
      'var/tmp',
      'var/lib/apt',
      'proc',
      'sys',
      'dev',
      'run',
      'tmp',
      'opt',
    ];
    const tar = `sudo -n tar --one-file-system ${without.map((name) => `--exclude=./${name}`).join(' ')} -C / -c .`;
    await output(login, `${tar} 2>/dev/null | podman import -q - sd >/dev/null 2>&1; true`, 110_000);
    const wait =
      'for i in $(seq 60); do state=$(podman exec s systemctl is-system-running 2>/dev/null); case $state in running|degraded) break;; esac; sleep 1; done; echo $state';
    const state = await output(
      login,
      `podman run -d --name s --systemd=always --network none localhost/sd /sbin/init >/dev/null 2>&1; ${wait}`,
      110_000,
    );
    expect(['running\n', 'degraded\n']).toContain(state);
    expect(
      await output(login, 'podman exec s systemctl is-active dbus.service systemd-journald.service'),
    ).toBe('active\nactive\n');
    expect(await output(login, 'podman exec s grep ^0:: /proc/1/cgroup')).toBe('0::/init.scope\n');
    await world().host.ctlOk('stop', login.user.name);
    expect(await output(login, 'ls -d /sys/fs/cgroup/*/')).toBe('/sys/fs/cgroup/sessions/\n');
  }, 400_000);
});
