import type { ChatMessage } from '../../infer/chat.js';

/**
 * A conversation with ever fewer turns: itself, then without the first question and what follows up to the next, and so on. What the system
 * says stays, and so does the last question with what follows.
 */
export function* fewerTurns(messages: readonly ChatMessage[]): Generator<readonly ChatMessage[]> {
  yield messages;
  const system = messages[0]?.role === 'system' ? [messages[0]] : [];
  const questions = [...messages.keys()].filter((i) => messages[i]!.role === 'user');
  for (const first of questions.slice(1)) yield [...system, ...messages.slice(first)];
}
