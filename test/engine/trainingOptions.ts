import type { TrainingOptions } from '../../src/engine/training.js';
import { objectives } from '../objectives.js';

/** Four steps of eight examples, without dropout. */
export const trainingOptions: TrainingOptions = {
  objective: objectives.classification,
  steps: () => 4,
  batchSize: 8,
  seed: 1,
  learningRate: 1e-2,
  weightDecay: 0.01,
  warmupRatio: 0.1,
  maxGradNorm: 1,
  dropoutRate: 0,
  threads: 1,
};
