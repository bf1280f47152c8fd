import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

/** QQP (Iyer et al., 2017): do two questions ask the same? 363,846 / 40,430 pairs. */
export const qqp = glueTask({
  name: 'qqp',
  kind: classification,
  labels: ['not_duplicate', 'duplicate'],
  columns: { text: 'question1', pair: 'question2', label: 'is_duplicate' },
  metrics: ['accuracy', 'f1'],
  folders: ['qqp', 'QQP'],
  files: { train: [{ file: 'train.tsv' }], dev: [{ file: 'dev.tsv' }] },
  hub: { config: 'qqp', columns: { text: 'question1', pair: 'question2', label: 'label' } },
});
