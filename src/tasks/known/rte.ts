import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

/** RTE (GLUE, arXiv 1804.07461): does the first text entail the second? 2,490 / 277 pairs. */
export const rte = glueTask({
  name: 'rte',
  kind: classification,
  labels: ['entailment', 'not_entailment'],
  columns: { text: 'sentence1', pair: 'sentence2', label: 'label' },
  metrics: ['accuracy'],
  folders: ['rte', 'RTE'],
  files: { train: [{ file: 'train.tsv' }], dev: [{ file: 'dev.tsv' }] },
  hub: { config: 'rte' },
});
