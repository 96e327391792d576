import { defineConfig } from 'vitest/config';

/**
 * Five suites. `unit` needs nothing but Node; `simulation` too, for a minute of both processors; `integration` uses a real
 * Postgres, a real Temporal server and the simulator over HTTP; `end-to-end` starts and kills real processes; `contract` has
 * Schemathesis make up requests for them. Unit tests share their modules: to load them anew for each of a hundred files
 * takes longer than the tests.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    setupFiles: ['test/support/fixed-seed.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{int,e2e,sim,contract}.test.ts'],
          maxWorkers: 2,
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'simulation', include: ['test/**/*.sim.test.ts'], maxWorkers: 2, isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/**/*.int.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // As many on every machine: what files do to each other side by side is to be seen on the smallest one.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'end-to-end',
          include: ['test/**/*.e2e.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: 'contract',
          include: ['test/contract/**/*.contract.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          hookTimeout: 120_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
