// The attacks bite: with one defence of the supervisor's left out (native/test/without.h), at least one of them gets
// through. Each row names those that must.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Place } from '../../src/cli/doctor/attack.ts';
import { type Kind, Sandboxes } from './sandboxes.ts';
import { buildWithout } from './without.ts';

// keeper-group, recording-file and recording-descriptor have no row: two defences or more keep each of them out, so that none is
// missed alone. Without its PID namespace a sandbox can name its keeper (keeper-process), and still may write to no group that is not
// its user's, nor read the descriptors of a process in another user namespace; and the recordings' folder is neither among the mounts
// of a sandbox nor open to any id that it has.
const bites: Readonly<Record<string, readonly [Place, ...string[]]>> = {
  seccomp: ['plain:user', 'filter', 'call-keyctl', 'socket-packet', 'ioctl-TIOCSTI'],
  no_new_privs: ['plain:user', 'no-new-privileges'],
  dumpable: ['root:root', 'init-trace', 'init-memory', 'init-mem', 'init-environ', 'init-links', 'init-maps'],
  capabilities: ['root:root', 'capabilities', 'capabilities-bounding'],
  nosuid: ['plain:user', 'mounts-nosuid'],
  nodev: ['plain:user', 'mounts-nodev'],
  read_only: ['plain:user', 'mounts-read-only'],
  host_folders: ['plain:user', 'host-lock', 'host-watch', 'other-lock', 'other-watch'],
  settings: [
    'root:root',
    'write-pid-max',
    'write-msgmax',
    'write-sem',
    'write-shmmax',
    'write-mqueue-queues',
  ],
  masks: ['plain:user', 'read-interrupts', 'read-softirqs', 'list-irq'],
  idmap: ['root:user', 'image-owner'],
  ids: ['plain:user', 'ids-mapped'],
  close_on_exec: ['plain:user', 'descriptors'],
  network_namespace: [
    'plain:user',
    'own-net',
    'interfaces',
    'host-loopback',
    'host-socket-abstract',
    'host-socket-packets',
  ],
  pid_namespace: ['plain:user', 'own-pid', 'host-process', 'processes-outside', 'keeper-process'],
  ipc_namespace: [
    'plain:user',
    'own-ipc',
    'host-memory-id',
    'host-memory-key',
    'host-semaphore',
    'host-queue',
  ],
  uts_namespace: ['plain:user', 'own-uts'],
  cgroup_namespace: ['plain:user', 'own-cgroup'],
  core_limit: ['plain:user', 'core-files'],
  own_counters: ['plain:user', 'counters-owner'],
  namespace_bound: ['plain:user', 'namespaces-bound'],
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dockersh-test-without-'));
  await chmod(folder, 0o755);
  // Two compilers at once, as there are processors; each builds everything that is different.
  const names = Object.keys(bites);
  const build = async (): Promise<void> => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      await buildWithout(name, folder);
    }
  };
  await Promise.all([build(), build()]);
}, 900_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe.each(Object.entries(bites))('without %s', (name, [place, ...attacks]) => {
  it(`${attacks.join(', ')} get through`, async () => {
    await using sandboxes = await Sandboxes.create({
      libexec: join(folder, name),
      only: [place.split(':')[0] as Kind],
    });
    if (attacks.some((attack) => attack.startsWith('host-'))) await sandboxes.addCounterparts();
    const answers = await sandboxes.attack(place, attacks);
    expect(answers.filter(({ result }) => result !== 'open')).toEqual([]);
    if (name !== 'seccomp') return;
    const { code, report } = await sandboxes.doctor('plain', '--quiet');
    expect([code, report.status]).toEqual([2, 2]);
    expect(report.attacks.filter(({ result }) => result === 'open').length).toBeGreaterThan(20);
    const ignored = report.attacks.map((attack) => attack.name).join(',');
    expect((await sandboxes.doctor('plain', '--ignore', ignored)).code).toBe(0);
  });
});
