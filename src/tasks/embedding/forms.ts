import { cellOf, placeOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { filledCells, isEmpty, isNoNumber, labelName, refuseNameless, requireText } from '../rows.js';
import type { Columns } from '../task.js';

declare module '../../data/types.js' {
  interface Example {
    /** Texts to be told from the pair: what looks like an answer and is none. */
    readonly negatives?: readonly string[];
    /** Texts of one class belong together. */
    readonly className?: string;
    /** It is what is searched, and not what is asked. */
    readonly isPassage?: true;
  }
}

/**
 * What rows say of texts: which two belong together, and perhaps which do not (`pairs`), how near two are (`scores`), or
 * which class each has (`classes`).
 */
export const forms = ['pairs', 'scores', 'classes'] as const;
/** One of {@link forms}. */
export type Form = (typeof forms)[number];

/** Usual names of columns. */
export const usualTexts = ['query', 'anchor', 'question', 'sentence1', 'text1', 'text', 'sentence'] as const;
/** Of the text that a query is to find, in a file of pairs. */
export const usualPositives = ['positive', 'passage', 'document', 'answer'] as const;
/** Of the second text where a column says how near the two are. */
export const usualSeconds = ['sentence2', 'text2'] as const;
export const usualScores = ['score', 'similarity', 'similarity_score'] as const;
export const usualClasses = ['label', 'class'] as const;

/** Columns of hard negatives: a text each, or a list of texts. */
const negativeColumn = /^(hard_)?negatives?(_?\d+)?$|^neg$/;

/** The form of a table, by its columns. @param isOfClasses whether the loss is one of classes */
export function formOf({ label, pair }: Columns, isOfClasses?: boolean): Form {
  if (pair !== undefined) return 'scores';
  if (isOfClasses !== undefined) return isOfClasses ? 'classes' : 'pairs';
  return (usualClasses as readonly string[]).includes(label) ? 'classes' : 'pairs';
}

/** True for pairs whose columns are called as those of queries and passages are. */
export function arePairs(table: Table, { text, label, pair }: Columns): boolean {
  const [asked, found] = [usualTexts.slice(0, 3) as readonly string[], usualPositives.slice(0, 3) as readonly string[]];
  if (pair !== undefined || !asked.includes(text) || !found.includes(label)) return false;
  return filledCells(table, label).every((cell) => typeof cell === 'string');
}

/** Columns of hard negatives that a table has. */
export function negativeColumnsOf({ columns }: Table): string[] {
  return columns.filter((name) => negativeColumn.test(name));
}

/** True where every score of a table is 0 or 1. */
export function areOnOff(table: Table, { label }: Columns): boolean {
  return filledCells(table, label).every((cell) => [0, 1].includes(Number(cell)));
}

/** What of a task decides how its rows are read. */
export interface RowReading {
  readonly columns: Columns;
  readonly form: Form;
  /** Columns of hard negatives. */
  readonly negatives: readonly string[];
}

/** Marks rows whose passage stands in the place of the query. */
const passageMark = 'is a passage';

/** A table of passages alone, told in the column of the queries, so that passages can be answered too. */
export function passagesAsTexts(
  table: Table,
  { columns: { text, pair, label }, form }: Omit<RowReading, 'negatives'>,
): Table {
  const passage = pair ?? label;
  if (form === 'classes' || table.columns.includes(text) || !table.columns.includes(passage)) return table;
  const rows = table.rows.map((row) => ({ ...row, values: { [text]: cellOf(row, passage), [passageMark]: true } }));
  return { ...table, columns: [text, passageMark], rows };
}

/**
 * A row as an example; without what is to be learned where its cell is missing or empty.
 * @throws DiffoError that names the row
 */
export function exampleOf({ columns, form, negatives: names }: RowReading, row: Row, where: string): Example {
  const text = filledText(row, columns.text, where);
  const isPassage = cellOf(row, passageMark) === true ? ({ isPassage: true } as const) : {};
  const single: Example = { id: String(row.line), text, ...isPassage };
  const cell = cellOf(row, columns.label);
  if (isEmpty(cell)) return single;
  if (form === 'classes') {
    refuseNameless(cell, where);
    return { ...single, className: labelName(cell) };
  }
  if (form === 'scores') {
    const pair = filledText(row, columns.pair!, where);
    return { ...single, pair, label: scoreOf(cell, columns.label, where) };
  }
  const pair = filledText(row, columns.label, where);
  refuseSame(text, pair, columns, where);
  const negatives = names.flatMap((name) => negativesOf(cellOf(row, name), name, where));
  for (const [i, negative] of negatives.entries()) {
    const [own, ...others] = [negative, text, pair, ...negatives.slice(0, i)].map((one) => one.trim());
    const same = others.indexOf(own!);
    if (same < 0) continue;
    const is = [`both "${columns.text}" and a negative`, `both "${columns.label}" and a negative`][same];
    throw new DiffoError(`${where}: ${shown(negative)} is ${is ?? 'a negative twice'}. Take it out of one.`);
  }
  return { ...single, pair, ...(negatives.length === 0 ? {} : { negatives }) };
}

/**
 * What no row by itself shows: a text that belongs to another by one row, and does not by another row.
 * @param isOnOff scores say that two texts belong together or do not
 * @throws DiffoError that names both rows
 */
export function refuseContradictions(table: Table, examples: readonly Example[], isOnOff: boolean): void {
  const said = new Map<string, { readonly what: string; readonly i: number }>();
  for (const [i, { text, pair, label, className, negatives = [] }] of examples.entries()) {
    const claims: [string | null, string][] = [];
    if (className !== undefined) claims.push([null, `the class ${JSON.stringify(className)}`]);
    else if (label === undefined)
      claims.push([pair!, 'a passage'], ...negatives.map((one): [string, string] => [one, 'a negative']));
    else if (isOnOff) claims.push([pair!, `of the score ${label}`]);
    for (const [other, what] of claims) {
      const key = JSON.stringify([text, other]);
      const before = said.get(key);
      if (before === undefined) said.set(key, { what, i });
      else if (before.what !== what) {
        const of = other === null ? `the text ${shown(text)} has` : `for ${shown(text)}, ${shown(other)} is`;
        throw new DiffoError(
          `${placeOf(table.path, table.rows[i]!)}: ${of} ${what}, and ${before.what} in ${placeOf(table.path, table.rows[before.i]!)}. Keep one of the two.`,
        );
      }
    }
  }
}

function filledText(row: Row, column: string, where: string): string {
  const text = requireText(row, column, where);
  if (text.trim() !== '') return text;
  throw new DiffoError(`${where}: column "${column}" is empty, and nothing can be learned of no text. Remove the row.`);
}

function refuseSame(text: string, pair: string, columns: Columns, where: string): void {
  if (text.trim() !== pair.trim()) return;
  throw new DiffoError(
    `${where}: "${columns.text}" and "${columns.label}" are the same text, ${shown(text)}: nothing is to be learned of that. Remove the row.`,
  );
}

function scoreOf(cell: unknown, column: string, where: string): number {
  const score = ['number', 'string', 'bigint'].includes(typeof cell) ? Number(cell) : Number.NaN;
  if (Number.isFinite(score)) return score;
  const cure = isNoNumber(cell) ? 'no finite number. Write one, or remove the row' : 'not a number. Mend it';
  throw new DiffoError(
    `${where}: column "${column}" is to say how near the two texts are, and ${shownCell(cell, 40)} is ${cure}.`,
  );
}

/** The texts of a cell of negatives: one, or a list. */
function negativesOf(cell: unknown, column: string, where: string): string[] {
  const texts = Array.isArray(cell) ? cell : [cell];
  if (texts.every((text) => typeof text === 'string' && text.trim() !== '')) return texts as string[];
  throw new DiffoError(
    `${where}: column "${column}" holds ${shownCell(cell, 40)}. Write a text that does not answer the query, or a list of such.`,
  );
}

const shown = (text: string) => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
