import { byteLevel, plainTemplate } from './byteLevelBpe.js';
import { addedToken, type TokenizerDescription } from './description.js';
import { llamaTokenizer } from './sentencePiece.js';
import { pieceTypes } from './sentencePieceModel.js';

/** What a GGUF file says of its tokenizer (`tokenizer.ggml.*`). */
export interface GgufTokenizerFields {
  /** `gpt2` for byte-level BPE, `llama` for SentencePiece. */
  readonly model: string;
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
  const { tokens, merges, bosTokenId, eosTokenId, unknownTokenId, paddingTokenId } = fields;
  const tokenAt = (id: number | undefined) => (id === undefined ? undefined : tokens[id]);
  const config = {
    add_bos_token: fields.addBosToken ?? fields.model === 'llama',
    add_eos_token: fields.addEosToken ?? false,
    bos_token: tokenAt(bosTokenId),
    eos_token: tokenAt(eosTokenId),
    unk_token: tokenAt(unknownTokenId),
    pad_token: tokenAt(paddingTokenId),
    chat_template: fields.chatTemplate,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
  const given = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
  return { tokenizer: describe(fields, given, merges), config: given };
}

function describe(fields: GgufTokenizerFields, config: Record<string, unknown>, merges: readonly string[] | undefined) {
  const { model, tokens, scores, tokenTypes } = fields;
  const typeOf = (id: number) => tokenTypes?.[id] ?? pieceTypes.normal;
  switch (model) {
    case 'gpt2': {
      if (merges === undefined) throw new Error('its tokenizer has no merges');
      const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
      const special = tokens.flatMap((token, id) => (typeOf(id) === pieceTypes.control ? [addedToken(id, token)] : []));
      return byteLevel(vocab, merges, {}, special, plainTemplate);
    }
    case 'llama': {
      const pieces = tokens.map((piece, id) => ({ piece, score: scores?.[id] ?? 0, type: typeOf(id) }));
      const settings = { ...config, add_prefix_space: fields.addSpacePrefix ?? true, legacy: true };
      const read = { pieces, algorithm: 'bpe', byteFallback: true, unknownId: fields.unknownTokenId ?? 0 } as const;
      return llamaTokenizer({ ...read, charsmap: undefined }, settings);
    }
    default:
      throw new Error(`its tokenizer is of kind "${model}"; gpt2 and llama can be read`);
  }
}
