import { basename } from 'node:path';
import { cellOf, placeOf, readRows, readTable, type Table } from '../data/readers/index.js';
import { makeSplit } from '../data/split.js';
import { holdOut } from '../data/stratify.js';
import type { Example, Split, SplitName } from '../data/types.js';
import { DiffoError, quoted } from '../errors.js';
import { metricsOf } from './customMetrics.js';
import { type TaskDescription, taskColumns } from './description.js';
import { spacedPrompt, withLead } from './encoding/prompt.js';
import { isEmpty, labelName, requireColumn, type TaskShape, tableToExamples } from './rows.js';
import type { Generation, Task } from './task.js';
import type { ColumnOptions, TaskOptions } from './taskOptions.js';

/** Share of the training rows held out for validation where there is no dev file. */
const HELD_OUT = 0.1;

/** How a language task of one's own asks, where it does not say: the answer is the line after the text. */
const GENERATION: Generation = { prompt: '{text}\n', maxNewTokens: 64 };

/** Longest sequence of a span task in tokens, as for SQuAD: passages are long. */
const SPAN_LENGTH = 384;

/**
 * A task from a data file alone (`.csv`, `.tsv`, `.jsonl`, each with `.gz` too). Columns are those of the options, else
 * `text`, `sentence` or `sentence1`; `pair` or `sentence2`, where there is one; `label`.
 *
 * @throws DiffoError that lists the columns there are when one is missing; and as {@link describedTask}
 */
export async function dataFileTask(path: string, options: TaskOptions): Promise<Task> {
  const columns = usualColumns(await readTable(path), options);
  return describedTask({ name: nameOf(path), train: path, columns }, options);
}

/** The columns that are named, else those usual for a text, its pair where there is one, and the label. */
export function usualColumns(table: Table, options: ColumnOptions): Task['columns'] {
  const pick = (wanted: string | undefined, usual: readonly string[]) =>
    wanted ?? usual.find((name) => table.columns.includes(name));
  const text = pick(options.textColumn, ['text', 'sentence', 'sentence1']) ?? 'text';
  const pair = pick(options.pairColumn, ['pair', 'sentence2']);
  return taskColumns({ text, pair, label: options.labelColumn ?? 'label' });
}

/** A data file's name without its ending. */
export function nameOf(path: string): string {
  return basename(path).replace(/\.(csv|tsv|jsonl|json|parquet)(\.gz)?$/i, '');
}

/**
 * A task from a description. All files are read at once, so that a mistake shows before anything is trained.
 *
 * @throws DiffoError for what {@link taskOfTables} refuses, with file and line
 */
export async function describedTask(description: TaskDescription, options: TaskOptions): Promise<Task> {
  const { dev, test } = description;
  const tables = {
    train: await readRows(description.train),
    ...(dev === undefined ? {} : { dev: await readRows(dev) }),
    ...(test === undefined ? {} : { test: await readRows(test) }),
  };
  return taskOfTables(description, tables, options);
}

/** What is to be known of a task beside its rows. */
export type TaskTerms = Omit<TaskDescription, 'train' | 'dev' | 'test'>;

/** The rows of a task of one's own. */
export interface TaskTables {
  readonly train: Table;
  /** Left out, a tenth of the training rows is held out for it. */
  readonly dev?: Table | undefined;
  readonly test?: Table | undefined;
}

/**
 * A task from rows.
 *
 * The kind: the one named, else regression where labels are numbers and not all whole, else classification; class names
 * are the labels that occur in training, sorted (as numbers where they are numbers). Without dev rows a tenth of the
 * training rows is held out, stratified by label and chosen by the seed.
 *
 * @throws DiffoError for a missing column, a label outside the set (place, allowed names), a class of one example, an
 *   answer that its passage does not hold, a metric that does not fit the kind
 */
