import { Template } from '@huggingface/jinja';
import { DiffoError } from '../errors.js';

/** A turn of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/**
 * A conversation as the prompt that a model was trained on, ready for its answer: transformers'
 * `apply_chat_template(messages, add_generation_prompt=True)`.
 *
 * @param template Jinja, from the tokenizer
 * @param specialTokens `bos_token`, `eos_token`, …, which templates may name
 * @throws DiffoError with the template's own words where it refuses the messages
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Readonly<Record<string, string>>,
): string {
  try {
    return new Template(template).render({ ...specialTokens, messages, add_generation_prompt: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(
      `The model's chat template cannot be used: ${reason}. Give a plain prompt in the place of a chat.`,
      {
        cause: error,
      },
    );
  }
}
