import { afterAll, vi } from 'vitest';
import { removeFolders } from './data/files.js';

// What a file of tests makes, or puts in the place of functions and variables of the process, ends with it.
afterAll(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await removeFolders();
});
