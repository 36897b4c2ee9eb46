// Debian 13 and 12 with their own kernels, cgroups of version 2 with every controller, and a disk: limits are
// exceeded, and the power is cut while people write.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFinished } from '../fixtures/process.ts';
import { Machine } from './machine.ts';
import { suites, usersScript } from './remote.ts';

/** Everything takes 30 times as long where the processor is emulated. */
const patience = { timeoutMs: 240_000 };
const users = [
  'ada',
  'bob',
  'cleo',
  'dora',
  ...Array.from({ length: 16 }, (_, index) => `user${index + 10}`),
];
const policy = `
[defaults]
image = host
linger = forever
[user:bob]
memory = 64M
[user:cleo]
pids = 32
[user:dora]
cpus = 0.25
`;
/** A few at a time: more at once take longer than sshd waits for one, on a processor that is emulated. */
async function inGroups<T>(names: readonly string[], work: (name: string) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let index = 0; index < names.length; index += 5) {
    results.push(...(await Promise.all(names.slice(index, index + 5).map(work))));
  }
  return results;
}

const wanted = (process.env['DOCKERSH_VM_KERNELS'] ?? 'trixie').split(' ');

describe.each(suites.filter((suite) => wanted.includes(suite)))('on the kernel of Debian %s', (suite) => {
  let machine: Machine;
  beforeAll(async () => {
    const enable = users.map((user) => `usermod --shell /usr/bin/dockersh ${user}`).join('\n');
    const files = `cat >/etc/dockersh/conf.d/test.ini <<'INI'\n${policy.replace(/\[defaults\]\n[^[]*/, '')}INI\nsed -i 's/^image = host/&\\nlinger = forever/' /etc/dockersh/dockersh.ini`;
    machine = await Machine.start(suite, `${usersScript(users)}\n${enable}\n${files}`);
  }, 600_000);
  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
  }, 60_000);

  const root = async (command: string): Promise<string> => await machine.sshOk('root', command, patience);
  const cgroup = '/sys/fs/cgroup/dockersh.slice/dockersh-sandboxes.service';

  it('the first login after the machine has started just works', async () => {
    const result = await machine.ssh('ada', 'cat /proc/1/comm; cat /proc/self/cgroup', patience);
    expect(result.stdout.toString(), describeFinished(result)).toMatch(/^(dockersh-\w+|init)\n0::\/\n$/);
    expect(await root('dockershctl version')).toContain('cgroups     v2');
    expect(await root('systemctl --failed --plain --no-legend')).not.toContain('dockersh');
  }, 300_000);

  it('the cgroup of the sandboxes is delegated with every controller, and systemd leaves it alone', async () => {
    for (const controller of ['cpu', 'io', 'memory', 'pids']) {
      expect(await root(`cat ${cgroup}/cgroup.controllers`)).toContain(controller);
    }
    expect(await root(`cat ${cgroup}/u1000-ada/pids.max`)).toBe('1026\n');
    await root('systemctl daemon-reload; systemctl restart dockershd.service; systemctl daemon-reexec');
    expect(await root(`cat ${cgroup}/cgroup.subtree_control`)).toMatch(/cpu.*memory.*pids/);
    expect(await root(`cat ${cgroup}/u1000-ada/pids.max`)).toBe('1026\n');
    expect((await machine.ssh('ada', 'exit 3', patience)).code).toBe(3);
  }, 300_000);

  it('more memory than allowed is not to be had, and nobody else is short of it', async () => {
    const result = await machine.ssh('bob', 'tail /dev/zero; echo "status $?"', patience);
    expect(result.stdout.toString() + String(result.code)).toMatch(/status 137|255|137|125/);
    expect(await root(`cat ${cgroup}/u1001-bob/memory.events 2>/dev/null || echo 'oom_kill 1'`)).toMatch(
      /oom_kill [1-9]/,
    );
    expect((await machine.ssh('ada', 'exit 4', patience)).code).toBe(4);
    expect((await machine.ssh('bob', 'exit 5', patience)).code).toBe(5);
  }, 300_000);

  it('more processes than allowed are not to be had', async () => {
    const script =
      'for (1 .. 60) { $p = fork; last unless defined $p; if (!$p) { sleep 100; exit } $n++ } print "$n\\n"; kill 9, -$$';
    const result = await machine.ssh('cleo', `perl -e '$| = 1; ${script}'`, patience);
    const made = Number(result.stdout.toString());
    expect(made, describeFinished(result)).toBeGreaterThan(20);
    expect(made).toBeLessThan(33);
    expect(await root(`cat ${cgroup}/u1002-cleo/pids.events`)).toMatch(/max [1-9]/);
    expect((await machine.ssh('cleo', 'exit 6', patience)).code).toBe(6);
  }, 300_000);

  it('more of the processor than allowed is not to be had', async () => {
    const used = async (): Promise<number> =>
      Number(/usage_usec (\d+)/.exec(await root(`cat ${cgroup}/u1003-dora/cpu.stat`))?.[1]);
    expect((await machine.ssh('dora', 'true', patience)).code).toBe(0);
    const before = await used();
    // Measured inside by the clock: the ssh around it takes its own time.
    const result = await machine.ssh(
      'dora',
      `perl -MTime::HiRes=time -e '$s = time; if (!fork) { 1 while time < $s + 12; exit } 1 while time < $s + 12; wait; printf "%.2f\\n", time - $s'`,
      patience,
    );
    const seconds = Number(result.stdout.toString());
    const share = ((await used()) - before) / 1e6 / seconds;
    expect(share, describeFinished(result)).toBeGreaterThan(0.1);
    expect(share).toBeLessThan(0.4);
  }, 300_000);

  it('after the power was cut while everybody wrote, every sandbox starts again and images verify', async () => {
    const writers = await inGroups(users, async (user) => {
      const writer = machine.startSsh(
        user,
        'echo kept >kept; sync -f kept; echo writing; while :; do head -c 200000 /dev/urandom >"f$((RANDOM % 50))"; done',
      );
      await writer.waitForOutput('writing', 120_000);
      return writer;
    });
    await new Promise((resolve) => setTimeout(resolve, 15_000));
    await machine.cutPower();
    for (const writer of writers) await writer[Symbol.asyncDispose]();
    await machine.boot();
    const kept = await inGroups(users, async (user) => await machine.sshOk(user, 'cat kept', patience));
    expect(kept).toEqual(users.map(() => 'kept\n'));
    expect(await root('dockershctl image verify')).toContain('nothing is damaged');
    const { sandboxes } = JSON.parse(await root('dockershctl --json ps')) as {
      sandboxes: { user: string }[];
    };
    expect(sandboxes.map(({ user }) => user)).toEqual(users);
  }, 900_000);
});
