import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A tokenizer whose tokens are letters, after the special ones, numbered in this order. */
export interface LetterTokenizer {
  readonly special: readonly string[];
  readonly letters: readonly string[];
  readonly unknown: string;
  /** Of tokenizer.json. Left out: none. */
  readonly postProcessor?: object;
}

/** Writes its tokenizer.json. */
export async function writeLetterTokenizer(
  folder: string,
  { special, letters, unknown, postProcessor }: LetterTokenizer,
): Promise<void> {
  const tokenizer = {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      id,
      content,
      special: true,
      normalized: false,
      single_word: false,
      lstrip: false,
      rstrip: false,
    })),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: postProcessor ?? null,
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries([...special, ...letters].map((token, id) => [token, id])),
      merges: [],
      unk_token: unknown,
    },
  };
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
}
