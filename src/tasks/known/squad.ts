import { readSquad } from '../../data/readers/index.js';
import { placeOf, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import type { MetricName } from '../../metrics/names.js';
import { span } from '../kinds/span.js';
import { tableToExamples } from '../rows.js';
import type { DataFiles } from './dataFile.js';
import { fileTask, type HubSource } from './fileTask.js';

interface SquadDefinition extends DataFiles {
  readonly metrics: readonly MetricName[];
  readonly hub: HubSource;
  /** Questions may have no answer. */
  readonly unanswerable?: boolean;
}

function squadTask({ unanswerable = false, ...definition }: SquadDefinition) {
  return fileTask({
    ...definition,
    kind: span,
    labels: [],
    columns: COLUMNS,
    maxLength: 384,
    read: readSquad,
    examples: (table) => squadExamples(table, definition.name, unanswerable),
  });
}

const COLUMNS = { text: 'question', pair: 'context', label: 'answers' };

/**
 * Questions on passages from a table with SQuAD's columns (`readSquad`, or the hub's Parquet files), with SQuAD's ids.
 *
 * @throws DiffoError that names article and question where an answer is not in its passage, or must not be missing
 */
export function squadExamples(table: Table, name: string, unanswerable: boolean): Example[] {
  const examples = tableToExamples(table, { name, kind: span, labels: [], columns: COLUMNS });
  return examples.map((example, i) => {
    const row = table.rows[i]!;
    if (!unanswerable && example.answers!.length === 0) {
      throw new DiffoError(
        `${placeOf(table.path, row)}: it has no answer, and each question of ${name} has one. ` +
          'Questions without an answer are for squad2, or a task of your own.',
      );
    }
    return { ...example, id: typeof row.values.id === 'string' ? row.values.id : example.id };
  });
}

/** SQuAD 1.1 (Rajpurkar et al., arXiv 1606.05250): where in a passage is the answer? 87,599 / 10,570 questions. */
export const squad = squadTask({
  name: 'squad',
  metrics: ['f1', 'exact_match'],
  folders: ['squad', 'SQuAD'],
  files: { train: ['train-v1.1.json'], dev: ['dev-v1.1.json'] },
  hub: { repository: 'rajpurkar/squad', config: 'plain_text', splits: { train: 'train', dev: 'validation' } },
});

/** SQuAD 2.0 (Rajpurkar et al., arXiv 1806.03822): the passage may not say. 130,319 / 11,873 questions. */
export const squad2 = squadTask({
  name: 'squad2',
  metrics: ['f1', 'exact_match', 'best_f1', 'best_exact_match'],
  folders: ['squad', 'SQuAD'],
  files: { train: ['train-v2.0.json'], dev: ['dev-v2.0.json'] },
  hub: { repository: 'rajpurkar/squad_v2', config: 'squad_v2', splits: { train: 'train', dev: 'validation' } },
  unanswerable: true,
});

/** XQuAD's English part (Artetxe et al., arXiv 1910.11856), to score on: 1,190 questions of SQuAD 1.1's dev set. */
export const xquad = squadTask({
  name: 'xquad',
  metrics: ['f1', 'exact_match'],
  folders: ['xquad', 'XQuAD'],
  files: { dev: ['xquad.en.json'] },
  hub: { repository: 'google/xquad', config: 'xquad.en', splits: { dev: 'validation' } },
});
