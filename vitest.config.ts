import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Integration and e2e tests make cgroups, mounts and users on the machine they run on: each file has daemons, users and
// folders of its own, and hooks that leave room for the clean-up.
const real = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 180_000,
  globalSetup: 'test/fixtures/after-all.ts',
  // The daemon and dockershctl are started a thousand times: a third of what that takes is to compile them.
  env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'build/obj/node-cache') },
} as const;
/**
 * Most of what such a file does is to wait for processes. A worker takes one file after the other: modules are loaded once
 * for all of them, and keep nothing but counters from one to the next.
 */
const several = {
  fileParallelism: true,
  maxWorkers: Number(process.env['DOCKERSH_TEST_WORKERS'] ?? 2),
  isolate: false,
} as const;
const one = { fileParallelism: false, isolate: false } as const;

/** Files that another one beside them would make fail, or would be made to fail by them. */
const alone = {
  integration: [
    // They count what a flood costs, or measure memory that depends on who is faster.
    'test/integration/attacks-floods.test.ts',
    'test/integration/verbs/memory.test.ts',
    // A file system whose server never answers holds up what the kernel writes for all.
    'test/integration/attacks-descriptors.test.ts',
    // It counts the kernel's memory, and takes a while to go.
    'test/integration/network/many-links.test.ts',
    // Doctor looks at every account of the machine, and at what is mounted.
    'test/integration/doctor/doctor.test.ts',
    'test/integration/doctor/firewalls.test.ts',
  ],
  e2e: [
    // It measures disks, and what a slow one has yet to write holds up everybody's sync(1).
    'test/e2e/policy/devices.test.ts',
    // Eight logins at a time keep both processors busy.
    'test/e2e/host/leaks.test.ts',
    // It takes all terminals of the kernel's, and whatever else there is one table of.
    'test/e2e/sandbox/counters.test.ts',
  ],
};

/** Without results of an earlier run, vitest begins with the largest file; of the machines, this one takes longest. */
const longest = '/test/vm/kernel/kernel.test.ts';

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const all = await super.sort(files);
    const machines = all.filter(({ project }) => project.name === 'vm');
    const isLongest = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith(longest);
    const inOrder = [...machines.filter(isLongest), ...machines.filter((one) => !isLongest(one))].values();
    return all.map((one) => (one.project.name === 'vm' ? (inOrder.next().value ?? one) : one));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 20_000, // where others need the processors as well
          // Modules are loaded once a worker, not once a file: that alone was two thirds of the time. Files
          // leave nothing behind for the next one. Some wait for a timer; another worker runs meanwhile.
          isolate: false,
          maxWorkers: Math.max(2, availableParallelism() - 1),
        },
      },
      {
        test: {
          ...real,
          ...several,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: alone.integration,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...real,
          ...one,
          name: 'integration-alone',
          include: alone.integration,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...real,
          ...several,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: alone.e2e,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          ...real,
          ...one,
          name: 'e2e-alone',
          include: alone.e2e,
          sequence: { groupOrder: 4 },
        },
      },
      {
        test: {
          ...real,
          ...one,
          name: 'attacks',
          include: ['test/attacks/**/*.test.ts'],
          sequence: { groupOrder: 5 },
        },
      },
      {
        test: {
          ...real,
          name: 'vm',
          // Each file has systems of its own.
          ...several,
          include: ['test/vm/**/*.test.ts'],
          sequence: { groupOrder: 6 },
        },
      },
    ],
  },
});
