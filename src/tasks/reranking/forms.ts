import { cellOf, placeOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { filledCells, isEmpty, isNoNumber, requireText } from '../rows.js';
import type { Columns } from '../task.js';

declare module '../../data/types.js' {
  interface Example {
    /** Texts that are to be ranked for the query. */
    readonly candidates?: readonly Candidate[];
  }
}

/** A text that is to be ranked. */
export interface Candidate {
  readonly text: string;
  /** How much it answers the query; absent when only predicting. */
  readonly relevance?: number;
}

/**
 * What rows say of candidates: how relevant each is (`scores`), or which are relevant and which are not (`negatives`).
 */
export const forms = ['scores', 'negatives'] as const;
/** One of {@link forms}. */
export type Form = (typeof forms)[number];

/** Usual names of columns. */
export const usualQueries = ['query', 'question', 'anchor', 'text', 'sentence1', 'text1'] as const;
const singles = ['passage', 'document', 'doc', 'text2', 'sentence2', 'positive'] as const;
const lists = ['passages', 'documents', 'docs', 'positives', 'candidates'] as const;
export const usualPassages = [...singles, ...lists] as const;
const usualScores = ['label', 'labels', 'score', 'scores', 'relevance'] as const;
const negativeColumn = /^(hard_)?negatives?(_?\d+)?$|^neg$/;
export const usualLabels = [
  ...usualScores,
  'negative',
  'negatives',
  'hard_negative',
  'hard_negatives',
  'negative_1',
  'neg',
] as const;

/** Columns of texts that are not relevant, that a table has. */
export function negativeColumnsOf({ columns }: Table): string[] {
  return columns.filter((name) => negativeColumn.test(name));
}

/** The form of a table, by its columns. @param negatives columns that are named as such */
export function formOf({ label }: Columns, negatives: readonly string[] = []): Form {
  return negativeColumn.test(label) || negatives.includes(label) ? 'negatives' : 'scores';
}

/** True for queries with passages and numbers beside them, the columns called so. */
export function areScoredPassages(table: Table, { text, pair, label }: Columns): boolean {
  const asked: readonly string[] = usualQueries.slice(0, 3);
  const told: readonly string[] = [...singles.slice(0, 3), ...lists.slice(0, 3)];
  if (pair === undefined || !asked.includes(text) || !told.includes(pair) || !table.columns.includes(pair))
    return false;
  const isNumber = (cell: unknown) =>
    ['number', 'bigint', 'string'].includes(typeof cell) && !Number.isNaN(Number(cell));
  const cells = filledCells(table, label);
  return cells.length > 0 && cells.every((cell) => (Array.isArray(cell) ? cell : [cell]).every(isNumber));
}

/** What of a task decides how its rows are read. */
export interface RowReading {
  readonly columns: Columns;
  readonly form: Form;
  /** Columns of texts that are not relevant. */
  readonly negatives: readonly string[];
}

/** Marks rows whose candidates have scores, whatever the form of the task's own rows. */
const scoredMark = 'has scores';

/**
 * A table to be scored or answered, told in the columns of the task: passages and scores may be called by other usual names, and
 * scores may stand for negatives or negatives for scores.
 * @throws DiffoError that names the row where one has nothing that could be ranked
 */
export function inColumnsOf(table: Table, { columns, form }: RowReading): Table {
  const { text, pair, label } = columns;
  if (pair === undefined) return table;
  const has = (name: string) => table.columns.includes(name);
  const passages = [pair, ...usualPassages].find(has);
  if (passages === undefined || (has(pair) && has(label))) return table;
  const scores = form === 'scores' && has(label) ? label : usualScores.find(has);
  const negatives = form === 'negatives' && has(label) ? [label] : negativeColumnsOf(table);
  const told = scores ?? negatives[0];
  const others = scores === undefined ? negatives : [];
  const note = [
    ...(passages === pair ? [] : [`passages are read from "${passages}"`]),
    ...(told === undefined || told === label
      ? []
      : [`${scores === undefined ? 'negatives' : 'scores'} from "${told}"`]),
  ].join(', ');
  const rows = table.rows.map((row) => {
    if (told === undefined) return { ...row, values: { ...row.values, [pair]: cellOf(row, passages) } };
    const reading = {
      columns: { text, pair: passages, label: told },
      form: formOf({ text, label: told }),
      negatives: others,
    };
    const example = exampleOf(reading, row, placeOf(table.path, row));
    const list = candidatesOf(example);
    const isList = example.candidates !== undefined;
    const cell = <T>(of: readonly T[]) => (isList ? of : of[0]);
    const relevances = list.map(({ relevance }) => relevance);
    const values = {
      [text]: example.text,
      [pair]: cell(list.map((one) => one.text)),
      [label]: relevances.includes(undefined) ? null : cell(relevances),
      [scoredMark]: true,
    };
    return { ...row, values };
  });
  const notes = note === '' ? {} : { notes: [...(table.notes ?? []), `${table.path}: ${note}`] };
  return { ...table, columns: [text, pair, ...(told === undefined ? [] : [label])], rows, ...notes };
}

/**
 * A row as an example: a text and its pair, or with candidates; without what is to be learned where its cell is missing or empty.
 * @throws DiffoError that names the row
 */
export function exampleOf({ columns, form, negatives }: RowReading, row: Row, where: string): Example {
  const text = requireText(row, columns.text, where);
  // A text from the command line, whose pair is given beside it.
  if (columns.pair === undefined) return { id: String(row.line), text };
  refuseEmpty(text, columns.text, where);
  const passages = passagesOf(row, columns.pair, where);
  const told =
    form === 'scores' || cellOf(row, scoredMark) === true
      ? scored(passages, columns, row, where)
      : opposed(passages, columns, negatives, row, where);
  const same = told.list.find((one) => one.text.trim() === text.trim());
  if (same !== undefined && told.isLabelled) {
    throw new DiffoError(
      `${where}: the query stands among its own passages, ${shown(text)}: nothing is to be learned of that. Take it out.`,
    );
  }
  const example = { id: String(row.line), text };
  const [first] = told.list;
  if (told.isList) return { ...example, candidates: told.list };
  const { relevance } = first!;
  return { ...example, pair: first!.text, ...(relevance === undefined ? {} : { label: relevance }) };
}

interface Told {
  readonly list: readonly Candidate[];
  /** They stand in the row as a list, and are ranked as such. */
  readonly isList: boolean;
  readonly isLabelled: boolean;
}

function scored(passages: Passages, { pair, label }: Columns, row: Row, where: string): Told {
  const { texts, isList } = passages;
  const cell = cellOf(row, label);
  refuseTwice(texts, pair!, where);
  if (isEmpty(cell)) return { list: texts.map((text) => ({ text })), isList, isLabelled: false };
  if (Array.isArray(cell) !== isList) {
    const [is, wanted] = isList ? ['a list of texts', 'a list of as many numbers'] : ['one text', 'one number'];
    throw new DiffoError(
      `${where}: column "${pair}" holds ${is}, and column "${label}" holds ${shownCell(cell, 40)}. Write ${wanted}.`,
    );
  }
  const scores: readonly unknown[] = Array.isArray(cell) ? cell : [cell];
  if (scores.length !== texts.length) {
    throw new DiffoError(
      `${where}: column "${pair}" has ${texts.length} texts, and column "${label}" ${scores.length} numbers. Give every text its own.`,
    );
  }
  const list = texts.map((text, i) => ({ text, relevance: scoreOf(scores[i], label, where) }));
  return { list, isList, isLabelled: true };
}

function opposed(
  { texts, isList }: Passages,
  { pair, label }: Columns,
  names: readonly string[],
  row: Row,
  where: string,
): Told {
  refuseTwice(texts, pair!, where);
  if (isEmpty(cellOf(row, label))) return { list: texts.map((text) => ({ text })), isList, isLabelled: false };
  const others = names.flatMap((name) => {
    if (isEmpty(cellOf(row, name))) return [];
    const found = passagesOf(row, name, where).texts;
    const both = found.find((text) => texts.includes(text));
    if (both === undefined) return found;
    throw new DiffoError(`${where}: ${shown(both)} is both in "${pair}" and in "${name}". Take it out of one.`);
  });
  const list = [...texts.map((text) => ({ text, relevance: 1 })), ...others.map((text) => ({ text, relevance: 0 }))];
  return { list, isList: true, isLabelled: true };
}

interface Passages {
  readonly texts: readonly string[];
  readonly isList: boolean;
}

/** The texts of a cell: one, or a list. */
function passagesOf(row: Row, column: string, where: string): Passages {
  const cell = cellOf(row, column);
  if (!Array.isArray(cell)) {
    const text = requireText(row, column, where);
    refuseEmpty(text, column, where);
    return { texts: [text], isList: false };
  }
  if (cell.length === 0)
    throw new DiffoError(`${where}: column "${column}" is an empty list. Give texts, or remove the row.`);
  for (const one of cell) {
    if (typeof one === 'string' && one.trim() !== '') continue;
    throw new DiffoError(
      `${where}: column "${column}" has ${shownCell(one, 40)} among its texts. Write a text, or take it out.`,
    );
  }
  return { texts: cell as string[], isList: true };
}

function refuseEmpty(text: string, column: string, where: string): void {
  if (text.trim() !== '') return;
  throw new DiffoError(`${where}: column "${column}" is empty, and nothing can be learned of no text. Remove the row.`);
}

function refuseTwice(texts: readonly string[], column: string, where: string): void {
  const twice = texts.find((text, i) => texts.indexOf(text) !== i);
  if (twice === undefined) return;
  throw new DiffoError(`${where}: ${shown(twice)} stands twice in "${column}". Take it out once.`);
}

function scoreOf(cell: unknown, column: string, where: string): number {
  const isScalar = ['number', 'string', 'bigint'].includes(typeof cell) && !isEmpty(cell);
  const score = isScalar ? Number(cell) : Number.NaN;
  if (Number.isFinite(score)) return score;
  const cure = isNoNumber(cell) ? 'no finite number. Write one, or remove the row' : 'not a number. Mend it';
  throw new DiffoError(
    `${where}: column "${column}" is to say how relevant a passage is, and ${shownCell(cell, 40)} is ${cure}.`,
  );
}

const shown = (text: string) => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);

/** The candidates of an example, where it has a pair alone: that one. */
export function candidatesOf({ candidates, pair, label }: Example): readonly Candidate[] {
  if (candidates !== undefined) return candidates;
  return [{ text: pair ?? '', ...(label === undefined ? {} : { relevance: label }) }];
}

/** Rows of a query and one passage each, gathered by query in the order of first rows; rows with lists stay as they are. */
export function gatheredQueries(rows: readonly Example[]): Example[] {
  const queries = new Map<string, Example & { candidates: Candidate[] }>();
  const gathered: Example[] = [];
  for (const row of rows) {
    if (row.candidates !== undefined) {
      gathered.push(row);
      continue;
    }
    const known = queries.get(row.text);
    if (known !== undefined) {
      known.candidates.push(...candidatesOf(row));
      continue;
    }
    const query = { id: row.id, text: row.text, candidates: [...candidatesOf(row)] };
    queries.set(row.text, query);
    gathered.push(query);
  }
  return gathered;
}