export function taskOfTables(
  terms: TaskTerms,
  { train: table, dev, test }: TaskTables,
  options: Pick<TaskOptions, 'seed' | 'warn'>,
): Task {
  const { name, columns } = terms;
  for (const column of Object.values(columns)) requireColumn(table, column);
  const kind = terms.kind ?? (terms.labels ? 'classification' : kindOf(table, columns.label));
  const labels = kind === 'classification' ? (terms.labels ?? labelsOf(table, columns.label)) : [];
  const shape: TaskShape = { name, kind, labels, columns };
  const metrics = metricsOf(columns.choices === undefined ? kind : 'choice', terms.metrics);
  const generation = kind === 'language' ? spacedPrompt(generationOf(terms)) : undefined;
  const examplesOf = (table: Table) => {
    const examples = tableToExamples(table, shape);
    return generation ? examples.map((example) => withLead(example, generation)) : examples;
  };

  const train = examplesOf(table);
  refuseLonely(train, shape, table);
  const splits = new Map<SplitName, Split>();
  const add = (split: SplitName, examples: readonly Example[], source: string) => {
    warnOfEmpty(examples, source, options.warn);
    splits.set(split, makeSplit(split, examples, source, shape.labels));
  };
  if (dev) {
    add('train', train, table.path);
    add('dev', examplesOf(dev), dev.path);
  } else {
    const seed = options.seed ?? 0;
    const { kept, heldOut } = holdOut(train, HELD_OUT, seed);
    add('train', kept, `${table.path} (without the rows held out)`);
    add('dev', heldOut, `${table.path} (a tenth held out, seed ${seed})`);
  }
  if (test) add('test', examplesOf(test), test.path);
  return {
    ...shape,
    metrics,
    ...(generation ? { generation } : {}),
    ...(kind === 'span' ? { maxLength: SPAN_LENGTH } : {}),
    splits: [...splits.keys()],
    load: async (split) => loaded(splits, split, name),
  };
}

function generationOf({ prompt, maxNewTokens, answer }: TaskTerms): Generation {
  return {
    prompt: prompt ?? GENERATION.prompt,
    maxNewTokens: maxNewTokens ?? GENERATION.maxNewTokens,
    ...(answer === undefined ? {} : { answer }),
  };
}

function loaded(splits: ReadonlyMap<SplitName, Split>, split: SplitName, name: string): Split {
  const found = splits.get(split);
  if (!found) throw new DiffoError(`The task ${name} has no ${split} split; it has ${[...splits.keys()].join(', ')}.`);
  return found;
}

function kindOf(table: Table, column: string): Task['kind'] {
  const numbers = table.rows.map((row) => cellOf(row, column)).filter((cell) => !isEmpty(cell));
  const isNumber = (cell: unknown) => typeof cell !== 'boolean' && Number.isFinite(Number(cell));
  const scores = numbers.every(isNumber) && numbers.some((cell) => !Number.isInteger(Number(cell)));
  return scores ? 'regression' : 'classification';
}

/** Names of the classes that occur, sorted. @throws DiffoError where they are fewer than two */
export function labelsOf(table: Table, column: string): string[] {
  const cells = table.rows.map((row) => cellOf(row, column)).filter((cell) => !isEmpty(cell));
  const names = [...new Set(cells.map(labelName))];
  const numeric = names.every((name) => Number.isFinite(Number(name)));
  names.sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1));
  if (names.length < 2) {
    const found = names.length === 1 ? `only the label ${quoted(names)}` : 'no labels';
    throw new DiffoError(`${table.path} has ${found} in column "${column}". Give examples of at least two classes.`);
  }
  return names;
}

/** A class must have an example to train on and one to validate on. */
function refuseLonely(train: readonly Example[], task: TaskShape, { path, rows }: Table): void {
  if (train.length < 2) throw new DiffoError(`${path} has one row only. Give at least two.`);
  if (task.kind !== 'classification') return;
  const { labelCounts } = makeSplit('train', train, path, task.labels);
  const lonely = task.labels.filter((label) => labelCounts[label]! < 2);
  if (lonely.length === 0) return;
  const example = train.find(({ label }) => label !== undefined && lonely[0] === task.labels[label]);
  const row = rows.find(({ line }) => example?.id === String(line));
  const where = row ? `${placeOf(path, row)}: the only example of` : `${path}: no example of`;
  const others = lonely.length > 1 ? ` (and ${lonely.length - 1} more classes like it)` : '';
  throw new DiffoError(
    `${where} class "${lonely[0]}"${others}. A class ` +
      'needs two or more: add examples or remove it. If the labels are scores, set "kind: regression" in a task file.',
  );
}

export function warnOfEmpty(examples: readonly Example[], source: string, warn: (message: string) => void): void {
  const empty = examples.filter(({ text }) => text.trim() === '');
  if (empty.length > 0) {
    warn(`${source}: ${empty.length} of ${examples.length} rows have an empty text (line ${empty[0]!.id} first).`);
  }
}
