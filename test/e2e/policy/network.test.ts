// network = host: the host's network, and of the rest of the host no more than without.

import { beforeAll, describe, expect, it } from 'vitest';
import type { Login } from '../../fixtures/login.ts';
import { control } from '../../fixtures/machine.ts';
import { describeFinished, runOk } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const world = useWorld({ modes: ['shell'] });

const kinds = { no: {}, yes: { nesting: 'yes' } };
const logins = new Map<string, Login>();
beforeAll(async () => {
  if (control) return;
  const users: Record<string, Record<string, string>> = {};
  for (const kind of ['no', 'yes'] as const) {
    const login = await world().addLogin('shell');
    logins.set(kind, login);
    users[login.user.name] = { ...kinds[kind], network: 'host' };
  }
  await world().host.setPolicy({ defaults: { image: 'host', linger: '1h', stop_grace: '0' }, users });
});

async function output(kind: string, command: string): Promise<string> {
  const result = await logins.get(kind)?.ssh(`exec 2>&1; ${command}`);
  expect(result?.code, result && describeFinished(result)).toBe(0);
  return result?.stdout.toString() ?? '';
}

describe.skipIf(control).each(['no', 'yes'])('network = host, nesting = %s', (nesting) => {
  it('has the network of the host', async () => {
    expect(await output(nesting, 'readlink /proc/self/ns/net')).toBe(
      await runOk('readlink', ['/proc/self/ns/net']),
    );
    expect(await output(nesting, 'cat /sys/class/net/lo/mtu')).toBe(
      await runOk('cat', ['/sys/class/net/lo/mtu']),
    );
  });

  it('shows no control group of others', async () => {
    const { cgroup } = world().host;
    expect(await runOk('find', ['/sys/fs/cgroup', '-maxdepth', '3', '-name', cgroup])).not.toBe('');
    expect(
      await output(nesting, `find /sys -name '${cgroup}' -o -name 'u[0-9]*-*' -o -name system.slice; true`),
    ).toBe('');
    const mounts = await output(nesting, "cut -d' ' -f5 /proc/self/mountinfo | grep '^/sys'");
    const inside = mounts
      .trim()
      .split('\n')
      .filter((path) => !/^\/sys\/(firmware|kernel|devices)/.test(path));
    expect(inside).toEqual(nesting === 'yes' ? ['/sys', '/sys/fs/cgroup'] : ['/sys']);
    expect(await output(nesting, 'ls /sys/kernel/debug /sys/kernel/tracing /sys/fs/bpf; true')).not.toMatch(
      /^[a-z_]+$/m,
    );
  });

  it('lets nobody make /sys writable', async () => {
    const tries = 'mount -o remount,bind,rw /sys; echo 1 > /sys/kernel/rcu_expedited';
    const said = await output(
      nesting,
      nesting === 'yes' ? `unshare -Urm sh -c '${tries}'; true` : `${tries}; true`,
    );
    expect(said).toMatch(/Read-only|Permission denied/);
    expect(await output(nesting, "grep ' /sys ' /proc/self/mountinfo")).toMatch(/ ro,nosuid,nodev,noexec/);
  });
});

describe.skipIf(control)('network = host with nesting', () => {
  it('namespaces inside mount /proc and /sys of their own', async () => {
    const command =
      "unshare -Urmpfn --mount-proc sh -c 'mount -t sysfs -o ro none /mnt && ls -d /mnt/class && echo $$'";
    expect(await output('yes', command)).toBe('/mnt/class\n1\n');
  });
});
