import { shownCell } from '../../data/readers/table.js';
import { DiffoError, quoted } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import type { ChatMessage } from '../../infer/chat.js';
import { checkOrder } from './conversation.js';

/** Roles by what OpenAI's form and ShareGPT's call them. */
const roleNames: Readonly<Record<string, string>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bot: 'assistant',
  model: 'assistant',
  tool: 'tool',
  observation: 'tool',
};

/** True for a list of turns: objects with a `role`, or a `from`. */
export function areTurns(cell: unknown): cell is readonly Readonly<Record<string, unknown>>[] {
  return (
    Array.isArray(cell) && cell.length > 0 && cell.every((turn) => isJsonObject(turn) && whose(turn) !== undefined)
  );
}

/**
 * The turns of a conversation.
 * @param cell a list in OpenAI's form (`role`, `content`) or ShareGPT's (`from`, `value`)
 * @param where file and row, for messages
 * @throws DiffoError for a turn without a known role, or whose content is no text; for an empty answer, and an order that no conversation has
 */
export function messagesOf(cell: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(cell)) {
    throw new DiffoError(
      `${where}: the turns are ${shownCell(cell, 40)}. Give a list of turns, each with role and content.`,
    );
  }
  const messages = cell.map((turn: unknown, i) => messageOf(turn, `${where}: turn ${i + 1}`));
  checkOrder(messages, where);
  return messages;
}

const whose = ({ role, from }: Readonly<Record<string, unknown>>): unknown => role ?? from;

/** One turn. @throws DiffoError as {@link messagesOf}, but for the order */
export function messageOf(turn: unknown, where: string): ChatMessage {
  if (!isJsonObject(turn)) {
    throw new DiffoError(`${where} is ${shownCell(turn, 40)}. Write an object with role and content.`);
  }
  const { role: _role, from: _from, content, value, tool_calls: calls, ...others } = turn;
  const role = roleOf(whose(turn), where);
  if (isSaid(_role) && isSaid(_from) && roleOf(_from, where) !== role) {
    throw new DiffoError(
      `${where} has the role ${shownCell(_role, 40)}, and is from ${shownCell(_from, 40)}. Keep one of the two.`,
    );
  }
  const toolCalls = callsOf(calls, where);
  const text = textOf('value' in turn && !('content' in turn) ? value : content, where, role, toolCalls !== undefined);
  // Parquet has every key in every row, null where there is none.
  const known = Object.entries(others).filter(([, other]) => other !== null && other !== undefined);
  return {
    role,
    content: text,
    ...(toolCalls === undefined ? {} : { tool_calls: toolCalls }),
    ...Object.fromEntries(known),
  };
}

function roleOf(name: unknown, where: string): string {
  const role = typeof name === 'string' ? name.trim().toLowerCase() : '';
  if (Object.hasOwn(roleNames, role)) return roleNames[role]!;
  const is = name === undefined || name === null ? 'has no role' : `has the unknown role ${shownCell(name, 40)}`;
  throw new DiffoError(`${where} ${is}. Known are ${quoted(Object.keys(roleNames))}.`);
}

/** The text of a turn; null for an assistant who calls tools alone. */
function textOf(content: unknown, where: string, role: string, calls: boolean): string | null {
  if (content === null || content === undefined) {
    if (calls) return null;
    throw new DiffoError(`${where}, of the ${role}, has no content. Write its text, or remove the row.`);
  }
  const text = Array.isArray(content) ? content.map((part: unknown) => partText(part, where)).join('') : content;
  if (typeof text !== 'string') {
    throw new DiffoError(
      `${where}: the content is ${shownCell(content, 40)}. Write a text, or a list of parts of type text.`,
    );
  }
  if (role === 'assistant' && !calls && text.trim() === '') {
    throw new DiffoError(`${where} is an empty answer. Write what the assistant says, or remove the row.`);
  }
  if (role === 'user' && text.trim() === '') {
    throw new DiffoError(`${where}, of the user, is empty. Write what the user says, or remove the row.`);
  }
  return text;
}

function partText(part: unknown, where: string): string {
  if (typeof part === 'string') return part;
  if (isJsonObject(part) && typeof part.text === 'string' && (part.type ?? 'text') === 'text') return part.text;
  const type = isJsonObject(part) && typeof part.type === 'string' ? `of type ${part.type}` : shownCell(part, 40);
  throw new DiffoError(`${where}: a part of the content is ${type}, and only texts are learned. Remove the row.`);
}

const isSaid = (cell: unknown) => cell !== undefined && cell !== null;

/** The calls of tools of a turn; undefined where there are none. @throws DiffoError for one that no template could write */
function callsOf(calls: unknown, where: string): unknown[] | undefined {
  if (!isSaid(calls)) return undefined;
  if (!Array.isArray(calls)) {
    throw new DiffoError(
      `${where}: "tool_calls" is ${shownCell(calls, 40)}. Give a list of calls, as OpenAI's form has it.`,
    );
  }
  for (const call of calls) {
    const called = isJsonObject(call) && isJsonObject(call.function) ? call.function : call;
    if (!isJsonObject(called) || typeof called.name !== 'string' || called.name.trim() === '') {
      throw new DiffoError(`${where}: a call is ${shownCell(call, 40)}. Give it a function with a name and arguments.`);
    }
    const { arguments: given } = called;
    if (typeof given === 'string' && /^\s*[[{]/.test(given) && typeof parsed(given) === 'string') {
      throw new DiffoError(
        `${where}: the arguments of "${called.name}" are no JSON: ${shownCell(given, 40)}. Mend them.`,
      );
    }
  }
  return calls.length === 0 ? undefined : calls.map(toldCall);
}

/** A call of a tool, its arguments as an object: OpenAI has them as JSON in a text, templates write them out. */
function toldCall(call: unknown): unknown {
  if (!isJsonObject(call)) return call;
  const known = Object.fromEntries(Object.entries(call).filter(([, value]) => value !== null));
  if (isJsonObject(known.function)) return { ...known, function: toldCall(known.function) };
  return typeof known.arguments === 'string' ? { ...known, arguments: parsed(known.arguments) } : known;
}

/** The object or list that a text writes as JSON; the text where it writes none. */
export function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
