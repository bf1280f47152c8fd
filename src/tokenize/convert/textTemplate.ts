import type { AddedToken, JsonPart } from './description.js';

/**
 * Tokens that stand before and after every text, each of a pair too, the second of which is of token type 1: what transformers'
 * `add_bos_token` and `add_eos_token` ask for (tokenization_utils_tokenizers.py, update_post_processor).
 */
export function textTemplate(before: readonly AddedToken[], after: readonly AddedToken[]): JsonPart {
  const around = (id: 'A' | 'B', type_id: number) => {
    const special = ({ content }: AddedToken) => ({ SpecialToken: { id: content, type_id } });
    return [...before.map(special), { Sequence: { id, type_id } }, ...after.map(special)];
  };
  const tokens = [...before, ...after].map(({ content, id }) => [
    content,
    { id: content, ids: [id], tokens: [content] },
  ]);
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(tokens),
  };
}
