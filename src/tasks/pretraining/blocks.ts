import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { mapInTurns } from '../../turns.js';

export interface BlockOptions {
  /** Tokens of a block. */
  readonly maxLength: number;
  /** The token that ends a text. */
  readonly endTokenId: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Texts one behind the other, each with its special tokens and the end, cut into blocks of one length: as transformers'
 * run_clm.py groups texts, but that each text is ended and the last, shorter block is kept. So a block may hold several texts, and
 * what stands behind the end of one sees it too. A block's tokens but its first are to be predicted.
 *
 * @returns blocks; the index of each is that of the text that its first token is of
 */
export async function textBlocks(
  tokenizer: Pick<Tokenizer, 'encode'>,
  examples: readonly Example[],
  { maxLength, endTokenId, signal }: BlockOptions,
): Promise<EncodedExample[]> {
  const blocks: EncodedExample[] = [];
  let ids: number[] = [];
  let first = 0;
  const close = () => {
    // One token alone predicts nothing.
    if (ids.length > 1) blocks.push(blockOf(ids, first));
    ids = [];
  };
  await mapInTurns(
    examples,
    ({ text }, index) => {
      const found = tokenizer.encode(text).ids;
      for (const id of found.at(-1) === endTokenId ? found : [...found, endTokenId]) {
        if (ids.length === 0) first = index;
        ids.push(id);
        if (ids.length === maxLength) close();
      }
    },
    signal,
  );
  close();
  return blocks;
}

function blockOf(ids: readonly number[], index: number): EncodedExample {
  return {
    inputIds: Int32Array.from(ids),
    tokenTypeIds: new Int32Array(ids.length),
    label: undefined,
    tokenLabels: Int32Array.from(ids, (_, i) => ids[i + 1] ?? IGNORED_LABEL),
    index,
  };
}
