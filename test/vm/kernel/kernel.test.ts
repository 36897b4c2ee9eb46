// Debian 13 and 12 with their own kernels, cgroups of version 2 with every controller, and a disk: limits are
// exceeded, and the power is cut while people write.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFinished } from '../../fixtures/process.ts';
import { quote } from '../../fixtures/shell-text.ts';
import { Machine } from '../machine.ts';
import { suites, usersScript } from '../remote.ts';
import { apparmorTests, purgeTest } from './apparmor.ts';
import { cgroupTests } from './cgroups.ts';
import { cpuTests } from './cpu.ts';
import { diskTests } from './disk.ts';
import { figuresTests } from './figures.ts';
import { memoryTests } from './memory.ts';
import { nestingTests } from './nesting.ts';
import { networkTests } from './network.ts';
import { accounts, OnKernel, patience, sandboxes, testMs, users } from './on-kernel.ts';
import { ownDoorTests } from './own-door.ts';

const wanted = (process.env['DOCKERSH_VM_KERNELS'] ?? 'trixie').split(' ');

describe.each(suites.filter((suite) => wanted.includes(suite)))('on the kernel of Debian %s', (suite) => {
  let machine: Machine;
  const on = new OnKernel(() => machine);
  beforeAll(async () => {
    const enable = accounts.map((user) => `usermod --shell /usr/bin/dockersh ${user}`).join('\n');
    // A service manager for each user who logs in is not what is tested, and takes most of the time of a login.
    const files = `systemctl mask user@.service\nsed -i 's/^image = host/&\\nlinger = forever\\nnetwork = none/' /etc/dockersh/dockersh.ini`;
    // Where a processor is emulated no daemon can answer sshd's module in time. It is tried in the system guests.
    const module = 'dockershctl sshd-module --remove';
    machine = await Machine.start(suite, `${usersScript(accounts)}\n${enable}\n${files}\n${module}`);
  }, 900_000);
  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
  }, 60_000);

  it(
    'the first login after the machine has started just works',
    async () => {
      const result = await machine.ssh('ada', 'cat /proc/1/comm; cat /proc/self/cgroup', patience);
      expect(result.stdout.toString(), describeFinished(result)).toMatch(/^(dockersh-\w+|init)\n0::\/\n$/);
      expect(await on.root('dockershctl version')).toContain('cgroups     v2');
      expect(await on.root('systemctl --failed --plain --no-legend')).not.toContain('dockersh');
    },
    testMs,
  );

  it(
    'the cgroup of the sandboxes is delegated with every controller, and systemd leaves it alone',
    async () => {
      expect(await on.root(`cat ${sandboxes}/cgroup.controllers`)).toBe('cpuset cpu io memory pids\n');
      expect(await on.root(`cat ${sandboxes}/u1000-ada/pids.max`)).toBe('1026\n');
      await on.root('systemctl daemon-reload; systemctl restart dockershd.service; systemctl daemon-reexec');
      expect(await on.root(`cat ${sandboxes}/cgroup.subtree_control`)).toBe('cpuset cpu io memory pids\n');
      expect(await on.root(`cat ${sandboxes}/u1000-ada/pids.max`)).toBe('1026\n');
      expect((await machine.ssh('ada', 'exit 3', patience)).code).toBe(3);
    },
    testMs,
  );

  ownDoorTests(on);
  memoryTests(on);
  figuresTests(on);
  cpuTests(on);
  diskTests(on);
  cgroupTests(on);
  nestingTests(on);
  it('after the power was cut while everybody wrote, every sandbox starts again and images verify', async () => {
    const writing = users.slice(0, 10);
    // One of them has all of it in a disk image.
    await on.policy({ dora: { disk: '150M', disk_backend: 'image' } });
    await on.root('dockershctl stop dora || :');
    await on.inside('dora', 'head -c 20M /dev/zero >big; sync -f big');
    // By their login shell, but not by sshd: an exchange of keys for each is what would take longest.
    const each = (atOnce: number, command: string): string =>
      `printf '%s\\n' ${writing.join(' ')} | xargs -P ${atOnce} -I USER setpriv --reuid=USER --regid=USER --init-groups --reset-env /usr/bin/dockersh -c ${quote(command)}`;
    const write =
      'echo kept >kept; sync -f kept; echo writing; while :; do head -c 200000 /dev/urandom >"f$((RANDOM % 50))"; sleep 0.1; done';
    await using writers = machine.startSsh('root', each(writing.length, write));
    await writers.waitForOutput(new RegExp(`(writing\\n){${writing.length}}`), patience.timeoutMs);
    await new Promise((resolve) => setTimeout(resolve, 8_000)); // ext4 commits every five
    await machine.cutPower();
    await machine.boot();
    // Where a processor is emulated the daemon may take longer to come than a login waits for it.
    await on.root('systemctl start dockershd.service');
    expect(await on.root(each(5, 'cat kept'))).toBe('kept\n'.repeat(writing.length));
    expect(await on.inside('dora', `wc -c <big; df -Pk ~ | awk 'NR > 1 { print ($2 < 153600) }'`)).toBe(
      '20971520\n1\n',
    );
    expect(await on.root('dockershctl image verify')).toContain('nothing is damaged');
    const { sandboxes } = JSON.parse(await on.root('dockershctl --json ps')) as {
      sandboxes: { user: string }[];
    };
    expect(sandboxes.map(({ user }) => user)).toEqual(writing);
  }, 1_800_000);

  // The machine knows no profile after a start, as its service that loads them is masked.
  apparmorTests(on, () => machine);
  networkTests(on);

  purgeTest(on);
});
