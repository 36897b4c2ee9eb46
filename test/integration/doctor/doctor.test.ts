// Every check of doctor on a host that is well set up, and on one that is broken where it looks.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkIds } from '../../../src/cli/doctor/run.ts';
import { breakers, scenarios } from './breakers.ts';
import { DoctorsHost, type Report, type Scenario } from './doctors-host.ts';

let host: DoctorsHost;
const reports = new Map<string, Promise<Report>>();

/** Many checks fail for one reason: each scenario is run once. */
function reportOf(name: keyof typeof scenarios): Promise<Report> {
  const scenario: Scenario = scenarios[name];
  const args = scenario.args === undefined ? undefined : ['--user', host.user.name, ...scenario.args];
  const report = reports.get(name) ?? host.doctor(args === undefined ? scenario : { ...scenario, args });
  reports.set(name, report);
  return report;
}

beforeAll(async () => {
  host = await DoctorsHost.start();
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
});

describe('a host that is well set up', () => {
  it('has nothing to say', async () => {
    // No file system of a test machine is mounted with quotas; lxcfs is installed there, and does not run.
    const report = await host.doctor({
      args: ['--user', host.user.name, '--ignore', 'fs-quota,proc-numbers'],
    });
    expect(report.checks.filter(({ state }) => state !== 'ok')).toEqual([]);
    expect(report.status).toBe(0);
  });

  it('is checked for every account whose login shell is dockersh', async () => {
    const { checks } = await host.doctor({ args: [] });
    expect(checks.find(({ id }) => id === 'ssh-enters')?.users).toEqual([host.user.name]);
  });

  it('is checked for accounts that are known by name alone', async () => {
    // One that no list of people has: its login shell is none.
    const script = `
      { cat /etc/passwd; echo 'dshm-listed:x:64998:64998::/nonexistent:/usr/sbin/nologin'; } | put /etc/passwd
      mkdir "$D/sshd_config.d"; echo '# dockersh user: "dshm-listed"' >"$D/sshd_config.d/10-dockersh.conf"
      sed -i "1i Match User dshm-listed\\nForceCommand $CLIENT\\nMatch all" "$D/sshd_config"`;
    const { checks } = await host.doctor({ script, args: [] });
    const users = checks.filter(({ id }) => id === 'ssh-enters').flatMap((check) => check.users);
    expect(users.sort()).toEqual([host.user.name, 'dshm-listed'].sort());
  });

  it('closes forwarding as a whole with DisableForwarding', async () => {
    const sshd =
      'DisableForwarding yes\nAllowStreamLocalForwarding yes\nX11Forwarding yes\nPermitTunnel yes\n';
    const { checks } = await host.doctor({ sshd });
    const open = checks.filter(({ id, state }) => id.startsWith('ssh-') && state !== 'ok');
    expect(open).toEqual([]);
  });

  it('may forward whatever it likes where connections are in the sandbox', async () => {
    const sshd = 'UsePAM yes\nAllowStreamLocalForwarding yes\nAllowTcpForwarding yes\nX11Forwarding yes\n';
    const lines = (...words: string[]): string => `
      mkdir -p "$D/../pam.d"; touch "$D/pam_dockersh.so"
      for options in ${words.map((word) => `"${word}"`).join(' ')}; do
        printf 'session required %s/pam_dockersh.so %s client=%s\\n' "$D" "$options" "$CLIENT"
      done >"$D/../pam.d/sshd"`;
    const open = async (...words: string[]): Promise<string[]> => {
      const { checks } = await host.doctor({ sshd, script: lines(...words) });
      return checks.filter(({ id, state }) => id.startsWith('ssh-') && state !== 'ok').map(({ id }) => id);
    };
    expect(await open('early', '')).toEqual([]);
    const everything = ['ssh-module', 'ssh-socket-forwarding', 'ssh-tcp-forwarding', 'ssh-x11'];
    expect(await open('', 'early')).toEqual(everything);
    const { checks } = await host.doctor({
      sshd: sshd.replace('UsePAM yes', 'UsePAM no'),
      script: lines('early', ''),
    });
    expect(checks.find(({ id }) => id === 'ssh-module')).toMatchObject({
      fix: expect.stringMatching(/UsePAM yes/),
    });
  });

  it('asks sshd about the user at hand', async () => {
    const sshd = `Match User ${host.user.name}\n  AllowTcpForwarding yes\nMatch User nobody\n  X11Forwarding yes\nMatch all\n`;
    const { checks } = await host.doctor({ sshd });
    const found = checks.filter(({ id, state }) => id.startsWith('ssh-') && state !== 'ok');
    expect(found.map(({ id }) => id)).toEqual(['ssh-module', 'ssh-tcp-forwarding']);
  });
});

describe('a host that is broken', () => {
  it.each(checkIds)('fails %s', async (id) => {
    const breaker = breakers[id];
    if (breaker === undefined) throw new Error(`nothing makes ${id} fail`);
    const report = await reportOf(breaker.scenario);
    const check = report.checks.find((one) => one.id === id);
    expect(check).toMatchObject({ id, state: breaker.state });
    if (breaker.found !== undefined) expect(check?.found).toMatch(breaker.found);
    expect(check?.fix).toMatch(/\S/);
    const there = (state: string): boolean => report.checks.some((one) => one.state === state);
    expect(report.status).toBe(there('critical') ? 2 : there('warning') ? 1 : 3);
  });

  it.each([
    // Together with what they take already, as much as there is; and a block more.
    ['64M', 'ok', undefined],
    ['68M', 'warning', /give the file system 4M more/],
  ])('tells disks that may grow to %s from what there is', async (size, state, fix) => {
    const script = `
      mount -t tmpfs -o size=64M,mode=700 none /mnt; mkdir -p /mnt/users/64998 /mnt/users/64999/home
      truncate -s ${size} /mnt/users/64998/disk.img
      dd if=/dev/zero of=/mnt/users/64998/disk.img bs=1M count=60 conv=notrunc 2>/dev/null`;
    const { checks } = await host.doctor({ script, args: ['--user', host.user.name, '--state', '/mnt'] });
    const check = checks.find(({ id }) => id === 'fs-promised');
    expect(check).toMatchObject({ state, found: `1 disk of ${size} in all: 60M taken, and 4M free` });
    if (fix !== undefined) expect(check?.fix).toMatch(fix);
  });

  it('has nothing against a missing controller of which the policy wants nothing', async () => {
    const { checks } = await reportOf('noMemoryWanted');
    const check = checks.find(({ id }) => id === 'cgroup-limits');
    // On version 2 all of them are gone, and others than memory are still wanted.
    if (check?.state === 'ok') expect(check.found).toMatch(/not wanted by the policy: memory/);
    else expect(check?.found).not.toMatch(/can't be held: .*memory/);
  });

  it('says when the policy gives a user nothing', async () => {
    const { checks } = await reportOf('noImage');
    expect(checks.find(({ id }) => id === 'policy-user')).toMatchObject({
      state: 'critical',
      found: 'the policy gives the user no image',
    });
  });

  it('lets nobody but root tell, and says so', async () => {
    const under = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const report = await host.doctor({ under, args: [] });
    expect(report.checks.find(({ id }) => id === 'kernel-idmap' || id === 'fs-idmap')?.state).toBe('unknown');
    expect(report.status).toBe(2); // the daemon's socket is out of reach
  });
});
