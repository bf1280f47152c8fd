import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

/** SST-2 (Socher et al., 2013): is a phrase from a film review negative or positive? 67,349 / 872 phrases. */
export const sst2 = glueTask({
  name: 'sst2',
  kind: classification,
  labels: ['negative', 'positive'],
  columns: { text: 'sentence', label: 'label' },
  metrics: ['accuracy'],
  folders: ['sst2', 'SST-2'],
  files: { train: [{ file: 'train.tsv' }], dev: [{ file: 'dev.tsv' }] },
  hub: { config: 'sst2' },
});
