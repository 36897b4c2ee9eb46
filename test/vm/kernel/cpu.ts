// CPU time on cgroups of version 2: what is short is shared by weight, and a sandbox has the CPUs that it is given.

import { describe, expect, it } from 'vitest';
import { type OnKernel, testMs } from './on-kernel.ts';

const burn = (how = ''): string => `echo burning; exec ${how} perl -e '1 while 1'`;

export function cpuTests(on: OnKernel): void {
  /** CPU time that each user's sandbox gets while some seconds go by, in CPUs. */
  const shares = async (seconds: number, ...names: string[]): Promise<number[]> => {
    const read = names.map((user) => `grep ^usage_usec ${on.folder(user)}/cpu.stat`).join('; ');
    const text = await on.root(
      `s=$(date +%s%N); ${read}; sleep ${seconds}; ${read}; echo $(($(date +%s%N) - s))`,
    );
    const numbers = text
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ').at(-1)));
    const usec = (numbers.at(-1) ?? 0) / 1000;
    return names.map((_, index) => ((numbers[names.length + index] ?? 0) - (numbers[index] ?? 0)) / usec);
  };

  describe('CPU', () => {
    it(
      'what is short is shared by cpu_weight, also when that changes',
      async () => {
        await on.policy({ user12: { cpu_weight: 200 }, user13: { cpu_weight: 100 } });
        await using _one = await on.start('user12', burn('taskset -c 0'), 'burning\n');
        await using _two = await on.start('user13', burn('taskset -c 0'), 'burning\n');
        const [twice = 0, once = 0] = await shares(3, 'user12', 'user13');
        expect(twice / once, `${twice} ${once}`).toBeGreaterThan(1.5);
        expect(twice / once, `${twice} ${once}`).toBeLessThan(2.7);
        await on.neighbourIsFine();
        await on.policy(
          { user12: { cpu_weight: 50 }, user13: { cpu_weight: 400 } },
          ['user12', 'cpu.weight', '50'],
          ['user13', 'cpu.weight', '400'],
        );
        const [little = 0, much = 0] = await shares(3, 'user12', 'user13');
        expect(much / little, `${much} ${little}`).toBeGreaterThan(4);
      },
      testMs,
    );

    it(
      'cpuset says which there are, also when that changes, and nobody inside can say otherwise',
      async () => {
        await on.policy({ user12: { cpuset: '1' } });
        await on.inside('user12', 'true');
        await on.policy({ user12: { cpuset: '1' } }, ['user12', 'cpuset.cpus', '1']);
        await using _one = await on.start('user12', burn(), 'burning\n');
        await using _two = await on.start('user12', burn(), 'burning\n');
        const told = await on.inside(
          'user12',
          'nproc; taskset -pc 0 $$ >/dev/null 2>&1 || echo refused; nproc',
        );
        expect(told).toBe('1\nrefused\n1\n');
        const allowed = async (): Promise<string> =>
          await on.root(`for pid in $(cat ${on.folder('user12')}/cgroup.procs); do
          case $(tr '\\0' ' ' </proc/$pid/cmdline) in perl*) grep Cpus_allowed_list /proc/$pid/status | cut -f 2; esac; done`);
        expect(await allowed()).toBe('1\n1\n');
        const [used = 0] = await shares(2, 'user12');
        expect(used).toBeGreaterThan(0.5);
        expect(used).toBeLessThan(1.05);
        await on.policy({ user12: { cpuset: '0' } }, ['user12', 'cpuset.cpus', '0']);
        expect(await allowed()).toBe('0\n0\n');
        await on.policy({}, ['user12', 'cpuset.cpus', '0-1']);
        expect(await allowed()).toBe('0-1\n0-1\n');
        const [more = 0] = await shares(2, 'user12');
        expect(more).toBeGreaterThan(1.1);
      },
      testMs,
    );

    it(
      'more time than allowed is not to be had, also when that changes',
      async () => {
        await on.policy({ dora: { cpus: '0.25' } });
        await using _busy = await on.start('dora', `perl -e '1 while 1' & ${burn()}`, 'burning\n');
        const [quarter = 0] = await shares(4, 'dora');
        expect(quarter).toBeGreaterThan(0.15);
        expect(quarter).toBeLessThan(0.32);
        await on.neighbourIsFine();
        await on.policy({ dora: { cpus: '0.75' } }, ['dora', 'cpu.max', '75000 100000']);
        const [more = 0] = await shares(4, 'dora');
        expect(more).toBeGreaterThan(0.5);
        expect(more).toBeLessThan(0.85);
      },
      testMs,
    );

    it(
      'more processes than allowed are not to be had, also when that changes',
      async () => {
        const fork =
          '$| = 1; for (1 .. 60) { $p = fork; last unless defined $p; if (!$p) { sleep 100; exit } $n++ } print "$n\\n"; kill 9, -$$';
        const made = async (): Promise<number> =>
          Number((await on.as('cleo', `perl -e '${fork}'`)).stdout.toString());
        await on.policy({ cleo: { pids: 32 } });
        const few = await made();
        expect(few).toBeGreaterThan(20);
        expect(few).toBeLessThan(32);
        expect(await on.counter('cleo', 'pids.events', 'max')).toBeGreaterThan(0);
        await on.policy({ cleo: { pids: 48 } }, ['cleo', 'pids.max', '50']); // with our own two
        const more = await made();
        expect(more).toBeGreaterThan(few + 10);
        expect(more).toBeLessThan(48);
        await on.neighbourIsFine();
      },
      testMs,
    );

    it(
      'cpuset with a CPU that is not there refuses the login',
      async () => {
        await on.policy({ user14: { cpuset: '77' } });
        const result = await on.as('user14', 'true');
        expect([result.code, result.stderr.toString()]).toEqual([
          125,
          expect.stringContaining('E_LIMIT_REFUSED'),
        ]);
        await on.policy({});
      },
      testMs,
    );
  });
}
