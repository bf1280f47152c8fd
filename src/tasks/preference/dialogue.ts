import type { ChatMessage } from '../../infer/chat.js';

/**
 * Turns of a dialogue that is written as one text in the form of Anthropic's prompts of old, as `Anthropic/hh-rlhf` has it:
 * `\n\nHuman: …\n\nAssistant: …`. White space around a turn is not its own.
 * @returns undefined for a text that does not begin so
 */
export function dialogueTurns(text: string): readonly ChatMessage[] | undefined {
  if (!/^\s*Human:/.test(text) || !text.includes('\n\nAssistant:')) return undefined;
  const parts = `\n\n${text.trim()}`.split(/\n\n(Human|Assistant):/).slice(1);
  return Array.from({ length: parts.length / 2 }, (_, i) => ({
    role: parts[2 * i] === 'Human' ? 'user' : 'assistant',
    content: parts[2 * i + 1]!.trim(),
  }));
}
