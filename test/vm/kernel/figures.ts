// Proves that lxcfs says the sandbox's limits in /proc on cgroups of version 2 as well.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OnKernel, testMs } from './on-kernel.ts';

const user = 'user21';
const total = 'sed -n s/^MemTotal://p /proc/meminfo | tr -d " "';

export function figuresTests(on: OnKernel): void {
  describe('lxcfs', () => {
    /** Until `/proc/meminfo` says so; a sandbox that has begun before lxcfs ran has none of its files. */
    const says = async (wanted: string, eachTime = ''): Promise<void> => {
      const ask = `setpriv --reuid=${user} --regid=${user} --init-groups --reset-env /usr/bin/dockersh -c '${total}'`;
      await on.root(
        `for i in $(seq 60); do [ "$(${ask})" ${wanted} ] && exit; ${eachTime} sleep 0.5; done; ${ask}; exit 1`,
      );
    };
    const own = `= 65536kB`;
    const hosts = `= "$(${total})"`;

    beforeAll(async () => {
      await on.policy({ [user]: { memory: '64M', swap: '0', cpus: '0.5' } });
      await on.root('systemctl unmask lxcfs.service; systemctl start lxcfs.service');
    }, testMs);
    afterAll(async () => {
      await on.root(`systemctl mask --now lxcfs.service; dockershctl stop ${user} || :`);
    }, testMs);

    it(
      'says the limits of the sandbox, also when they change, and the host’s when it has been killed',
      async () => {
        await says(own, `dockershctl stop ${user};`);
        expect(await on.inside(user, 'free -k | sed -n 2p; nproc')).toMatch(/^Mem: +65536 /);
        await on.inside(user, 'cat /proc/cpuinfo /proc/swaps /proc/diskstats /proc/loadavg >/dev/null');
        await on.policy({ [user]: { memory: '48M', swap: '0' } }, [user, 'memory.max', '50331648']);
        expect(await on.inside(user, total)).toBe('49152kB\n');
        await on.root('systemctl kill --signal=KILL lxcfs.service');
        await says(hosts);
        expect(await on.inside(user, 'grep -c lxcfs /proc/self/mountinfo || true')).toBe('0\n');
      },
      testMs,
    );
  });
}
