import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Integration and e2e tests make cgroups, mounts and users on the machine they run on: one file at a
// time, each in a process of its own, with hooks that leave room for a build and for the clean-up.
const real = {
  pool: 'forks',
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 180_000,
} as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 5_000,
          // Modules are loaded once a worker, not once a file: that alone was two thirds of the time. Files
          // leave nothing behind for the next one. Some wait for a timer; another worker runs meanwhile.
          isolate: false,
          maxWorkers: Math.max(2, availableParallelism() - 1),
        },
      },
      {
        test: {
          ...real,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...real,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...real,
          name: 'attacks',
          include: ['test/attacks/**/*.test.ts'],
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          ...real,
          name: 'vm',
          // Each file has systems of its own, and one of two mostly waits.
          fileParallelism: true,
          maxWorkers: 2,
          include: ['test/vm/**/*.test.ts'],
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
