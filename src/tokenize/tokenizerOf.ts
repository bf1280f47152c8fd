import { Tokenizer as Library } from '@huggingface/tokenizers';
import { DiffoError, usageError } from '../errors.js';
import { isJsonObject } from '../files/jsonText.js';
import { placeTokens, type Tokens } from './offsets.js';
import { restatedNormalizer } from './restate/normalizer.js';
import { restatedPreTokenizer } from './restate/preTokenizer.js';
import { countSpecial, type Piece, readTemplate, type Template } from './template.js';
import { longestFirst } from './truncate.js';
import type { Encoding, LimitedEncoding, Tokenizer } from './types.js';

/** transformers writes 1e30 for "no limit known"; nothing real comes near a hundred million tokens. */
const NO_LIMIT = 1e8;
/** The library goes through all ids below the largest, so that one wrong id takes minutes. */
const LARGEST_ID = 1e7;

/** What the files of a tokenizer say, before it is one. */
export interface TokenizerFiles {
  /** Of tokenizer.json, whether it is there or made of other files. */
  readonly path: string;
  /** tokenizer.json, with what tokenizer_config.json says otherwise. */
  readonly description: Readonly<Record<string, unknown>>;
  /** tokenizer_config.json, special_tokens_map.json, and both as one, the first winning. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly specialTokens: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** config.json */
  readonly modelConfig: Readonly<Record<string, unknown>>;
  /** chat_template.jinja */
  readonly chatTemplate?: string | undefined;
  /** Paths of the files that are there. */
  readonly files: readonly string[];
}

/**
 * A tokenizer from what its files say. It gives the ids that Python's `transformers` gives. Truncation and padding that
 * tokenizer.json carries (all-MiniLM's cuts at 128) have no effect: the caller sets them.
 *
 * @throws DiffoError when tokenizer.json is broken or of a kind that is not supported
 */
export function tokenizerOf(said: TokenizerFiles): Tokenizer {
  const { path, description, config, specialTokens, settings, modelConfig, chatTemplate, files } = said;
  const { library, template } = build(path, description, config);
  const vocabulary = library.get_vocab(true);
  const vocabSize = vocabulary.size;
  if (vocabSize === 0) throw new DiffoError(`${path} has an empty vocabulary. Fetch the file again.`);

  const named = namedTokens(settings);

  const cutLeft = config.truncation_side === 'left';
  const tokens = (text: string) => library.encode(text, { add_special_tokens: false }).ids;
  const encodeTruncated = (text: string, pair: string | undefined, maxLength: number): LimitedEncoding => {
    const pieces = pair === undefined ? template.single : template.pair;
    const room = maxLength - countSpecial(pieces);
    if (!Number.isInteger(maxLength) || room < 0) {
      throw usageError(
        `A maximum length of ${maxLength} tokens has no room for the ${countSpecial(pieces)} special tokens. Raise it.`,
      );
    }
    const first = tokens(text);
    const second = pair === undefined ? [] : tokens(pair);
    const [keepFirst, keepSecond] = longestFirst(first.length, second.length, room);
    return {
      ...fill(pieces, cut(first, keepFirst, cutLeft), cut(second, keepSecond, cutLeft)),
      truncated: keepFirst < first.length || keepSecond < second.length,
    };
  };
  return {
    encode: (text, pair) =>
      pair === undefined ? fill(template.single, tokens(text), []) : fill(template.pair, tokens(text), tokens(pair)),
    encodeTruncated,
    encodePlain: tokens,
    encodePlaced: (text) => {
      const placed = placeTokens(
        text,
        remembering((part) => library.encode(part, { add_special_tokens: false })),
      );
      if (placed !== undefined) return placed;
      throw new DiffoError(
        `${path}: tokens of "${text.slice(0, 40)}" cannot be placed in the text, because this tokenizer joins over white space. Take another model for tasks with answers in a text.`,
      );
    },
    join: (first, second) => {
      const before = template.pair.slice(
        0,
        template.pair.findIndex((piece) => piece.kind === 'sequence' && piece.sequence === 'B'),
      );
      const secondStart = fill(before, first, []).ids.length;
      return { ...fill(template.pair, first, second), secondStart };
    },
    specialTokensOfPair: countSpecial(template.pair),
    enclose: (ids) => {
      const before = template.single.slice(
        0,
        template.single.findIndex(({ kind }) => kind === 'sequence'),
      );
      return { ...fill(template.single, ids, []), start: fill(before, [], []).ids.length };
    },
    specialTokensOfOne: countSpecial(template.single),
    decode: (ids, { skipSpecialTokens = false } = {}) =>
      ids.length === 0
        ? ''
        : library.decode([...ids], { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: false }),
    tokenToId: (token) => library.token_to_id(token),
    bosTokenId: named.bos_token === undefined ? undefined : library.token_to_id(named.bos_token),
    eosTokenId: named.eos_token === undefined ? undefined : library.token_to_id(named.eos_token),
    specialTokens: named,
    chatTemplate: chatTemplate ?? templateIn(config),
    padTokenId: padTokenId(library, [config, specialTokens], modelConfig),
    modelMaxLength: sensibleLength(config.model_max_length),
    vocabSize,
    highestId: [...vocabulary.values()].reduce((highest, id) => Math.max(highest, id), -1),
    files,
  };
}

