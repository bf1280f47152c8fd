import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { emptyScores } from '../../src/metrics/ofRows.js';
import { silent } from '../../src/reporter.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { temporaryFolder } from '../cli/run.js';
import { quickConfig } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  task = folder.path('reviews.csv');
  const rows = Array.from({ length: 60 }, (_, i) => `the cat ${i},${i % 20 === 0 ? 'rare' : i % 2 ? 'good' : 'bad'}\n`);
  await writeFile(task, `review,stars\n${rows.join('')}`);
});
afterAll(() => folder.remove());

/** What a run warns of. */
async function warningsOf(change: Partial<TrainConfigInput>): Promise<string[]> {
  const warnings: string[] = [];
  const reporter = { ...silent, warn: (line: string) => void warnings.push(line) };
  const config = quickConfig(task, { method: 'head', maxSteps: 1, ...change });
  await trainIn(await openWorkspace(config, reporter), config, { reporter });
  return warnings;
}

describe('a class of which no example is used', () => {
  it('is named where training examples are drawn: of 54 with 2 rare ones, 8 have 0', async () => {
    expect(await warningsOf({ maxTrainSamples: 8, metrics: ['accuracy'] })).toEqual([
      'reviews train: no example of "rare" is used (2 are there, and none was drawn), so that it cannot be learned.',
    ]);
  });

  it('is named where the scored examples are drawn', async () => {
    expect(await warningsOf({ maxEvalSamples: 2, metrics: ['accuracy'] })).toEqual([
      'reviews dev: no example of "rare" is used (1 are there, and none was drawn), so that no score tells of it.',
    ]);
  });

  it('is not where all are used', async () => {
    expect(await warningsOf({ metrics: ['accuracy'] })).toEqual([]);
  });
});

describe('a metric of constants', () => {
  // scipy.stats.pearsonr and spearmanr of constants are nan, sklearn.metrics.matthews_corrcoef 0.
  const names = ['pearson', 'spearman', 'matthews', 'accuracy'] as const;

  it('is said to tell nothing', () => {
    expect(emptyScores(names, [1, 1, 1], [0, 1, 0], (value) => `"${value}"`)).toEqual([
      'pearson is not defined and tells nothing: every prediction is "1".',
      'spearman is not defined and tells nothing: every prediction is "1".',
      'matthews is 0 by convention and tells nothing: every prediction is "1".',
    ]);
    expect(emptyScores(['pearson'], [1, 2], [3, 3], String)).toEqual([
      'pearson is not defined and tells nothing: every label is 3.',
    ]);
    expect(emptyScores(['pearson'], [1], [3], String)[0]).toContain('there are fewer than two rows');
    expect(emptyScores(names, [0, 1], [0, 1], String)).toEqual([]);
  });

  it('is warned of by a run', async () => {
    const [warning] = await warningsOf({ headLr: 1e-30, metrics: ['matthews'] });
    expect(warning).toMatch(/^matthews is 0 by convention and tells nothing: every prediction is "\w+"\.$/);
  });
});
