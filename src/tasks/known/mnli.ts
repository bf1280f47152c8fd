import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

const COLUMNS = { text: 'sentence1', pair: 'sentence2', label: 'gold_label' };
const HUB_COLUMNS = { text: 'premise', pair: 'hypothesis', label: 'label' };

/** The same training pairs with either development set: of the genres of the training data, or of others. */
function mnliTask(name: string, part: 'matched' | 'mismatched') {
  return glueTask({
    name,
    kind: classification,
    labels: ['entailment', 'neutral', 'contradiction'],
    columns: { text: 'sentence1', pair: 'sentence2', label: 'label' },
    metrics: ['accuracy'],
    folders: ['mnli', 'MNLI'],
    files: { train: [{ file: 'train.tsv', columns: COLUMNS }], dev: [{ file: `dev_${part}.tsv`, columns: COLUMNS }] },
    hub: { config: 'mnli', splits: { train: 'train', dev: `validation_${part}` }, columns: HUB_COLUMNS },
  });
}

/** MNLI (Williams et al., arXiv 1704.05426), matched: 392,702 / 9,815 pairs. */
export const mnli = mnliTask('mnli', 'matched');

/** MNLI, mismatched: 392,702 / 9,832 pairs. */
export const mnliMismatched = mnliTask('mnlimm', 'mismatched');
