import { isJsonObject } from '../../../files/jsonText.js';
import { pieceTypes } from '../../../tokenize/convert/sentencePieceModel.js';
import { refuse } from '../refusal.js';
import { bool, float32s, type GgufMetadata, int32s, text, texts } from '../values.js';
import { mergesOf, refuseOwnMerging, type Token, tokensOf, vocabularyOf } from './tokens.js';

const space = '▁';

/** BPE of SentencePiece with bytes for what it lacks, as llama.cpp's `llama`. @throws Refusal for one that would give other ids there */
export function sentencePieceMetadata(
  description: Readonly<Record<string, unknown>>,
  model: Readonly<Record<string, unknown>>,
  rows: number,
  warn: (line: string) => void,
): GgufMetadata {
  refuseOwnMerging(model);
  if (model.ignore_merges === true) refuse('ignore_merges of its model is true, which llama.cpp has not for this kind');
  const addsSpace = spacePrefix(description, warn);
  const typeOf = (token: string) => {
    if (token === model.unk_token) return pieceTypes.unknown;
    return /^<0x[0-9A-F]{2}>$/.test(token) ? pieceTypes.byte : pieceTypes.normal;
  };
  const tokens = tokensOf(vocabularyOf(model), description.added_tokens, rows, typeOf);
  if (tokens.filter(({ type }) => type === pieceTypes.byte).length !== 256)
    refuse('its vocabulary lacks tokens of bytes');
  return {
    'tokenizer.ggml.model': text('llama'),
    'tokenizer.ggml.pre': text('default'),
    'tokenizer.ggml.add_space_prefix': bool(addsSpace),
    'tokenizer.ggml.tokens': texts(tokens.map(({ content }) => content)),
    'tokenizer.ggml.scores': float32s(scoresOf(tokens, mergesOf(model))),
    'tokenizer.ggml.token_type': int32s(tokens.map(({ type }) => type)),
  };
}

/**
 * Scores that make llama.cpp, which joins the pair whose piece has the highest, join in the order of the merges.
 * @throws Refusal where no scores do: pairs of one piece stand apart, or a pair that makes a piece is no merge
 */
function scoresOf(tokens: readonly Token[], merges: readonly (readonly [string, string])[]): number[] {
  const order = new Map<string, number>();
  const pairs = new Set<string>();
  let last: string | undefined;
  for (const [left, right] of merges) {
    const piece = left + right;
    pairs.add(`${left}\n${right}`);
    if (piece === last) continue;
    if (order.has(piece))
      refuse(`the merges that make "${piece}" do not follow each other, so that no score says their order`);
    order.set(piece, order.size);
    last = piece;
  }
  const known = new Set(tokens.filter(({ type }) => type === pieceTypes.normal).map(({ content }) => content));
  for (const piece of known) {
    const letters = [...piece];
    for (let at = 1; at < letters.length; at++) {
      const [left, right] = [letters.slice(0, at).join(''), letters.slice(at).join('')];
      if (known.has(left) && known.has(right) && !pairs.has(`${left}\n${right}`)) {
        refuse(`llama.cpp would join "${left}" and "${right}", which are no merge of it`);
      }
    }
  }
  return tokens.map(({ content, type }) => (type === pieceTypes.normal ? -(order.get(content) ?? order.size) : 0));
}

/** Whether texts get a space before them. @throws Refusal where something else is done to them */
function spacePrefix(
  { normalizer, pre_tokenizer: cut }: Readonly<Record<string, unknown>>,
  warn: (line: string) => void,
): boolean {
  const parts = isJsonObject(normalizer) && normalizer.type === 'Sequence' ? normalizer.normalizers : normalizer;
  const steps = [parts ?? []].flat() as unknown[];
  const isReplace = (one: unknown) =>
    isJsonObject(one) &&
    one.type === 'Replace' &&
    one.content === space &&
    isJsonObject(one.pattern) &&
    one.pattern.String === ' ';
  const isPrepend = (one: unknown) => isJsonObject(one) && one.type === 'Prepend' && one.prepend === space;
  if (!steps.every((one) => isReplace(one) || isPrepend(one))) {
    refuse(`its normalizer is ${JSON.stringify(normalizer).slice(0, 160)}, which GGUF cannot say`);
  }
  if (cut === null || cut === undefined) return steps.some(isPrepend);
  const { type, replacement, prepend_scheme: scheme, split } = isJsonObject(cut) ? cut : {};
  if (type !== 'Metaspace' || replacement !== space || split === true || steps.length > 0) {
    refuse(`its pre_tokenizer is ${JSON.stringify(cut).slice(0, 160)}, which GGUF cannot say`);
  }
  if (scheme === 'never') return false;
  const where = scheme === 'first' ? ' and after special tokens' : '';
  warn(
    `llama.cpp puts a space before every text, also one that begins with a space${where}, where this tokenizer puts none.`,
  );
  return true;
}
