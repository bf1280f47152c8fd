import { cellOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import { DiffoError, quoted } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import type { ChatMessage } from '../../infer/chat.js';
import { isEmpty } from '../rows.js';
import type { Columns } from '../task.js';
import { type Conversation, checkOrder, type PlainText } from './conversation.js';
import { areTurns, messageOf, messagesOf, parsed } from './messages.js';

/** A form in which rows of chats go about. */
export interface ChatForm {
  /** What one line says of it. */
  readonly title: string;
  /** True for a row of this form, by its keys. */
  has(row: Row, columns: Columns): boolean;
  /** @throws DiffoError that names the row where it cannot be read */
  read(row: Row, columns: Columns, where: string): Conversation | PlainText;
}

/** Columns of lists of turns, by what other tools call them. */
const listColumns = ['messages', 'conversations', 'conversation'];

const outputNames = ['output', 'response'];

const isThere = (row: Row, column: string): boolean =>
  cellOf(row, column) !== undefined && cellOf(row, column) !== null;

/** The column of a row's turns: the one that is named, else one of the usual names. */
const listColumn = (row: Row, { text }: Columns) => [text, ...listColumns].find((column) => isThere(row, column));

/** A list of turns as it stands, or as JSON in a text, as CSV has it. */
const turnsIn = (cell: unknown): unknown => (typeof cell === 'string' ? parsed(cell) : cell);

/** The first that a row has decides. */
const chatForms: readonly ChatForm[] = [
  {
    title: 'messages (OpenAI)',
    has: (row, columns) => areTurns(listOf(row, columns)) && !isShareGpt(row, columns),
    read: readTurns,
  },
  { title: 'conversations (ShareGPT)', has: isShareGpt, read: readTurns },
  // Turns that are wrong, whatever else the row has: what is wrong with them is told.
  { title: 'turns', has: (row, columns) => Array.isArray(listOf(row, columns)), read: readTurns },
  {
    title: 'a prompt and its completion',
    has: (row, columns) => promptColumns(row, columns) !== undefined,
    read: readPair,
  },
  {
    title: 'an instruction and its output (Alpaca)',
    has: (row) => isThere(row, 'instruction') && outputColumn(row) !== undefined,
    read: readInstruction,
  },
  // What is to be predicted lacks the answers.
  { title: 'prompts', has: (row) => isThere(row, 'prompt'), read: readPair },
  { title: 'instructions', has: (row) => isThere(row, 'instruction'), read: readInstruction },
  {
    title: "a user's message",
    has: (row, { text }) => typeof cellOf(row, text) === 'string' && text !== 'text',
    read: (row, { text }) => ({ messages: [{ role: 'user', content: String(cellOf(row, text)) }] }),
  },
  {
    title: 'plain text',
    has: (row) => typeof cellOf(row, 'text') === 'string',
    read: (row, _columns, where) => plainText(cellOf(row, 'text'), where),
  },
];

/**
 * A row in whatever form.
 * @throws DiffoError where it has none, with the keys that it has
 */
export function formOf(row: Row, columns: Columns, where: string): ChatForm {
  const found = chatForms.find((form) => form.has(row, columns));
  if (found !== undefined) return found;
  const column = listColumn(row, columns);
  if (column !== undefined) return { title: column, has: () => true, read: readTurns };
  const empty = [columns.text, ...listColumns].find((name) => name in row.values);
  if (empty !== undefined) {
    throw new DiffoError(
      `${where}: "${empty}" holds nothing. Give a list of turns, each with role and content, or remove the row.`,
    );
  }
  throw new DiffoError(
    `${where}: no form of a chat has the keys ${quoted(Object.keys(row.values))}. Give messages, conversations, prompt and ` +
      'completion, instruction and output, or text.',
  );
}

/** `Chats of chats.jsonl: 1,200 rows, messages (OpenAI)`: what forms a table's rows have, the most frequent first. */
export function formsNote({ path, rows }: Table, forms: readonly ChatForm[]): string {
  const counts = new Map<string, number>();
  for (const { title } of forms) counts.set(title, (counts.get(title) ?? 0) + 1);
  const parts = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([title, count]) => (counts.size > 1 ? `${count} of ` : '') + title);
  return `Chats of ${path}: ${rows.length.toLocaleString('en-US')} rows, ${parts.join(', ')}`;
}

/**
 * True for a table that holds chats where nobody says so: it has lists of turns, or the columns of one of the forms of two columns and
 * none of a label.
 */
export function holdsChats({ columns, rows }: Table, { text, label }: Columns): boolean {
  const has = (column: string) => columns.includes(column);
  const isNamed = !listColumns.includes(text);
  if (isNamed || has(label) || has('label')) {
    return rows.some((row) =>
      areTurns(turnsIn(cellOf(row, isNamed ? text : (listColumn(row, { text, label }) ?? text)))),
    );
  }
  const pairs = [['prompt', 'completion'], ...outputNames.map((output) => ['instruction', output])];
  return listColumns.some(has) || pairs.some((pair) => pair.every(has));
}

function listOf(row: Row, columns: Columns): unknown {
  const column = listColumn(row, columns);
  return column === undefined ? undefined : turnsIn(cellOf(row, column));
}

