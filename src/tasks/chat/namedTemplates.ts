import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { nearestNames, usageError } from '../../errors.js';
import { fileError } from '../../files/errors.js';

/** What a base without a template gets, which OpenAI once published: each turn between two marks. */
const chatml =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Meta's Llama 3: headers, and `<|eot_id|>` after each turn. */
const llama3 =
  "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'" +
  " + message['content'] | trim + '<|eot_id|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

/** Google's Gemma: the assistant is called model, and there is no system. */
const gemma =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
  "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}";

/** Hugging Face's Zephyr: works with any tokenizer, since the mark after each turn is the one that ends a text. */
const zephyr =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

const named: Readonly<Record<string, string>> = { chatml, llama3, gemma, zephyr };

/** The template of a base that has none. */
export const usualTemplate: string = chatml;

/**
 * The template that a setting names: one of those above, or a file of Jinja.
 * @throws DiffoError (usage) where it is neither
 */
export async function namedTemplate(nameOrFile: string): Promise<string> {
  if (Object.hasOwn(named, nameOrFile)) return named[nameOrFile]!;
  const names = Object.keys(named);
  if (!existsSync(nameOrFile)) {
    const [nearest] = nearestNames(nameOrFile, names, 1);
    throw usageError(
      `There is no chat template "${nameOrFile}". Did you mean ${nearest}? Known are ${names.join(', ')}; or give a file of Jinja.`,
    );
  }
  return readFile(nameOrFile, 'utf8').catch((error) => {
    throw fileError(error, nameOrFile, 'read');
  });
}
