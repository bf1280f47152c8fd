import type { SearchOptions } from '../../src/selection/search.js';
import { objectives } from '../objectives.js';

/** A search of six steps over the tiny BERT: three layers of six modules. */
export const searchOptions: SearchOptions = {
  objective: objectives.classification,
  relax: 'sigmoid',
  groups: [0, 1, 2].map((layer) => ({ entries: [0, 1, 2, 3, 4, 5].map((i) => 6 * layer + i), kept: 3 })),
  order: 'first',
  optimizer: 'adam',
  start: 'zero',
  entropyWeight: 0,
  rank: 2,
  alpha: 4,
  steps: 6,
  batchSize: 4,
  learningRate: 1e-2,
  warmupSteps: 1,
  damLearningRate: 0.03,
  maxGradNorm: 1,
  threads: 1,
};
