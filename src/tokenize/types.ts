import type { PlacedTokens } from './offsets.js';

/** Token ids of one sequence, special tokens included, and which of the two texts each token belongs to. */
export interface Encoding {
  readonly ids: readonly number[];
  /** 0 for the first text, 1 for the second, as the tokenizer's own template says. Same length as `ids`. */
  readonly tokenTypeIds: readonly number[];
}

/** An encoding held to a length. */
export interface LimitedEncoding extends Encoding {
  /** True when tokens had to be dropped to keep to the length. */
  readonly truncated: boolean;
}

/** Text to the ids that Python's `transformers` gives for the same folder. Knows nothing of padding. */
export interface Tokenizer {
  /**
   * Encodes a text, or a pair of texts, whole: no truncation, whatever tokenizer.json says about it. An empty pair is a
   * pair, as in a batch in Python (called with plain strings, `tokenizer(text, '')` takes it for none).
   */
  encode(text: string, pair?: string): Encoding;
  /**
   * Encodes as Python's `tokenizer(text, pair, truncation=True, max_length=maxLength)` does (`longest_first`).
   *
   * @param maxLength number of tokens to keep, special tokens included
   * @throws DiffoError (usage) when `maxLength` leaves no room for the special tokens
   */
  encodeTruncated(text: string, pair: string | undefined, maxLength: number): LimitedEncoding;
  /** Ids of a text as it stands, with nothing added around it: for prompts that bring their own special tokens. */
  encodePlain(text: string): readonly number[];
  /**
   * Ids of a text with nothing added around it, and the part of the text that each comes from.
   * @throws DiffoError where this tokenizer's tokens cannot be placed
   */
  encodePlaced(text: string): PlacedTokens;
  /** Two sequences of ids as one, with the special tokens around them; `secondStart` is where the second begins. */
  join(first: readonly number[], second: readonly number[]): Encoding & { readonly secondStart: number };
  /** Special tokens that `join` adds. */
  readonly specialTokensOfPair: number;
  /** Ids of one text with the special tokens around them; `start` is where the first of them stands. */
  enclose(ids: readonly number[]): Encoding & { readonly start: number };
  /** Special tokens that `enclose` adds. */
  readonly specialTokensOfOne: number;
  /** The text of ids, as Python's `decode(ids, skip_special_tokens=…, clean_up_tokenization_spaces=False)` gives it. */
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** Id of a token, by its text. */
  tokenToId(token: string): number | undefined;
  /** Beginning and end of a text, where the tokenizer's settings name them. */
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  /** Special tokens by the names that chat templates use: `bos_token`, `eos_token`, … */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The Jinja template of a conversation, where the model has one. */
  readonly chatTemplate: string | undefined;
  /** The id to fill short rows of a batch with; such positions are masked. */
  readonly padTokenId: number;
  /** Longest sequence the tokenizer's config allows, where it states a sensible one. */
  readonly modelMaxLength: number | undefined;
  /** Number of tokens, added ones included. */
  readonly vocabSize: number;
  /** The largest id, added tokens included: ids may have holes, so that it may be more than their number. */
  readonly highestId: number;
  /** Paths of the tokenizer's files, to be copied beside a saved adapter. */
  readonly files: readonly string[];
}
