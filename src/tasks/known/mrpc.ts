import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

const COLUMNS = { text: '#1 String', pair: '#2 String', label: 'Quality' };

/** MRPC (Dolan and Brockett, 2005): do two sentences say the same? 3,668 / 408 / 1,725 pairs. */
export const mrpc = glueTask({
  name: 'mrpc',
  kind: classification,
  labels: ['not_equivalent', 'equivalent'],
  columns: { text: 'sentence1', pair: 'sentence2', label: 'label' },
  metrics: ['accuracy', 'f1'],
  folders: ['mrpc', 'MRPC'],
  files: {
    train: [{ file: 'train.tsv', columns: COLUMNS }],
    dev: [{ file: 'dev.tsv', columns: COLUMNS }],
    test: [{ file: 'msr_paraphrase_test.txt', columns: COLUMNS }],
  },
  hub: { config: 'mrpc', splits: { train: 'train', dev: 'validation', test: 'test' } },
});
