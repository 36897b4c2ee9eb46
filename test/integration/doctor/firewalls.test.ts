// Real ufw, firewalld, and rules as Docker makes them, each in a network namespace of its own: doctor sees that they keep
// private networks from getting out, and the command that it names mends that.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DoctorsHost } from './doctors-host.ts';

let host: DoctorsHost;

beforeAll(async () => {
  host = await DoctorsHost.start();
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
});

/** Nothing of the machine's own is written: folders that are changed are copies, or empty. */
const setUps = {
  ufw: `
    mkdir -p "$D/lib"; cp -a /lib/ufw "$D/lib/ufw"; mount --bind "$D/lib/ufw" /lib/ufw; mount -t tmpfs none /run/lock
    ip link set lo up; ufw --force enable >/dev/null`,
  firewalld: `
    mount -t tmpfs none /var/log
    mkdir -p "$D/dbus"; mkdir -p /run/dbus; mount --bind "$D/dbus" /run/dbus
    ip link set lo up
    dbus-daemon --system --nofork --nopidfile >/dev/null 2>&1 &
    for try in $(seq 100); do [ -S /run/dbus/system_bus_socket ] && break; sleep 0.05; done
    firewalld --nofork --nopid >/dev/null 2>&1 &
    for try in $(seq 200); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.1; done
    firewall-cmd --state >/dev/null`,
  docker: `
    ip link set lo up
    for tables in iptables ip6tables; do
      $tables -N DOCKER-USER; $tables -N DOCKER; $tables -P FORWARD DROP; $tables -A FORWARD -j DOCKER-USER
      $tables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      $tables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT; $tables -A DOCKER-USER -j RETURN
    done`,
} as const;

const policy = '[defaults]\nimage = host\nnetwork = private\n';
const forward = async (script: string) => {
  // The processes of a set-up end with the namespace of processes.
  const namespaces = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const { checks } = await host.doctor({ policy, namespaces, script });
  const found = checks.find(({ id }) => id === 'network-forward');
  if (found === undefined) throw new Error('it is not looked at');
  return found;
};

describe.each(['ufw', 'firewalld', 'docker'] as const)('%s', (whose) => {
  it('is in the way until the command that doctor names has been run', { timeout: 120_000 }, async () => {
    const before = await forward(setUps[whose]);
    expect(before.state).toBe('critical');
    expect(before.found).toContain(`(${whose}) drops`);
    const command = /^Run (.*); docs\/network\.md/.exec(before.fix ?? '')?.[1] ?? 'false';
    const after = await forward(`${setUps[whose]}\n{ ${command}; } >/dev/null`);
    expect(after).toMatchObject({ state: 'ok', found: 'nothing is in the way' });
  });
});

it('nothing is in the way on a host without any', async () => {
  expect(await forward('ip link set lo up')).toMatchObject({ state: 'ok' });
});
