import * as z from 'zod';
import { isPlainText, lineColumn } from '../../data/readers/index.js';
import type { Row, Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import type { Kind, KindTerms } from '../kinds/kind.js';
import { textsOfRow } from '../rows.js';
import type { Columns, TaskShape } from '../task.js';

declare module '../kinds/kind.js' {
  interface KindTerms {
    /** What of a file of plain text is one text: each line, or what stands between blank lines. */
    readonly documents?: Documents | undefined;
  }
  interface KindFacts {
    /** What of a file of plain text is one text: each line, or what stands between blank lines. */
    readonly documents?: Documents | undefined;
  }
}

/** What of a file of plain text is one text. */
export const documents = ['lines', 'paragraphs'] as const;
export type Documents = (typeof documents)[number];

export const documentsShape = { documents: z.enum(documents).optional() };

/** How kinds read rows that are texts and nothing else. */
export const textRows = {
  /** The text is what is learned: no column of that name has to be there. */
  columns: { text: [lineColumn], label: ['label'], pair: [], inOtherForms: true },
  inColumns(table: Table, task: TaskShape, terms?: KindTerms): Table {
    const { columns } = task;
    const told = asDocuments(table, terms?.documents ?? task.documents);
    const isThere = told.columns.includes(columns.label) || !told.columns.includes(columns.text);
    return isThere ? told : { ...told, columns: [...told.columns, columns.label] };
  },
  example({ columns }: TaskShape, row: Row, where: string): Example {
    return textsOfRow({ text: columns.text, label: columns.label }, row, where);
  },
  isLabelled: ({ text }: Example) => text.trim() !== '',
  unlabelled: 'the text is empty, so that there is nothing to learn. Write one or remove the row',
  labelCounts: () => ({}),
} satisfies Partial<Kind>;

/** True for a table of texts alone. */
export function holdsTextsAlone({ columns }: Table, { text }: Columns): boolean {
  return columns.length === 1 && columns[0] === text;
}

/** What a task file says of the texts of a file. @throws DiffoError where it asks for paragraphs of what has none */
export function documentsOf({ documents: asked }: KindTerms, table: Table): { documents?: Documents } {
  if (asked === undefined) return {};
  if (isPlainText(table)) return { documents: asked };
  throw new DiffoError(`${table.path}: "documents" is for files of plain text (.txt). Leave it out: a row is a text.`);
}

/** Lines that follow each other without a blank one between are one text, where paragraphs are asked for. */
function asDocuments(table: Table, asked: Documents | undefined): Table {
  if (asked !== 'paragraphs' || !isPlainText(table)) return table;
  const rows: { line: number; last: number; texts: string[] }[] = [];
  for (const { line, values } of table.rows) {
    const text = String(values[lineColumn]);
    const before = rows.at(-1);
    if (before?.last === line - 1) {
      before.texts.push(text);
      before.last = line;
    } else rows.push({ line, last: line, texts: [text] });
  }
  return { ...table, rows: rows.map(({ line, texts }) => ({ line, values: { [lineColumn]: texts.join('\n') } })) };
}

/** What is said of a text in which there is nothing to learn. */
export function refuseNothing(task: { readonly name: string }, count: number): void {
  if (count > 0) return;
  throw new DiffoError(`No text of ${task.name} has a token to learn. Give longer texts.`);
}
