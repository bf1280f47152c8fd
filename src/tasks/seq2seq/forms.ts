import { isPlainText, lineColumn } from '../../data/readers/index.js';
import { cellOf, placeOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import { DiffoError, quoted } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import { isEmpty } from '../rows.js';
import type { Columns } from '../task.js';

/** Names that the columns of a text to read and of one to write go by, the first being meant where none is there. */
export const usualPairs = [
  ['source', 'target'],
  ['document', 'summary'],
  ['article', 'highlights'],
  ['dialogue', 'summary'],
  ['article', 'summary'],
  ['text', 'summary'],
  ['src', 'tgt'],
  ['input_text', 'target_text'],
  ['inputs', 'targets'],
  ['input', 'output'],
] as const;

/** The column of translations, as the hub has them: `{"en": …, "de": …}`. */
const translations = 'translation';

/** Columns of other tasks, whose rows may have one of the pairs besides. */
const ofOthers = ['label', 'instruction', 'prompt', 'messages', 'conversations'];

/** From which language to which, by the keys of a translation. */
export interface Languages {
  readonly sourceLanguage?: string | undefined;
  readonly targetLanguage?: string | undefined;
}

/** True for a table of texts to read and texts to write, where nobody says so. */
export function holdsPairs({ columns, rows }: Table, { text, label }: Columns): boolean {
  if (ofOthers.some((column) => columns.includes(column))) return false;
  if (columns.includes(text) && columns.includes(label)) {
    return usualPairs.some(([source, target]) => source === text && target === label);
  }
  return columns.includes(translations) && rows.some((row) => isJsonObject(cellOf(row, translations)));
}

/**
 * A table with its translations told in the columns of the task, in the languages that are asked for, else in the first two. The lines of
 * a plain text are to be read.
 */
export function inTwoColumns(table: Table, columns: Columns, asked: Languages): Table {
  const { text, label } = columns;
  if (isPlainText(table) && !table.columns.includes(text)) {
    const rows = table.rows.map((row) => ({ ...row, values: { [text]: row.values[lineColumn] } }));
    return { ...table, columns: table.columns.map(() => text), rows };
  }
  const named = [asked.sourceLanguage, asked.targetLanguage].some((one) => one !== undefined);
  if (table.columns.includes(text) || !table.columns.includes(translations)) {
    if (!named) return table;
    throw new DiffoError(
      `${table.path}: languages are named, and no column is called "${translations}"; there are ${quoted(table.columns)}. Leave the languages out.`,
    );
  }
  const languages = languagesOf(table, asked);
  const [from, to] = languages;
  const told = table.rows.map((row): Row => {
    const cell = translationOf(row, placeOf(table.path, row), from);
    const translated = cell[to];
    return {
      ...row,
      values: { ...row.values, [text]: cell[from], ...(translated === undefined ? {} : { [label]: translated }) },
    };
  });
  const note = `Translations of ${table.path}: from ${from} to ${to}${named ? '' : ', as their keys stand (sourceLanguage and targetLanguage of a task file name others)'}`;
  return { ...table, columns: [...table.columns, text, label], rows: told, notes: [...(table.notes ?? []), note] };
}

function languagesOf({ path, rows }: Table, asked: Languages): readonly [from: string, to: string] {
  const first = rows.find((row) => isJsonObject(cellOf(row, translations)));
  const there = first === undefined ? [] : Object.keys(cellOf(first, translations) as object);
  const from = asked.sourceLanguage ?? there.find((one) => one !== asked.targetLanguage);
  const to = asked.targetLanguage ?? there.find((one) => one !== from);
  if (from !== undefined && to !== undefined && from !== to) return [from, to];
  throw new DiffoError(
    `${path}: a translation is between two languages, and these have ${there.length === 0 ? 'none' : quoted(there)}. Give {"en": …, "de": …}.`,
  );
}

function translationOf(row: Row, where: string, from: string): Readonly<Record<string, unknown>> {
  const cell = cellOf(row, translations);
  if (!isJsonObject(cell)) {
    throw new DiffoError(
      `${where}: "${translations}" is ${shownCell(cell, 40)}. Give {"en": …, "de": …}: a text for each language.`,
    );
  }
  if (!isEmpty(cell[from])) return cell;
  throw new DiffoError(
    `${where}: "${translations}" has no text in ${from}; it has ${quoted(Object.keys(cell))}. Write one, or remove the row.`,
  );
}
