// Limits whose controllers a host uses only where the policy asks for them: CPUs and disks.

import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import { cgroupsOf } from '../../fixtures/leaks.ts';
import type { Login } from '../../fixtures/login.ts';
import { control, unlimited } from '../../fixtures/machine.ts';
import type { PolicySection } from '../../fixtures/policy-text.ts';
import { describeFinished, waitUntil } from '../../fixtures/process.ts';
import { useWorld } from '../../fixtures/world.ts';

const defaults = { image: 'host', stop_grace: '0' };
const world = useWorld({
  modes: ['shell'],
  // What is in the policy when the daemon starts says which controllers it takes.
  policy: { defaults, groups: { 'no such group': { cpuset: '0', io_read: '1G' } } },
});

async function userWith(settings: PolicySection): Promise<Login> {
  const login = await world().addLogin('shell');
  await world().host.setPolicy({ defaults, users: { [login.user.name]: settings } });
  return login;
}

async function seconds(login: Login, command: string): Promise<number> {
  const started = Date.now();
  const result = await login.ssh(command, { timeoutMs: 100_000 });
  expect(result.code, describeFinished(result)).toBe(0);
  return (Date.now() - started) / 1000;
}

const write = 'dd if=/dev/zero of=big bs=256k count=40 oflag=direct 2>/dev/null'; // 10 MiB
const read = 'dd if=big of=/dev/null bs=256k iflag=direct 2>/dev/null';

describe.skipIf(control || unlimited)('cpuset', () => {
  it('says which CPUs there are, and nobody inside can say otherwise', async () => {
    const login = await userWith({ cpuset: '0' });
    const result = await login.ssh('nproc; taskset -pc 1 $$ 2>/dev/null || echo refused; nproc');
    expect(result.stdout.toString().replace(/pid.*\n/g, ''), describeFinished(result)).toBe(
      '1\nrefused\n1\n',
    );
    await world().host.setPolicy({ defaults });
    await waitUntil(
      async () => (await login.ssh('nproc')).stdout.toString() === `${cpus().length}\n`,
      'the sandbox that runs to have them all',
      10_000,
    );
  });

  it('with a CPU that is not there refuses the login', async () => {
    const login = await userWith({ cpuset: '4000' });
    const result = await login.ssh('true');
    expect(result.code, describeFinished(result)).toBe(125);
    expect(result.stderr.toString()).toMatch(/E_LIMIT_REFUSED/);
  });
});

describe.skipIf(control || unlimited)('disk', () => {
  it('io_write and io_read slow one down and nobody else, and change while it runs', async () => {
    const login = await userWith({ io_write: '4M', io_read: '4M' });
    const neighbour = world().login('shell');
    expect(await seconds(login, write)).toBeGreaterThan(1.8);
    expect(await seconds(login, read)).toBeGreaterThan(1.8);
    await seconds(neighbour, write);
    const free = await seconds(neighbour, read);
    expect(free).toBeLessThan(1.8);
    await world().host.setPolicy({ defaults });
    await waitUntil(async () => (await seconds(login, read)) < 1.8, 'the limit to be gone', 20_000);
  });

  it('does not hold up the end of the sandbox, which writes back what waits', async () => {
    const login = await userWith({ io_write_ops: 1, io_read_ops: 1 });
    const { host } = world();
    expect((await login.ssh('for i in $(seq 3000); do echo $i >f$i; done')).code).toBe(0);
    await host.ctlOk('stop', login.user.name);
    const left = cgroupsOf(host.cgroup).filter((path) => path.includes(login.user.name));
    expect(left).toEqual([]);
  });

  it('operations count as well', async () => {
    const login = await userWith({ io_write_ops: 20, io_read_ops: 20 });
    expect(await seconds(login, write)).toBeGreaterThan(1.3); // 40 operations
    expect(await seconds(login, read)).toBeGreaterThan(1.3);
  });
});

/** Version 2 has every controller at hand without being asked ahead. */
const version2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

describe.skipIf(control || unlimited)('what the daemon did not know of when it started', () => {
  it('refuses logins, or with strict = no is named in the log; on version 2 it holds', async () => {
    await world().host.setPolicy({ defaults });
    await world().host.killDaemon('SIGTERM');
    await world().host.startDaemon();
    const login = await userWith({ cpuset: '0' });
    const refused = await login.ssh('nproc');
    if (version2) {
      expect(refused.stdout.toString()).toBe('1\n');
      return;
    }
    expect(refused.code, describeFinished(refused)).toBe(125);
    expect(refused.stderr.toString()).toMatch(/E_LIMIT_REFUSED/);
    await world().host.setPolicy({ defaults, users: { [login.user.name]: { cpuset: '0', strict: 'no' } } });
    expect((await login.ssh('exit 3')).code).toBe(3);
    expect(JSON.stringify(world().host.logRecords())).toMatch(/sets \\"cpuset\\", which can't be enforced/);
  });
});
