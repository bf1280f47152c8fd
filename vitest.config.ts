import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { nightly } from './test/nightly.js';

/** Ends what hangs. Far more than any test takes on a slow and busy machine: no result may depend on it. */
const patience = nightly ? 7_200_000 : 600_000;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/build.ts',
    setupFiles: 'test/setup.ts',
    // The files of a worker share their modules: of nearly two hundred files each would load the package for itself.
    isolate: false,
    // By default one core is left to others: of two that is half.
    maxWorkers: availableParallelism(),
    testTimeout: patience,
    hookTimeout: patience,
    teardownTimeout: 60_000,
    coverage: { provider: 'v8', include: ['src/**'], reporter: ['text-summary'] },
  },
});
