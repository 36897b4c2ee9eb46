// A sandbox that is bound to as many CPUs as it may use: programs inside count these.

import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lacks, unlimited } from '../../fixtures/machine.ts';
import { waitUntil } from '../../fixtures/process.ts';
import { VerbsHost } from './verbs-host.ts';

const defaults = { image: 'lab/base:1', linger: '1h', stop_grace: '100ms', cpus: '1', cpu_pin: 'yes' };

describe.skipIf(lacks('busybox') || unlimited || availableParallelism() < 2)('a sandbox with cpu_pin', () => {
  let verbs: VerbsHost;
  const counted = async (): Promise<string> => await verbs.inside('nproc');
  const set = async (more: object): Promise<void> =>
    await verbs.host.setPolicy({ defaults: { ...defaults, ...more } });
  const becomes = async (count: string): Promise<void> =>
    await waitUntil(async () => (await counted()) === count, `${count.trim()} CPUs`);

  beforeAll(async () => {
    // One that was there when the daemon started has the controller ready.
    verbs = await VerbsHost.start({ policy: { defaults } });
    await verbs.host.ctlOk('image', 'import', 'lab/base:1', await verbs.rootfs('base'));
  });
  afterAll(async () => {
    await verbs[Symbol.asyncDispose]();
  }, 60_000);

  it('has as many CPUs as cpus says, and as many threads of it run at a time', async () => {
    expect(await counted()).toBe('1\n');
    expect(await verbs.inside('grep -c ^processor /proc/cpuinfo')).toBe(`${availableParallelism()}\n`);
    expect(await verbs.inside('grep Cpus_allowed_list /proc/self/status')).toMatch(/:\t\d+\n$/);
    expect(await verbs.inside('busybox taskset -p ffff $$ >/dev/null 2>&1; nproc')).toBe('1\n');
  });

  it('has them all again, or others, as the policy is edited', async () => {
    await set({ cpu_pin: 'no' });
    await becomes(`${availableParallelism()}\n`);
    await set({ cpu_pin: 'yes' });
    await becomes('1\n');
    await set({ cpus: '1.5' }); // no whole number: nobody is bound to a part
    await becomes(`${availableParallelism()}\n`);
    await set({ cpuset: '1' });
    await becomes('1\n');
    expect(await verbs.inside('grep Cpus_allowed_list /proc/self/status')).toContain('\t1\n');
  });
});
