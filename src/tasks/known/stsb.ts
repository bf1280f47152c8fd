import { regression } from '../kinds/regression.js';
import type { GlueFile } from './glue.js';
import { glueTask } from './glue.js';

/** The benchmark's own files: no header, and two more columns (the sources) on some rows. */
function original(file: string): GlueFile {
  return {
    file,
    header: ['genre', 'file', 'year', 'id', 'label', 'sentence1', 'sentence2', 'source1', 'source2'],
    optionalColumns: 2,
  };
}

/** GLUE's files of the same rows: a header, the score last. */
function glue(file: string): GlueFile {
  return { file, columns: { text: 'sentence1', pair: 'sentence2', label: 'score' } };
}

/** STS-B (Cer et al., arXiv 1708.00055): how alike are two sentences, from 0 to 5? 5,749 / 1,500 / 1,379 pairs. */
export const stsb = glueTask({
  name: 'stsb',
  kind: regression,
  labels: [],
  columns: { text: 'sentence1', pair: 'sentence2', label: 'label' },
  metrics: ['pearson', 'spearman'],
  folders: ['stsb', 'STS-B'],
  files: {
    train: [original('sts-train.tsv'), glue('train.tsv')],
    dev: [original('sts-dev.tsv'), glue('dev.tsv')],
    test: [original('sts-test.tsv')],
  },
  hub: { config: 'stsb' },
});
