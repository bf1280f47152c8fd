import { classification } from '../kinds/classification.js';
import { glueTask } from './glue.js';

const HEADER = ['source', 'label', 'author_mark', 'sentence'];

/** CoLA (Warstadt et al., arXiv 1805.12471): is a sentence acceptable English? 8,551 / 1,043 sentences. */
export const cola = glueTask({
  name: 'cola',
  kind: classification,
  labels: ['unacceptable', 'acceptable'],
  columns: { text: 'sentence', label: 'label' },
  metrics: ['matthews', 'accuracy'],
  folders: ['cola', 'CoLA'],
  files: {
    train: [{ file: 'train.tsv', header: HEADER }],
    dev: [{ file: 'dev.tsv', header: HEADER }],
  },
  hub: { config: 'cola' },
});
