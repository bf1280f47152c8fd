import { byteLetters, isInByteLetters, textOfByteLetters } from '../byteLetters.js';
import { splitByteLevel } from './byteLevelBpe.js';
import { type AddedToken, addedToken, type TokenizerDescription } from './description.js';
import { ggufSplit, staysWhole } from './ggufSplits.js';
import { llamaTokenizer } from './sentencePiece.js';
import { pieceTypes } from './sentencePieceModel.js';
import { textTemplate } from './textTemplate.js';

/** What a GGUF file says of its tokenizer (`tokenizer.ggml.*`). */
export interface GgufTokenizerFields {
  /** `gpt2` for byte-level BPE, `llama` for SentencePiece. */
  readonly model: string;
  /** How byte-level BPE cuts a text before it merges. */
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
  readonly addSeparatorToken?: boolean | undefined;
  readonly addSpacePrefix?: boolean | undefined;
  readonly chatTemplate?: string | undefined;
}

/**
 * A GGUF's tokenizer as tokenizer.json and tokenizer_config.json, giving the ids that transformers gives for the same
 * file (transformers/integrations/gguf); where that leaves a key of the file aside, what llama.cpp means by it
 * (docs/tokenizers.md names these).
 * @throws Error for a kind of tokenizer or a pre-tokenizer that is not known, one without merges, a token that is named and is
 *   not there
 */
export function ggufTokenizer(fields: GgufTokenizerFields): {
  tokenizer: TokenizerDescription;
  config: Record<string, unknown>;
} {
  const describe = Object.hasOwn(kinds, fields.model) ? kinds[fields.model] : undefined;
  if (describe === undefined) {
    throw new Error(`its tokenizer is of kind "${fields.model}"; ${Object.keys(kinds).join(' and ')} can be read`);
  }
  if (fields.addSeparatorToken === true) {
    throw new Error(
      'its "tokenizer.ggml.add_sep_token" asks for a token between texts, which no model of its kind has',
    );
  }
  const config = {
    bos_token: tokenNamed(fields, 'bos_token_id', fields.bosTokenId),
    eos_token: tokenNamed(fields, 'eos_token_id', fields.eosTokenId),
    unk_token: tokenNamed(fields, 'unknown_token_id', fields.unknownTokenId),
    pad_token: tokenNamed(fields, 'padding_token_id', fields.paddingTokenId),
    chat_template: fields.chatTemplate,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
  const { tokenizer, ...adds } = describe(fields, config);
  const given = Object.entries({ ...adds, ...config }).filter(([, value]) => value !== undefined);
  return { tokenizer, config: Object.fromEntries(given) };
}

interface Described {
  readonly tokenizer: TokenizerDescription;
  readonly add_bos_token: boolean;
  readonly add_eos_token: boolean;
}

type Names = Readonly<Partial<Record<'bos_token' | 'eos_token' | 'unk_token' | 'pad_token', string | undefined>>>;

const kinds: Readonly<Record<string, (fields: GgufTokenizerFields, names: Names) => Described>> = {
  gpt2: byteLevelOf,
  llama: sentencePieceOf,
};

function byteLevelOf(fields: GgufTokenizerFields, names: Names): Described {
  const { tokens, merges, addSpacePrefix, addBosToken, addEosToken = false } = fields;
  if (merges === undefined) throw new Error('its tokenizer has no merges');
  if (addSpacePrefix === true) {
    throw new Error(
      'its "tokenizer.ggml.add_space_prefix" asks for a space before texts, which byte-level BPE has not',
    );
  }
  const split = ggufSplit(preOf(fields, merges));
  const add_bos_token = addBosToken ?? (split.addsBos && names.bos_token !== undefined);
  const { control, userDefined } = pieceTypes;
  const added = tokens.flatMap((token, id) => {
    const type = typeOf(fields, id);
    return type === control || type === userDefined ? [addedToken(id, token, { special: type === control })] : [];
  });
  const spelt = tokens.map((token, id) => [isInByteLetters(token) ? token : byteLetters(token), id] as const);
  const vocab = Object.fromEntries(spelt);
  const around = (asked: boolean, key: string, name: string | undefined) =>
    asked ? [tokenAround(fields, key, name)] : [];
  const before = around(add_bos_token, 'bos', names.bos_token);
  const after = around(addEosToken, 'eos', names.eos_token);
  const parts = { added_tokens: added, post_processor: textTemplate(before, after) };
  return { tokenizer: splitByteLevel(vocab, merges, parts, split), add_bos_token, add_eos_token: addEosToken };
}

/** The token that stands at one end of every text. @throws Error where the file asks for it and does not say which it is */
function tokenAround({ tokens }: GgufTokenizerFields, key: string, token: string | undefined): AddedToken {
  if (token !== undefined) return addedToken(tokens.indexOf(token), token);
  throw new Error(`its "tokenizer.ggml.add_${key}_token" is set, and it has no "tokenizer.ggml.${key}_token_id"`);
}

/**
 * The name of the pre-tokenizer. Files from before there were names are cut as GPT-2 cuts, which is right for those alone whose
 * merges join nothing that it keeps apart.
 */
function preOf({ pre }: GgufTokenizerFields, merges: readonly string[]): string {
  if (pre !== undefined) return pre;
  const other = merges.find((merge) => {
    const text = textOfByteLetters(merge.replace(' ', ''));
    return text !== undefined && !staysWhole(text);
  });
  if (other === undefined) return 'gpt-2';
  throw new Error(
    `it has no "tokenizer.ggml.pre", and its merge "${other}" joins what GPT-2 keeps apart. Convert the model again with a llama.cpp of today`,
  );
}

function sentencePieceOf(fields: GgufTokenizerFields, names: Names): Described {
  const { tokens, scores, merges, addBosToken = true, addEosToken = false, addSpacePrefix = true } = fields;
  const pieces = tokens.map((piece, id) => ({ piece, score: scores?.[id] ?? 0, type: typeOf(fields, id) }));
  const adds = { add_bos_token: addBosToken, add_eos_token: addEosToken };
  const settings = { ...names, ...adds, add_prefix_space: addSpacePrefix, legacy: false };
  const mergesBy = merges?.map((merge) => merge.split(' ')) ?? (scores === undefined ? 'id' : 'score');
  return { tokenizer: llamaTokenizer({ pieces }, settings, mergesBy), ...adds };
}

const typeOf = ({ tokenTypes }: GgufTokenizerFields, id: number) => tokenTypes?.[id] ?? pieceTypes.normal;

function tokenNamed({ tokens }: GgufTokenizerFields, key: string, id: number | undefined): string | undefined {
  if (id === undefined) return undefined;
  const token = tokens[id];
  if (token !== undefined) return token;
  throw new Error(`its "tokenizer.ggml.${key}" is ${id}, and it has ${tokens.length} tokens`);
}
