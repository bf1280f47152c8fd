import { Template } from '@huggingface/jinja';
import { DiffoError } from '../errors.js';

/** A turn of a conversation, with whatever else a template reads of it: `tool_calls`, `name`, `reasoning_content`. */
export interface ChatMessage {
  readonly role: string;
  /** Null or left out where an assistant calls tools alone. */
  readonly content?: string | null | undefined;
  readonly [key: string]: unknown;
}

/** What a template is told beside the messages. */
export interface RenderOptions {
  /** What the assistant may call, as JSON schemas. */
  readonly tools?: readonly unknown[] | undefined;
  /** End in what stands before an answer. Default false. */
  readonly addGenerationPrompt?: boolean | undefined;
}

/** A chat template, read once. */
export interface ChatRenderer {
  /**
   * A conversation as text: transformers' `apply_chat_template(messages, tools=…, add_generation_prompt=…, tokenize=False)`.
   * @throws DiffoError with the template's own words where it refuses the messages
   */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/**
 * @param template Jinja, of the tokenizer or of one's own
 * @param specialTokens `bos_token`, `eos_token`, …, which templates may name
 * @throws DiffoError where it is no template
 */
export function chatRenderer(template: string, specialTokens: Readonly<Record<string, string>>): ChatRenderer {
  const parsed = using(() => new Template(template));
  return {
    render: (messages, { tools, addGenerationPrompt = false } = {}) =>
      using(() =>
        parsed.render({
          ...specialTokens,
          messages,
          ...(tools === undefined ? {} : { tools }),
          add_generation_prompt: addGenerationPrompt,
        }),
      ),
  };
}

/**
 * A conversation as the prompt that a model was trained on, ready for its answer: transformers'
 * `apply_chat_template(messages, add_generation_prompt=True, tokenize=False)`.
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
  return chatRenderer(template, specialTokens).render(messages, { addGenerationPrompt: true });
}

function using<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(`The chat template cannot be used: ${reason}.`, { cause: error });
  }
}
