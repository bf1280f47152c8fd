import { isJsonObject } from '../../../files/jsonText.js';
import { pieceTypes } from '../../../tokenize/convert/sentencePieceModel.js';
import { refuse } from '../refusal.js';

/** A token of `tokenizer.ggml.tokens`. */
export interface Token {
  readonly content: string;
  /** Of `tokenizer.ggml.token_type`. */
  readonly type: number;
}

/** What of a text's end or beginning an added token takes with it, and llama.cpp's does not. */
const flags = ['lstrip', 'rstrip', 'single_word'] as const;

/**
 * The tokens by id, one for each row of the embeddings; rows without a token get one that no text holds, as in
 * convert_hf_to_gguf.py.
 * @param typeOf the type of a token of the vocabulary
 * @throws Refusal for an added token that llama.cpp would find elsewhere
 */
export function tokensOf(
  vocabulary: Readonly<Record<string, number>>,
  addedTokens: unknown,
  rows: number,
  typeOf: (token: string) => number,
): Token[] {
  const tokens = Array.from({ length: rows }, (_, id): Token => ({ content: `[PAD${id}]`, type: pieceTypes.unused }));
  for (const [content, id] of Object.entries(vocabulary)) tokens[id] = { content, type: typeOf(content) };
  for (const token of Array.isArray(addedTokens) ? (addedTokens as unknown[]) : []) {
    if (!isJsonObject(token) || typeof token.id !== 'number' || typeof token.content !== 'string') continue;
    const wrong = flags.find((flag) => token[flag] === true);
    if (wrong !== undefined) refuse(`its added token "${token.content}" has ${wrong}, which GGUF cannot say`);
    const kept = tokens[token.id]?.type === pieceTypes.unknown;
    const type = kept ? pieceTypes.unknown : token.special === true ? pieceTypes.control : pieceTypes.userDefined;
    tokens[token.id] = { content: token.content, type };
  }
  if (tokens.length > rows) refuse(`it has tokens with ids from ${rows} on, which the model does not embed`);
  return tokens;
}

/** Of a model's `vocab`. @throws Refusal where it is none */
export function vocabularyOf(model: Readonly<Record<string, unknown>>): Record<string, number> {
  if (isJsonObject(model.vocab)) return model.vocab as Record<string, number>;
  refuse('its model has no vocabulary by token');
}

/** Of a model's `merges`, in either of their two forms. */
export function mergesOf({ merges }: Readonly<Record<string, unknown>>): [string, string][] {
  if (!Array.isArray(merges)) refuse('its model has no merges');
  return merges.map((merge: unknown) => {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    if (Array.isArray(pair) && pair.length === 2) return [String(pair[0]), String(pair[1])];
    return refuse(`its merge ${JSON.stringify(merge)} is no pair`);
  });
}

/** Settings of a BPE that change what it merges. @throws Refusal where one of them is set */
export function refuseOwnMerging(model: Readonly<Record<string, unknown>>): void {
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model[key]) refuse(`${key} of its model is ${JSON.stringify(model[key])}, which GGUF cannot say`);
  }
}