/** Words come again; a tokenizer need not be asked twice within a text. */
function remembering(encode: (text: string) => Tokens): (text: string) => Tokens {
  const known = new Map<string, Tokens>();
  return (text) => {
    const found = known.get(text) ?? encode(text);
    known.set(text, found);
    return found;
  };
}

function build(path: string, description: Record<string, unknown>, config: Record<string, unknown>) {
  try {
    if (!isJsonObject(description.model)) throw new Error('it has no "model"');
    const large = idsOf(description.model.vocab, description.added_tokens).find((id) => id > LARGEST_ID);
    if (large !== undefined) throw new Error(`it gives a token the id ${large}, which no vocabulary reaches`);
    const template = readTemplate(description.post_processor);
    if (template === undefined) {
      throw new Error(`its post_processor ${JSON.stringify(description.post_processor).slice(0, 80)} is not supported`);
    }
    // The library wants these keys even where they are empty; files of older versions leave them out.
    const whole = { added_tokens: [], decoder: null, ...description };
    const restated = {
      normalizer: restatedNormalizer(description.normalizer ?? null),
      pre_tokenizer: restatedPreTokenizer(description.pre_tokenizer ?? null),
      post_processor: null,
    };
    refuseSingleWords(description.added_tokens);
    refuseStrangeMerges(description.model);
    return { library: new Library({ ...whole, ...restated }, { ...config, ...slowAlone }), template };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(`${path} is not a tokenizer that can be used: ${reason}. Fetch the file again.`, {
      cause: error,
    });
  }
}

/** Settings that the library heeds and that Python's has for tokenizers without tokenizer.json alone. */
const slowAlone = { remove_space: false, do_lowercase_and_remove_accent: false };

/** The library finds such tokens within words too. */
function refuseSingleWords(addedTokens: unknown): void {
  const tokens: unknown[] = Array.isArray(addedTokens) ? addedTokens : [];
  const found = tokens.find((token) => isJsonObject(token) && token.single_word === true);
  if (isJsonObject(found))
    throw new Error(`its added token "${String(found.content)}" has single_word, which is not supported`);
}

/** The library would leave out what such a merge makes. @throws Error as Python's does */
function refuseStrangeMerges({
  type,
  vocab,
  merges,
  continuing_subword_prefix: prefix,
}: Record<string, unknown>): void {
  if (type !== 'BPE' || !isJsonObject(vocab) || !Array.isArray(merges) || (prefix ?? '') !== '') return;
  for (const merge of merges as unknown[]) {
    const pair: unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const strange = [...pair, pair.join('')].find((token) => !Object.hasOwn(vocab, String(token)));
    if (strange !== undefined)
      throw new Error(`its merges make the token "${String(strange)}", which it does not have`);
  }
}

function idsOf(vocabulary: unknown, addedTokens: unknown): number[] {
  const ids = isJsonObject(vocabulary) ? Object.values(vocabulary) : [];
  const added = Array.isArray(addedTokens) ? addedTokens.map((token: unknown) => isJsonObject(token) && token.id) : [];
  return ids.concat(added).filter((id) => typeof id === 'number');
}

const tokenNames = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** The texts of the special tokens that the settings name. */
function namedTokens(settings: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    tokenNames.flatMap((name) => {
      const value = settings[name];
      const content = isJsonObject(value) ? value.content : value;
      return typeof content === 'string' ? [[name, content]] : [];
    }),
  );
}

/** `chat_template` of tokenizer_config.json: a template, or several of which one is `default`. */
function templateIn(config: Record<string, unknown>): string | undefined {
  const template = config.chat_template;
  if (typeof template === 'string') return template;
  if (!Array.isArray(template)) return undefined;
  const usual: unknown = template.find((one: unknown) => isJsonObject(one) && one.name === 'default');
  return isJsonObject(usual) && typeof usual.template === 'string' ? usual.template : undefined;
}

function fill(pieces: Template['single'], first: readonly number[], second: readonly number[]): Encoding {
  const ids: number[] = [];
  const tokenTypeIds: number[] = [];
  const idsOf = (piece: Piece) => (piece.kind === 'special' ? piece.ids : piece.sequence === 'A' ? first : second);
  for (const piece of pieces) {
    for (const id of idsOf(piece)) {
      ids.push(id);
      tokenTypeIds.push(piece.typeId);
    }
  }
  return { ids, tokenTypeIds };
}

function cut(ids: readonly number[], keep: number, left: boolean): readonly number[] {
  if (keep >= ids.length) return ids;
  return left ? ids.slice(ids.length - keep) : ids.slice(0, keep);
}

/** The id of `pad_token`; without one, config.json's `pad_token_id`; without that 0, which the mask hides. */
function padTokenId(
  library: Library,
  configs: readonly Record<string, unknown>[],
  modelConfig: Record<string, unknown>,
): number {
  for (const { pad_token: token } of configs) {
    const content = isJsonObject(token) ? token.content : token;
    const id = typeof content === 'string' ? library.token_to_id(content) : undefined;
    if (id !== undefined) return id;
  }
  const stated = modelConfig.pad_token_id;
  return typeof stated === 'number' && Number.isInteger(stated) && stated >= 0 ? stated : 0;
}

function sensibleLength(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < NO_LIMIT ? value : undefined;
}
