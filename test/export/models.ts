import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { oraclePath } from '../fixtures.js';

/** `<pad>`, `<s>`, `</s>` and the printable letters of ASCII that follow each other: a byte-level vocabulary of 60 tokens. */
export const tokens = ['<pad>', '<s>', '</s>', ...Array.from({ length: 57 }, (_, i) => String.fromCharCode(65 + i))];

const special = (id: number) => ({
  id,
  content: tokens[id],
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/** tokenizer.json of these tokens, as GPT-2's is. */
export const letterTokenizer = {
  version: '1.0',
  added_tokens: [0, 1, 2].map(special),
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges: [] as unknown[] },
};

/** Writes a model of the family oracle with other settings and a tokenizer. */
export async function modelOf(
  family: string,
  folder: string,
  changed: { readonly config?: object; readonly tokenizer?: object } = {},
): Promise<string> {
  await cp(oraclePath('families', family), folder, { recursive: true });
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...changed.config }));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify({ ...letterTokenizer, ...changed.tokenizer }));
  const names = { bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>' };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(names));
  return folder;
}
