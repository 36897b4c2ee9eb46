// Memory and swap on cgroups of version 2: exceeded, and changed while the sandbox runs.

import { describe, expect, it } from 'vitest';
import { describeFinished } from '../../fixtures/process.ts';
import { type OnKernel, testMs } from './on-kernel.ts';

const megabyte = 1024 ** 2;
/** Allocates, and says so where it got it. */
const allocate = (bytes: number): string =>
  `perl -e '$| = 1; $n = ${bytes}; $m = "x" x $n; print "fits\\n"'; echo "status $?"`;
const killed = 'status 137\n';

export function memoryTests(on: OnKernel): void {
  describe('memory', () => {
    it(
      'of more than is allowed, the largest process is ended; where the policy says so, everything',
      async () => {
        await on.policy({ bob: { memory: '24M' } });
        await using other = await on.start('bob', 'echo on; exec cat', 'on\n');
        expect((await on.as('bob', allocate(60e6))).stdout.toString()).toBe(killed);
        expect(await on.counter('bob', 'memory.events', 'oom_kill')).toBe(1);
        expect(await on.counter('bob', 'memory.events', 'oom_group_kill')).toBe(0);
        // Debian lets nobody read the kernel's log who has not the capability for it.
        const journal = 'journalctl -u dockershd.service DOCKERSH_EVENT=out-of-memory -o cat';
        const told = await on.root(
          `cat /proc/sys/kernel/dmesg_restrict; for i in $(seq 50); do ${journal} | grep . && break; sleep .2; done`,
        );
        expect(told).toMatch(/^1\nout of memory for bob: the kernel has ended perl, limit 24M\n$/);
        expect(other.exited).toBe(false);

        const ofNeighbour = async (): Promise<string> =>
          await on.root(`cat ${on.folder('ada')}/cgroup.procs`);
        await on.neighbourIsFine();
        const before = await ofNeighbour();
        await on.policy({ bob: { memory: '24M', oom_kills: 'sandbox' } }, ['bob', 'memory.oom.group', '1']);
        const hog = await on.as('bob', allocate(60e6));
        // Nothing of the session's shell is left to tell: ssh says that a signal ended it.
        expect([hog.stdout.toString(), hog.code], describeFinished(hog)).toEqual(['', 255]);
        expect((await other.finished()).code).toBe(255);
        const next = await on.as('bob', 'exit 5');
        expect(next.code, describeFinished(next)).toBe(5);
        expect(await ofNeighbour()).toBe(before);
        expect(await on.root('systemctl is-active dockersh-sandboxes.service dockershd.service')).toBe(
          'active\nactive\n',
        );
      },
      testMs,
    );

    it(
      'memory_high takes back what can be taken back, and ends nothing',
      async () => {
        await on.policy({ user10: { memory: '200M' } });
        await using cat = await on.start('user10', 'echo on; exec cat', 'on\n');
        const fill = 'dd if=/dev/zero of=big bs=1M count=60 conv=fsync 2>&1';
        await on.inside('user10', fill);
        expect(await on.number('user10', 'memory.current')).toBeGreaterThan(50 * megabyte);
        const settings = { memory: '200M', memory_high: '16M' };
        await on.policy({ user10: settings }, ['user10', 'memory.high', String(16 * megabyte)]);
        await on.falls('user10', 'memory.current', 24 * megabyte);
        await on.inside('user10', fill);
        await on.falls('user10', 'memory.current', 24 * megabyte);
        expect(await on.counter('user10', 'memory.events', 'high')).toBeGreaterThan(0);
        expect(await on.counter('user10', 'memory.events', 'oom_kill')).toBe(0);
        expect(cat.exited).toBe(false);
        await on.inside('user10', 'rm big');
      },
      testMs,
    );
  });

  describe('sockets', () => {
    it(
      'queue no more than the sandbox may have of memory',
      async () => {
        await on.policy({ user12: { memory: '32M' } });
        const queue = `timeout -s KILL 60 perl -MSocket -e '$d = "x" x 60000; for (1 .. 300) {
          socket(my $s, PF_INET, SOCK_DGRAM, 0) or last; bind($s, sockaddr_in(0, INADDR_LOOPBACK)) or last;
          setsockopt($s, SOL_SOCKET, $_, pack("l", 1 << 30)) for SO_RCVBUF, SO_SNDBUF;
          my $to = getsockname($s); for (1 .. 16) { send($s, $d, MSG_DONTWAIT, $to) or last }
          $queued += unpack("L", getsockopt($s, SOL_SOCKET, 55)); push @all, $s } # SO_MEMINFO
          print "$queued ", scalar @all, "\n"'`;
        // What is queued counts as the sandbox's own memory: who queues more than there is of it is ended, or waits for
        // pages of its program that make room and come back, for as long as the kernel sees some success in that.
        const result = await on.as('user12', queue);
        expect(result.code, describeFinished(result)).not.toBe(0);
        const peak = Number(await on.file('user12', 'memory.peak'));
        expect(peak).toBeGreaterThan(30 * megabyte);
        expect(peak).toBeLessThan(48 * megabyte); // what comes in is charged first and refused afterwards
        await on.neighbourIsFine();
      },
      testMs,
    );
  });

  describe('swap', () => {
    it(
      'is none, or as much as the policy says, beyond memory, and changes at once',
      async () => {
        await on.root(
          'fallocate -l 200M /swapfile; chmod 600 /swapfile; mkswap -q /swapfile; swapon /swapfile',
        );
        await on.policy({ user11: { memory: '24M' } });
        // None: not a page of it, and what needs more ends.
        expect((await on.as('user11', allocate(60e6))).stdout.toString()).toBe(killed);
        expect(await on.file('user11', 'memory.swap.current')).toBe('0');

        // More, in the sandbox that runs.
        const some = { memory: '24M', swap: '96M' };
        await on.policy({ user11: some }, ['user11', 'memory.swap.max', String(96 * megabyte)]);
        const hold = `perl -e '$| = 1; $n = 60e6; $m = "x" x $n; print "holds\\n"; sleep 1000'`;
        const holder = await on.start('user11', hold, 'holds\n');
        const swapped = await on.number('user11', 'memory.swap.current');
        expect(swapped).toBeGreaterThan(20e6);
        expect(await on.number('user11', 'memory.current')).toBeLessThanOrEqual(24 * megabyte);
        const { sandboxes } = JSON.parse(await on.root('dockershctl --json stats')) as {
          sandboxes: { user: string; swapBytes: number }[];
        };
        const shown = Object.fromEntries(sandboxes.map(({ user, swapBytes }) => [user, swapBytes]));
        expect(Math.abs((shown['user11'] ?? 0) - swapped)).toBeLessThan(8 * megabyte);
        await on.neighbourIsFine();
        expect(await on.file('ada', 'memory.swap.current')).toBe('0');

        // Less than is in use ends nothing, and is the limit for what comes.
        await on.policy({ user11: { memory: '24M' } }, ['user11', 'memory.swap.max', '0']);
        expect(await on.number('user11', 'memory.swap.current')).toBeGreaterThan(20e6);
        expect(holder.exited).toBe(false);
        await holder[Symbol.asyncDispose]();
        // What is left is of the sandbox's own small processes.
        await on.root(`for i in $(seq 300); do [ $(cat ${on.folder('user11')}/memory.swap.current) -gt 2000000 ] || exit 0
        sleep .2; done; exit 1`);
        expect((await on.as('user11', allocate(60e6))).stdout.toString()).toBe(killed);

        // No more than that either way.
        await on.policy({ user11: { memory: '24M', swap: '48M' } }, [
          'user11',
          'memory.swap.max',
          String(48 * megabyte),
        ]);
        expect((await on.as('user11', allocate(40e6))).stdout.toString()).toBe('fits\nstatus 0\n');
        expect((await on.as('user11', allocate(90e6))).stdout.toString()).toBe(killed);
        await on.policy({ user11: { memory: '24M', swap: 'none' } }, ['user11', 'memory.swap.max', 'max']);
        expect((await on.as('user11', allocate(90e6))).stdout.toString()).toBe('fits\nstatus 0\n');
        await on.root('swapoff /swapfile; rm /swapfile');
      },
      testMs,
    );
  });
}
