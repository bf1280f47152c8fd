import { afterAll, beforeAll, expect, it } from 'vitest';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { silent } from '../../src/reporter.js';
import { reviewsFolder } from '../cli/run.js';
import { countSessions } from '../library/sessions.js';
import { quickConfig } from './resumed.js';

const counts = countSessions();
let reviews: Awaited<ReturnType<typeof reviewsFolder>>;
beforeAll(async () => {
  reviews = await reviewsFolder();
});
afterAll(() => reviews.folder.remove());

it('a training compiles two graphs, however often it is evaluated: its step and what is scored', async () => {
  const config = quickConfig(reviews.task, { method: 'lora', evalSteps: 1, maxSteps: 3 });
  const { metrics } = await trainIn(await openWorkspace(config, silent), config, { reporter: silent });
  expect(metrics.filter(({ phase }) => phase === 'evaluate')).toHaveLength(3);
  expect(counts).toMatchObject({ opened: 2, open: 0 });
});
