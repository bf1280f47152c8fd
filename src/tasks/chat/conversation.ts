import { DiffoError } from '../../errors.js';
import type { ChatMessage } from '../../infer/chat.js';

declare module '../../data/types.js' {
  interface Example {
    /** Chats: the turns of a row, or its plain text. */
    readonly conversation?: Conversation | PlainText;
  }
}

/** Turns, and what the assistant may call in them. */
export interface Conversation {
  readonly messages: readonly ChatMessage[];
  /** JSON schemas of tools, as the template takes them. */
  readonly tools?: readonly unknown[] | undefined;
}

/** A text that is learned as it stands, without a template. */
export interface PlainText {
  readonly plain: string;
}

export function isPlain(conversation: Conversation | PlainText): conversation is PlainText {
  return 'plain' in conversation;
}

/** True for a turn that the model is to write. */
export function isAssistant({ role }: ChatMessage): boolean {
  return role === 'assistant';
}

/** Who may speak after whom; a conversation begins as after `nobody`. */
const follows: Readonly<Record<string, readonly string[]>> = {
  system: ['nobody'],
  user: ['nobody', 'system', 'assistant'],
  assistant: ['user', 'tool'],
  tool: ['assistant', 'tool'],
};

/** Roles that a turn may have. */
export const roles = Object.keys(follows);

/**
 * @param where file and row, for messages
 * @throws DiffoError for turns in an order that no conversation has
 */
export function checkOrder(messages: readonly ChatMessage[], where: string): void {
  if (messages.length === 0)
    throw new DiffoError(`${where}: the conversation has no turns. Add some or remove the row.`);
  for (const [i, { role }] of messages.entries()) {
    const before = messages[i - 1]?.role ?? 'nobody';
    if (follows[role]!.includes(before)) continue;
    throw new DiffoError(`${where}: turn ${i + 1} is of the ${role}, ${misplaced(role, before)}.`);
  }
}

function misplaced(role: string, before: string): string {
  if (role === 'system')
    return 'and the system speaks first or not at all. Move it to the beginning, or join two of them';
  if (before === role) return 'and so is the one before. Join the two into one';
  if (role === 'tool') return 'and no turn of the assistant calls it. Mend the order of the roles';
  const who = before === 'nobody' ? 'with nothing before it' : `after one of the ${before}`;
  return `${who}. A conversation begins with the user, whom the assistant answers: mend the order of the roles`;
}

/** The turns on a line each, as their text. */
export function textOfTurns(messages: readonly ChatMessage[]): string {
  return messages.map(({ content }) => content ?? '').join('\n');
}
