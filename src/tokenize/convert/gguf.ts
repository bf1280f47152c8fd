import { byteLevel } from './byteLevelBpe.js';
import { addedToken, type JsonPart, type TokenizerDescription } from './description.js';
import { type GgufSplit, ggufSplits } from './ggufSplits.js';
import { llamaTokenizer } from './sentencePiece.js';
import { pieceTypes } from './sentencePieceModel.js';

/** What a GGUF file says of its tokenizer (`tokenizer.ggml.*`). */
export interface GgufTokenizerFields {
  /** `gpt2` for byte-level BPE, `llama` for SentencePiece. */
  readonly model: string;
  /** How byte-level BPE cuts a text into words. */
  readonly pre?: string | undefined;
  readonly tokens: readonly string[];
  readonly scores?: readonly number[] | undefined;
  /** As in SentencePiece: 3 control, 4 user-defined. */
  readonly tokenTypes?: readonly number[] | undefined;
  readonly merges?: readonly string[] | undefined;
  readonly bosTokenId?: number | undefined;
  readonly eosTokenId?: number | undefined;
  readonly unknownTokenId?: number | undefined;
  readonly paddingTokenId?: number | undefined;
  readonly addBosToken?: boolean | undefined;
  readonly addEosToken?: boolean | undefined;
  readonly addSpacePrefix?: boolean | undefined;
  readonly chatTemplate?: string | undefined;
}

/**
 * A GGUF's tokenizer as tokenizer.json and tokenizer_config.json, giving the ids that transformers gives for the same
 * file (transformers/integrations/ggml.py).
 * @throws Error for a kind of tokenizer that is not known, or one without merges
 */
export function ggufTokenizer(fields: GgufTokenizerFields): {
  tokenizer: TokenizerDescription;
  config: Record<string, unknown>;
} {
  const { model, pre, tokens, bosTokenId, eosTokenId, unknownTokenId, paddingTokenId } = fields;
  const split = ggufSplits.get(pre ?? 'default');
  if (model === 'gpt2' && split === undefined) {
    throw new Error(
      `its tokenizer cuts words as "${pre}", which is not known; known are ${[...ggufSplits.keys()].join(', ')}`,
    );
  }
  const tokenAt = (id: number | undefined) => (id === undefined ? undefined : tokens[id]);
  const config = {
    add_bos_token: fields.addBosToken ?? (model === 'llama' || split?.addBosToken === true),
    add_eos_token: fields.addEosToken ?? false,
    bos_token: tokenAt(bosTokenId),
    eos_token: tokenAt(eosTokenId),
    unk_token: tokenAt(unknownTokenId),
    pad_token: tokenAt(paddingTokenId),
    chat_template: fields.chatTemplate,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  return { tokenizer: describe(fields, given, split ?? {}), config: given };
}

function describe(fields: GgufTokenizerFields, config: Record<string, unknown>, split: GgufSplit) {
  const { model, tokens, scores, merges, tokenTypes } = fields;
  const typeOf = (id: number) => tokenTypes?.[id] ?? pieceTypes.normal;
  switch (model) {
    case 'gpt2': {
      if (merges === undefined) throw new Error('its tokenizer has no merges');
      const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
      const { control, userDefined } = pieceTypes;
      const added = tokens.flatMap((token, id) =>
        typeOf(id) === control || typeOf(id) === userDefined
          ? [addedToken(id, token, { special: typeOf(id) === control })]
          : [],
      );
      const plain = byteLevel(vocab, merges, {}, added, around(fields, config));
      return {
        ...plain,
        pre_tokenizer: preTokenizer(split, plain.pre_tokenizer!),
        model: { ...plain.model, ignore_merges: split.ignoreMerges === true },
      };
    }
    case 'llama': {
      const pieces = tokens.map((piece, id) => ({ piece, score: scores?.[id] ?? 0, type: typeOf(id) }));
      const settings = { ...config, add_prefix_space: fields.addSpacePrefix ?? true, legacy: true };
      const read = { pieces, algorithm: 'bpe', byteFallback: true, unknownId: fields.unknownTokenId ?? 0 } as const;
      const mergesBy = scores === undefined ? 'id' : 'score';
      return llamaTokenizer({ ...read, charsmap: undefined }, settings, mergesBy);
    }
    default:
      throw new Error(`its tokenizer is of kind "${model}"; gpt2 and llama can be read`);
  }
}

/** The pattern's cuts, and then GPT-2's where it does not stand in their place. */
function preTokenizer({ pattern, replaces }: GgufSplit, byteLevel: JsonPart): JsonPart {
  if (pattern === undefined) return byteLevel;
  const cut = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  return { type: 'Sequence', pretokenizers: [cut, { ...byteLevel, use_regex: replaces !== true }] };
}

/** First and last token of a text, where the settings want them and the file names them. */
function around({ bosTokenId, eosTokenId, tokens }: GgufTokenizerFields, config: Record<string, unknown>): JsonPart {
  const added = (wanted: unknown, id: number | undefined) => {
    const token = id === undefined ? undefined : tokens[id];
    return wanted === true && token !== undefined ? [{ id, token }] : [];
  };
  const [before, after] = [added(config.add_bos_token, bosTokenId), added(config.add_eos_token, eosTokenId)];
  const one = (id: 'A' | 'B', type_id: number) => {
    const special = ({ token }: { readonly token: string }) => ({ SpecialToken: { id: token, type_id } });
    return [...before.map(special), { Sequence: { id, type_id } }, ...after.map(special)];
  };
  const described = [...before, ...after].map(({ id, token }) => [token, { id: token, ids: [id], tokens: [token] }]);
  return {
    type: 'TemplateProcessing',
    single: one('A', 0),
    pair: [...one('A', 0), ...one('B', 1)],
    special_tokens: Object.fromEntries(described),
  };
}
