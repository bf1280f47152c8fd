import { longestTarget } from '../../engine/batching.js';
import { labelledRows } from '../../engine/labels.js';
import type { Objective } from '../../engine/objective.js';
import { languageObjective } from './language.js';

/**
 * Cross-entropy of the tokens that are to be written, the mean over all of a batch, as transformers' …ForConditionalGeneration has it:
 * each is predicted from the text that is read and from what is to be written before it.
 */
export const writingObjective: Objective = {
  ...languageObjective,
  labels: (examples) => labelledRows(examples, longestTarget(examples)),
};
