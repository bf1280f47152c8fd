import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

/** WNLI (Levesque et al., 2012; GLUE): is the pronoun resolved rightly? 635 / 71 pairs. */
export const wnli = glueTask({
  name: 'wnli',
  kind: classification,
  labels: ['not_entailment', 'entailment'],
  columns: { text: 'sentence1', pair: 'sentence2', label: 'label' },
  metrics: ['accuracy'],
  folders: ['wnli', 'WNLI'],
  files: { train: [{ file: 'train.tsv' }], dev: [{ file: 'dev.tsv' }] },
  hub: { config: 'wnli' },
});
