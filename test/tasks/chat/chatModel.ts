import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { oraclePath } from '../../fixtures.js';
import { writeLetterTokenizer } from '../letterTokenizer.js';

/** Marks before each turn, and the token after it. */
export const tinyTemplate =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '</s>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

const special = ['[PAD]', '[UNK]', '</s>', '<|system|>', '<|user|>', '<|assistant|>', '<|tool|>', '<|im_start|>'];
const letters = [...'abcdefghijklmnopqrstuvwxyz', ...' \n.?!-:', ...'0123456789', ...'<|_>'];

/**
 * Writes the oracle's LLaMA of two layers with a tokenizer whose tokens are letters, and longer sequences than it was made for.
 * @param template null for a base without one
 */
export async function chatModel(folder: string, template: string | null = tinyTemplate): Promise<string> {
  await cp(oraclePath('families', 'llama'), folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object;
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 256 }));
  await writeLetterTokenizer(folder, { special, letters, unknown: '[UNK]' });
  const settings = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    eos_token: '</s>',
    pad_token: '[PAD]',
    unk_token: '[UNK]',
  };
  await writeFile(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ ...settings, ...(template === null ? {} : { chat_template: template }) }),
  );
  return folder;
}
