import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

/** QNLI (GLUE, arXiv 1804.07461; from SQuAD): does the sentence answer the question? 104,743 / 5,463 pairs. */
export const qnli = glueTask({
  name: 'qnli',
  kind: classification,
  labels: ['entailment', 'not_entailment'],
  columns: { text: 'question', pair: 'sentence', label: 'label' },
  metrics: ['accuracy'],
  folders: ['qnli', 'QNLI'],
  files: { train: [{ file: 'train.tsv' }], dev: [{ file: 'dev.tsv' }] },
  hub: { config: 'qnli' },
});
