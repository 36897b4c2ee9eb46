// nesting = yes where controllers are of version 2: users set limits for parts of what is theirs, and stay within
// those of their sandbox. Containers and a systemd inside are tried in test/e2e/policy/nesting.test.ts.

import { describe, expect, it } from 'vitest';
import { type OnKernel, testMs } from './on-kernel.ts';

export function nestingTests(on: OnKernel): void {
  describe('control groups of a user’s own', () => {
    const own = 'cd /sys/fs/cgroup && mkdir -p small';
    const end = 'echo 0 > sessions/cgroup.procs; rmdir small';
    const hungry = `perl -e '$x = "x" x 2e8; print "survived\\n"'`;

    it(
      'have the controllers of the sandbox, and hold what is in them',
      async () => {
        await on.policy({ user19: { nesting: 'yes', memory: '128M', pids: '100' } });
        expect(await on.inside('user19', 'cat /sys/fs/cgroup/cgroup.controllers')).toMatch(
          /\bmemory\b.*\bpids\b/,
        );
        const memory = `${own} && echo 30M > small/memory.max && echo 0 > small/memory.swap.max
          (echo 0 > small/cgroup.procs; exec ${hungry}) 2>/dev/null; echo $?; grep '^oom_kill ' small/memory.events; ${end}`;
        expect(await on.inside('user19', memory)).toBe('137\noom_kill 1\n');
        const pids = `${own} && echo 3 > small/pids.max && sh -c 'echo 0 > small/cgroup.procs; sleep 5 & sleep 5 & sleep 5 & wait' 2>&1 | grep -ci fork; ${end}`;
        expect(await on.inside('user19', pids)).toBe('1\n');
        expect(await on.counter('user19', 'memory.events.local', 'oom')).toBe(0); // no limit of the sandbox's was met
        await on.neighbourIsFine();
      },
      testMs,
    );

    it(
      'give nobody more than the sandbox has',
      async () => {
        const more = `${own} && echo max > small/memory.max && (echo 0 > small/cgroup.procs; exec ${hungry}) 2>/dev/null; echo $?; ${end}`;
        expect(await on.inside('user19', more)).toBe('137\n');
        expect(await on.counter('user19', 'memory.events.local', 'oom')).toBeGreaterThan(0);
        expect(await on.number('user19', 'memory.max')).toBe(128 * 1024 ** 2);
        const tries = [
          'echo max > /sys/fs/cgroup/memory.max',
          'echo max > /sys/fs/cgroup/../memory.max',
          'mkdir /sys/fs/cgroup/../beside',
          "unshare -UrmC sh -c 'mount -t cgroup2 none /mnt && echo max > /mnt/memory.max'",
          "unshare -Urm sh -c 'mount -t cgroup2 none /mnt && echo max > /mnt/memory.max'",
        ];
        const script = tries.map((one, index) => `( ${one} ) >/dev/null 2>&1 && echo 'can do ${index}'`);
        expect(await on.inside('user19', [...script, 'echo tried all'].join('\n'))).toBe('tried all\n');
        expect(await on.number('user19', 'memory.max')).toBe(128 * 1024 ** 2);
        await on.neighbourIsFine();
      },
      testMs,
    );

    it(
      'are no way to keep the next login out',
      async () => {
        const limits = [
          ...[
            'pids.max=0',
            'memory.max=0',
            'memory.high=0',
            'memory.swap.max=0',
            'cpu.max=1000',
            'cpuset.cpus=1',
          ],
          ...['cgroup.freeze=1', 'cgroup.kill=1', 'cgroup.type=threaded', 'cgroup.max.depth=0'],
          ...['cgroup.subtree_control=+pids', 'cgroup.subtree_control=-pids'],
        ].join(' ');
        const tries = `cd /sys/fs/cgroup; for group in . sessions; do for limit in ${limits}; do
          file=$group/\${limit%=*}; [ -e $file ] || [ $group = . ] || echo no $file; echo \${limit#*=} >$file && echo can $limit $group
          done; done 2>/dev/null; mkdir sessions/x 2>/dev/null && echo can mkdir`;
        // Then with everything in a group of its own that may do nothing at all.
        const trap = `mkdir trap && for pid in $(cat sessions/cgroup.procs); do echo $pid >trap/cgroup.procs; done 2>/dev/null
          rmdir sessions/kept sessions 2>/dev/null && echo can rmdir; echo 0 >trap/pids.max; echo gone; echo 1 >trap/cgroup.freeze`;
        const nested = "unshare -Ur sh -c 'cat >/tmp/tries; . /tmp/tries'";
        await using session = await on.start(
          'user19',
          `${nested} <<'END'\n${tries}\nEND\n${tries}\n${trap}`,
          'gone',
        );
        expect(session.stdout.toString()).toBe('gone\n');
        const inside = `${on.folder('user19')}/inside`;
        await on.root(
          `for i in $(seq 300); do grep -q 'frozen 1' ${inside}/trap/cgroup.events && exit 0; sleep .1; done; exit 1`,
        );
        expect(
          await on.inside(
            'user19',
            'grep ^0:: /proc/self/cgroup; /bin/true; cat /sys/fs/cgroup/trap/pids.max',
          ),
        ).toBe('0::/sessions\n0\n');
        await on.root('dockershctl stop user19');
        expect((await on.as('user19', 'exit 6')).code).toBe(6);
      },
      testMs,
    );
  });
}