function isShareGpt(row: Row, columns: Columns): boolean {
  const list = listOf(row, columns);
  return areTurns(list) && list.every((turn) => !('role' in turn));
}

function readTurns(row: Row, columns: Columns, where: string): Conversation {
  const system = cellOf(row, 'system');
  const messages = messagesOf(listOf(row, columns), where);
  const begun = messages[0]!.role === 'system' || isEmpty(system);
  return {
    messages: begun ? messages : [{ role: 'system', content: textIn(row, 'system', where) }, ...messages],
    ...toolsOf(row, where),
  };
}

/** The columns of a prompt and its completion, by what they are called. */
function promptColumns(row: Row, { text, label }: Columns): readonly [string, string] | undefined {
  const named = [text, label] as const;
  return ([named, ['prompt', 'completion']] as const).find(
    ([prompt, completion]) => isThere(row, prompt) && completion in row.values,
  );
}

function readPair(row: Row, columns: Columns, where: string): Conversation {
  const [prompt, completion] = promptColumns(row, columns) ?? ['prompt', 'completion'];
  const before = turnsOrText(row, prompt, 'user', where);
  const after = isThere(row, completion) ? turnsOrText(row, completion, 'assistant', where) : [];
  const messages = [...before, ...after];
  checkOrder(messages, where);
  return { messages, ...toolsOf(row, where) };
}

/** A column of turns, or of one turn's text. */
export function turnsOrText(row: Row, column: string, role: string, where: string): readonly ChatMessage[] {
  const cell = cellOf(row, column);
  if (!areTurns(cell)) return [turn(role, row, column, where)];
  return cell.map((one, i) => messageOf(one, `${where}: "${column}", turn ${i + 1}`));
}

const outputColumn = (row: Row) => outputNames.find((column) => column in row.values);

function readInstruction(row: Row, _columns: Columns, where: string): Conversation {
  const [system, input, history] = ['system', 'input', 'history'].map((column) => cellOf(row, column));
  const asked = [textIn(row, 'instruction', where), ...(isEmpty(input) ? [] : [textIn(row, 'input', where)])].join(
    '\n',
  );
  if (asked.trim() === '') {
    throw new DiffoError(`${where}: "instruction" is empty. Write what is asked, or remove the row.`);
  }
  const output = outputColumn(row);
  return {
    messages: [
      ...(isEmpty(system) ? [] : [{ role: 'system', content: textIn(row, 'system', where) }]),
      ...pastTurns(history, where),
      { role: 'user', content: asked },
      ...(output === undefined || !isThere(row, output) ? [] : [turn('assistant', row, output, where)]),
    ],
    ...toolsOf(row, where),
  };
}

/** Alpaca's history: pairs of what was said and answered before. */
function pastTurns(history: unknown, where: string): ChatMessage[] {
  const pairs = typeof history === 'string' ? parsed(history) : history;
  if (isEmpty(pairs)) return [];
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && pair.length === 2 && pair.every((one) => typeof one === 'string');
  if (!Array.isArray(pairs) || !pairs.every(isPair)) {
    throw new DiffoError(
      `${where}: "history" is ${shownCell(history, 40)}. Give a list of pairs of texts: what was said, and the answer.`,
    );
  }
  return (pairs as [string, string][]).flatMap(([said, answer]) =>
    messagesOf(
      [
        { role: 'user', content: said },
        { role: 'assistant', content: answer },
      ],
      `${where}: "history"`,
    ),
  );
}

/** A turn of the text in a column. @throws DiffoError where it has none, or only spaces */
function turn(role: string, row: Row, column: string, where: string): ChatMessage {
  const content = textIn(row, column, where);
  if (content.trim() !== '') return { role, content };
  const what = role === 'assistant' ? `"${column}" is an empty answer` : `"${column}" is empty`;
  throw new DiffoError(`${where}: ${what}. Write its text, or remove the row.`);
}

function textIn(row: Row, column: string, where: string): string {
  const cell = cellOf(row, column);
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number' || typeof cell === 'boolean') return String(cell);
  throw new DiffoError(`${where}: "${column}" is ${shownCell(cell, 40)}. Write a text.`);
}

function plainText(cell: unknown, where: string): PlainText {
  const plain = String(cell);
  if (plain.trim() !== '') return { plain };
  throw new DiffoError(`${where}: "text" is empty. Write one, or remove the row.`);
}

/** The tools of a row, where it has some. */
export function toolsOf(row: Row, where: string): Pick<Conversation, 'tools'> {
  const cell = cellOf(row, 'tools');
  const tools = typeof cell === 'string' ? parsed(cell) : cell;
  if (isEmpty(tools)) return {};
  const wrong = Array.isArray(tools) ? tools.find((tool) => !isJsonObject(tool)) : undefined;
  if (wrong !== undefined) {
    throw new DiffoError(
      `${where}: a tool is ${shownCell(wrong, 40)}. Describe it by an object, as OpenAI's form has it.`,
    );
  }
  if (Array.isArray(tools)) return tools.length === 0 ? {} : { tools };
  throw new DiffoError(`${where}: "tools" is ${shownCell(cell, 40)}. Give a list of tools, as OpenAI's form has it.`);
}
