import {
  type AddedToken,
  flag,
  type JsonPart,
  type Settings,
  specialTokens,
  type TokenizerDescription,
  tokenNamed,
} from './description.js';
import { textTemplate } from './textTemplate.js';

/** Token → id. */
export type Vocabulary = Readonly<Record<string, number>>;

/**
 * GPT-2's vocabulary and merges as tokenizer.json: nothing is added around a text, unless `add_bos_token` or `add_eos_token` ask for it
 * (transformers/models/gpt2/tokenization_gpt2.py).
 */
export function gpt2Tokenizer(vocab: Vocabulary, merges: readonly string[], settings: Settings): TokenizerDescription {
  const end = tokenNamed(settings, 'eos_token', '<|endoftext|>');
  const names = { bos_token: end, eos_token: end, unk_token: end };
  const special = specialTokens(settings, names, idIn(vocab), sizeOf(vocab));
  const around = (name: 'bos_token' | 'eos_token') =>
    flag(settings, `add_${name}`, false)
      ? special.filter(({ content }) => content === tokenNamed(settings, name, end))
      : [];
  return byteLevel(vocab, merges, settings, special, textTemplate(around('bos_token'), around('eos_token')));
}

const robertaNames = {
  bos_token: '<s>',
  pad_token: '<pad>',
  eos_token: '</s>',
  unk_token: '<unk>',
  cls_token: '<s>',
  sep_token: '</s>',
  mask_token: '<mask>',
};

/** RoBERTa's: `<s> A </s>` and `<s> A </s></s> B </s>` (transformers/models/roberta/tokenization_roberta.py). */
export function robertaTokenizer(
  vocab: Vocabulary,
  merges: readonly string[],
  settings: Settings,
): TokenizerDescription {
  const special = specialTokens(settings, robertaNames, idIn(vocab), sizeOf(vocab));
  const pair = (name: 'cls_token' | 'sep_token') => {
    const content = tokenNamed(settings, name, robertaNames[name]);
    return [content, special.find((token) => token.content === content)!.id];
  };
  const space = flag(settings, 'add_prefix_space', false);
  const template = { type: 'RobertaProcessing', trim_offsets: true, add_prefix_space: space };
  return byteLevel(vocab, merges, settings, special, { ...template, cls: pair('cls_token'), sep: pair('sep_token') });
}

/** Byte-level BPE (Radford et al. 2019) with the given tokens and template. */
export function byteLevel(
  vocab: Vocabulary,
  merges: readonly string[],
  settings: Settings,
  added: readonly AddedToken[],
  template: JsonPart,
): TokenizerDescription {
  const add_prefix_space = flag(settings, 'add_prefix_space', false);
  return byteLevelOf(vocab, merges, {
    added_tokens: added,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex: true },
    post_processor: template,
  });
}

/** Byte-level BPE whose texts are cut by patterns of its own, each cutting what those before it have left. */
export function splitByteLevel(
  vocab: Vocabulary,
  merges: readonly string[],
  parts: Pick<TokenizerDescription, 'added_tokens' | 'post_processor'>,
  { patterns, ignoreMerges }: { readonly patterns: readonly string[]; readonly ignoreMerges: boolean },
): TokenizerDescription {
  const cuts = patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  const pre_tokenizer = { type: 'Sequence', pretokenizers: [...cuts, bytes] };
  const { model, ...rest } = byteLevelOf(vocab, merges, { ...parts, pre_tokenizer });
  return { ...rest, model: { ...model, ignore_merges: ignoreMerges } };
}

function byteLevelOf(
  vocab: Vocabulary,
  merges: readonly string[],
  parts: Pick<TokenizerDescription, 'added_tokens' | 'pre_tokenizer' | 'post_processor'>,
): TokenizerDescription {
  return {
    version: '1.0',
    ...parts,
    normalizer: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: merges.map((merge) => merge.split(' ')),
    },
  };
}

/**
 * The lines of merges.txt, without a first line that names a version.
 * @throws Error naming the first line that is no pair
 */
export function readMerges(text: string): string[] {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  const from = lines[0]?.startsWith('#version') ? 1 : 0;
  const merges = lines.slice(from).filter((line) => line !== '');
  const wrong = merges.findIndex((merge) => merge.split(' ').length !== 2);
  if (wrong >= 0) throw new Error(`line ${wrong + from + 1} is no pair of tokens: ${merges[wrong]!.slice(0, 40)}`);
  return merges;
}

const idIn = (vocab: Vocabulary) => (token: string) => (Object.hasOwn(vocab, token) ? vocab[token] : undefined);

/** Ids may have holes, so the next free one is above the highest. */
function sizeOf(vocab: Vocabulary): number {
  return Object.values(vocab).reduce((highest, id) => Math.max(highest, id), -1) + 1;
}
