import type { Table } from '../data/readers/table.js';
import { holdOut } from '../data/stratify.js';
import type { Example, Split, SplitName } from '../data/types.js';
import { DiffoError } from '../errors.js';
import { type KnownKinds, kindOfColumns, kindOfTable, usualColumns } from './columns.js';
import type { TaskDescription } from './description.js';
import { withLead } from './encoding/prompt.js';
import { metricsOf } from './metricsOf.js';
import { requireColumn, tableToExamples } from './rows.js';
import { splitOf } from './splitOf.js';
import type { Task, TaskShape } from './task.js';
import type { TaskOptions } from './taskOptions.js';

/** Share of the training rows held out for validation where there is no dev file. */
const HELD_OUT = 0.1;

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
 * The kind: the one named, else the one that recognises the table, such as that of scores where labels are numbers and
 * not all whole, else classes; their names are the labels that occur in training, sorted (as numbers where they are
 * numbers). Without dev rows a tenth of the training rows is held out, stratified by label and chosen by the seed.
 *
 * @param known kinds that the rows may be of
 * @throws DiffoError for a missing column, a label outside the set (place, allowed names), a class of one example, an
 *   answer that its passage does not hold, a metric that does not fit the kind
 */
export function taskOfTables(
  terms: TaskTerms,
  { train: given, dev, test }: TaskTables,
  options: Pick<TaskOptions, 'seed' | 'warn' | 'info'>,
  known: KnownKinds,
): Task {
  const { name } = terms;
  const columns = terms.columns ?? usualColumns(given, {}, terms.kind ?? kindOfTable(given, {}, known));
  const kind = terms.kind ?? (terms.labels ? known.usual : kindOfColumns(given, columns, known));
  const told = (table: Table, labels = terms.labels ?? []) => {
    const found = kind.inColumns?.(table, { name, kind, labels, columns }, terms) ?? table;
    if (found.notes !== table.notes) for (const note of found.notes ?? []) options.info?.(note);
    return found;
  };
  const table = told(given);
  for (const [role, column] of Object.entries(columns)) requireColumn(table, column, role);
  const labels = kind.labelsIn === undefined ? [] : (terms.labels ?? kind.labelsIn(table, columns));
  const facts = kind.factsOf?.(terms, table, columns) ?? {};
  const shape: TaskShape = { name, kind, labels, columns, ...facts };
  const metrics = metricsOf(kind, columns, terms.metrics, facts);
  const { generation } = facts;
  const examplesOf = (table: Table) => {
    const rows = tableToExamples(table, shape);
    const examples = kind.gathered?.(rows) ?? rows;
    return generation ? examples.map((example) => withLead(example, generation)) : examples;
  };

  const train = examplesOf(table);
  if (train.length < 2) {
    const what = table.rows.length < 2 ? 'row' : 'example';
    throw new DiffoError(`${table.path} has one ${what} only. Give at least two.`);
  }
  kind.checkTraining?.(shape, train, table);
  const splits = new Map<SplitName, Split>();
  const remark = (read: Table, trained?: Table) => {
    for (const one of kind.remarks?.(shape, read, trained) ?? []) options.warn(one);
  };
  remark(table);
  const add = (split: SplitName, examples: readonly Example[], source: string) => {
    warnOfEmpty(examples, source, options.warn);
    splits.set(split, splitOf(shape, split, examples, source));
  };
  const addTable = (split: SplitName, read: Table) => {
    add(split, examplesOf(read), read.path);
    remark(read, table);
  };
  if (dev) {
    add('train', train, table.path);
    addTable('dev', told(dev, labels));
  } else {
    const seed = options.seed ?? 0;
    const { kept, heldOut } = holdOut(train, HELD_OUT, seed);
    add('train', kept, `${table.path} (without the rows held out)`);
    add('dev', heldOut, `${table.path} (a tenth held out, seed ${seed})`);
  }
  if (test) addTable('test', told(test, labels));
  return {
    ...shape,
    metrics,
    ...(kind.maxLength === undefined ? {} : { maxLength: kind.maxLength }),
    splits: [...splits.keys()],
    load: async (split) => loaded(splits, split, name),
  };
}

function loaded(splits: ReadonlyMap<SplitName, Split>, split: SplitName, name: string): Split {
  const found = splits.get(split);
  if (!found) throw new DiffoError(`The task ${name} has no ${split} split; it has ${[...splits.keys()].join(', ')}.`);
  return found;
}

export function warnOfEmpty(examples: readonly Example[], source: string, warn: (message: string) => void): void {
  const empty = examples.filter(({ text }) => text.trim() === '');
  if (empty.length > 0) {
    warn(`${source}: ${empty.length} of ${examples.length} rows have an empty text (line ${empty[0]!.id} first).`);
  }
}
