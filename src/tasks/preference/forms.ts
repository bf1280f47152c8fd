import { cellOf, placeOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import { DiffoError } from '../../errors.js';
import type { ChatMessage } from '../../infer/chat.js';
import { type Conversation, checkOrder, isAssistant } from '../chat/conversation.js';
import { toolsOf } from '../chat/forms.js';
import { areTurns, messageOf, parsed } from '../chat/messages.js';
import { isEmpty } from '../rows.js';
import type { Columns } from '../task.js';
import { dialogueTurns } from './dialogue.js';
import { isPair, type JudgedAnswer, type JudgedAnswers } from './judged.js';

/** Names of the column of what is answered. */
export const usualPrompts = ['prompt', 'question', 'instruction'] as const;
/** Names of the column of the answer that is preferred, or of what is thought of the one that there is. */
export const usualJudgements = ['chosen', 'label'] as const;

const rejectedColumn = 'rejected';
const completionColumn = 'completion';

/** A row as it is learned: what is answered, and what was thought of answers to it, where they are there. */
export interface PreferenceRow {
  readonly prompt: Conversation;
  readonly judged?: JudgedAnswers | JudgedAnswer;
}

/** True for a table that holds preferences where nobody says so. */
export function holdsPreferences({ columns, rows }: Table, { text, label }: Columns): boolean {
  if (columns.includes(label) && columns.includes(rejectedColumn)) return true;
  const isJudged = [text, completionColumn, label].every((name) => columns.includes(name));
  return isJudged && rows.some((row) => typeof cellOf(row, label) === 'boolean');
}

/** `Preferences of pairs.jsonl: 1,200 rows of a chosen and a rejected answer`. @param rows as they were read */
export function preferencesNote(path: string, rows: readonly PreferenceRow[]): string {
  const first = rows.find(({ judged }) => judged !== undefined)?.judged;
  const what =
    first === undefined ? 'prompts' : isPair(first) ? 'a chosen and a rejected answer' : 'an answer and its label';
  return `Preferences of ${path}: ${rows.length.toLocaleString('en-US')} rows of ${what}`;
}

/**
 * Reads the rows of a table. @throws DiffoError that names the row and says what is wrong with it, such as that it tells something else
 * than those before it
 */
export function preferenceRows({ path, rows }: Table, columns: Columns): PreferenceRow[] {
  let first: { readonly isOfPairs: boolean; readonly line: number } | undefined;
  return rows.map((row) => {
    const found = preferenceRow(path, row, columns);
    if (found.judged === undefined) return found;
    const isOfPairs = isPair(found.judged);
    first ??= { isOfPairs, line: row.line };
    if (first.isOfPairs === isOfPairs) return found;
    const [here, there] = isOfPairs
      ? ['two answers', 'one answer with a label']
      : ['one answer with a label', 'two answers'];
    throw new DiffoError(
      `${placeOf(path, row)}: the row has ${here}, and row ${first.line} has ${there}. Keep pairs and single answers in files of their own.`,
    );
  });
}

/**
 * Reads a row: `prompt`, `chosen` and `rejected`, each a text or a list of turns; or `prompt`, `completion` and `label`. Without a prompt,
 * `chosen` and `rejected` are conversations, and what they have in common at their start is the prompt.
 * @throws DiffoError that names the row and says what is wrong with it
 */
function preferenceRow(path: string, row: Row, columns: Columns): PreferenceRow {
  const where = placeOf(path, row);
  const system = systemOf(row, where);
  const given = isEmpty(cellOf(row, columns.text)) ? undefined : turnsIn(row, columns.text, 'user', where);
  if (isThere(row, completionColumn) && !isThere(row, rejectedColumn)) {
    if (given === undefined) throw missing(where, columns.text, 'there is nothing to answer');
    const [answer, isDesirable] = judgedAnswer(row, columns, where);
    const messages = withSystem(given, system);
    checkOrder([...messages, answer], where);
    return { prompt: { messages, ...toolsOf(row, where) }, judged: { answer, isDesirable } };
  }
  // Rows may be of another form than those that the columns were named by.
  const [usual] = usualJudgements;
  const chosenColumn = !isThere(row, columns.label) && isThere(row, usual) ? usual : columns.label;
  const answers = [chosenColumn, rejectedColumn].map((column) => cellOf(row, column));
  if (answers.every((cell) => cell === undefined || cell === null)) {
    if (given === undefined) throw missing(where, columns.text, 'there is nothing to answer');
    const messages = withSystem(given, system);
    checkOrder(messages, where);
    return { prompt: { messages, ...toolsOf(row, where) } };
  }
  const names = [chosenColumn, rejectedColumn] as const;
  const [chosen, rejected] = names.map((column) => {
    const cell = cellOf(row, column);
    if (cell === undefined || cell === null) throw missing(where, column, 'one answer alone tells of no preference');
    return turnsIn(row, column, 'assistant', where);
  }) as [readonly ChatMessage[], readonly ChatMessage[]];
  const whole = [chosen, rejected].map(([first]) => !isAssistant(first!));
  if (whole[0] !== whole[1]) {
    const [one, other] = whole[0] ? names : [names[1], names[0]];
    throw new DiffoError(
      `${where}: "${one}" is a conversation, and "${other}" an answer alone. Give both in the same form.`,
    );
  }
  const found = whole[0]
    ? fromConversations([chosen, rejected], names, where)
    : { prompt: given ?? refuseNoPrompt(columns.text, names, where), answers: [chosen, rejected] as const };
  if (whole[0] && given !== undefined) refuseOtherPrompt(given, found.prompt, { column: columns.text, names, where });
  const [best, worst] = found.answers.map((turns, i) => onlyAnswer(turns, names[i]!, where)) as [
    ChatMessage,
    ChatMessage,
  ];
  if (isSame(best, worst)) {
    throw new DiffoError(
      `${where}: "${names[0]}" and "${names[1]}" are the same answer, which says nothing of what is preferred. Remove the row.`,
    );
  }
  const messages = withSystem(found.prompt, system);
  checkOrder([...messages, best], where);
  return { prompt: { messages, ...toolsOf(row, where) }, judged: { chosen: best, rejected: worst } };
}

const isThere = (row: Row, name: string) => cellOf(row, name) !== undefined && cellOf(row, name) !== null;

/** An answer, and whether it is a good one. */
function judgedAnswer(row: Row, columns: Columns, where: string): readonly [ChatMessage, boolean] {
  const answer = onlyAnswer(turnsIn(row, completionColumn, 'assistant', where), completionColumn, where);
  // A row that someone describes by the names of pairs has its label in the usual column.
  const name = isThere(row, columns.label) ? columns.label : usualJudgements[1];
  const label = cellOf(row, name);
  if (typeof label === 'boolean') return [answer, label];
  if (label === undefined || label === null)
    throw missing(where, name, 'nothing tells whether the answer is a good one');
  throw new DiffoError(`${where}: "${name}" is ${shownCell(label, 40)}. Write true for a good answer, or false.`);
}

type Both<T> = readonly [chosen: T, rejected: T];

/** What two conversations begin with in common, and what each goes on with. */
function fromConversations([chosen, rejected]: Both<readonly ChatMessage[]>, names: Both<string>, where: string) {
  let common = 0;
  while (common < Math.min(chosen.length, rejected.length) && isSame(chosen[common]!, rejected[common]!)) common++;
  if (common === chosen.length && common === rejected.length) {
    throw new DiffoError(
      `${where}: "${names[0]}" and "${names[1]}" are the same conversation, which says nothing of what is preferred. Remove the row.`,
    );
  }
  const next = [chosen, rejected].map((turns) => turns[common]);
  const strange = next.find((turn) => turn !== undefined && !isAssistant(turn));
  if (strange !== undefined) {
    throw new DiffoError(
      `${where}: turn ${common + 1} of "${names[0]}" and "${names[1]}", of the ${strange.role}, is not the same: the prompts differ. ` +
        'Give two answers to the same prompt.',
    );
  }
  return { prompt: chosen.slice(0, common), answers: [chosen.slice(common), rejected.slice(common)] as const };
}

/** A prompt that stands beside whole conversations is told again in them. */
function refuseOtherPrompt(
  given: readonly ChatMessage[],
  found: readonly ChatMessage[],
  { column, names, where }: { readonly column: string; readonly names: Both<string>; readonly where: string },
): void {
  const isTold = given.every(({ content }) =>
    found.some((turn) => (turn.content ?? '').trim() === (content ?? '').trim()),
  );
  if (isTold) return;
  throw new DiffoError(
    `${where}: the prompts differ: "${names[0]}" and "${names[1]}" are conversations that begin otherwise than "${column}" says. ` +
      'Give the answers alone, or mend the prompt.',
  );
}

function onlyAnswer(turns: readonly ChatMessage[], column: string, where: string): ChatMessage {
  const [answer] = turns;
  if (turns.length === 1 && isAssistant(answer!)) return answer!;
  if (turns.length === 0) {
    throw new DiffoError(`${where}: "${column}" has no answer after the prompt. Give one, or remove the row.`);
  }
  throw new DiffoError(
    `${where}: "${column}" has ${turns.length} turns after the prompt, and an answer is one of the assistant. Give that alone.`,
  );
}

function refuseNoPrompt(column: string, names: Both<string>, where: string): never {
  throw new DiffoError(
    `${where}: there is no "${column}", and "${names[0]}" is an answer alone. Give what is answered, or conversations that begin with it.`,
  );
}

/** A cell of turns, also as JSON or as a dialogue in a text, or of one turn's text. */
function turnsIn(row: Row, column: string, role: string, where: string): readonly ChatMessage[] {
  const cell = cellOf(row, column);
  const turns = typeof cell === 'string' ? (dialogueTurns(cell) ?? parsed(cell)) : cell;
  if (areTurns(turns)) return turns.map((one, i) => messageOf(one, `${where}: "${column}", turn ${i + 1}`));
  if (typeof cell === 'string' && cell.trim() !== '') return [{ role, content: cell }];
  if (typeof cell === 'string' || (Array.isArray(cell) && cell.length === 0)) {
    const what = role === 'assistant' ? 'an empty answer' : 'empty';
    throw new DiffoError(`${where}: "${column}" is ${what}. Write its text, or remove the row.`);
  }
  throw new DiffoError(
    `${where}: "${column}" is ${shownCell(cell, 40)}. Write a text, or a list of turns, each with role and content.`,
  );
}

function systemOf(row: Row, where: string): string | undefined {
  const cell = cellOf(row, 'system');
  if (isEmpty(cell)) return undefined;
  if (typeof cell === 'string') return cell;
  throw new DiffoError(`${where}: "system" is ${shownCell(cell, 40)}. Write a text.`);
}

function withSystem(messages: readonly ChatMessage[], system: string | undefined): readonly ChatMessage[] {
  if (system === undefined || messages[0]?.role === 'system') return messages;
  return [{ role: 'system', content: system }, ...messages];
}

function missing(where: string, column: string, why: string): DiffoError {
  return new DiffoError(`${where}: "${column}" is missing: ${why}. Write it, or remove the row.`);
}

const isSame = (a: ChatMessage, b: ChatMessage) => JSON.stringify(a) === JSON.stringify(b);
