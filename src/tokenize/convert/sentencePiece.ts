import {
  type AddedToken,
  addedToken,
  bertTemplate,
  flag,
  type JsonPart,
  type Settings,
  specialTokens,
  type TokenizerDescription,
  tokenNamed,
} from './description.js';
import { type Piece, pieceTypes, type SentencePieceModel } from './sentencePieceModel.js';
import { textTemplate } from './textTemplate.js';

const space = '▁';
const quotes = ['``', "''"];

/** DeBERTa-v2 and v3 (transformers/models/deberta_v2/tokenization_deberta_v2.py); [MASK] comes after the pieces. */
export function debertaTokenizer({ pieces, unknownId }: SentencePieceModel, settings: Settings): TokenizerDescription {
  const names = {
    pad_token: '[PAD]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    unk_token: '[UNK]',
    mask_token: '[MASK]',
  };
  const added = unique([...specialTokens(settings, names, idIn(pieces), pieces.length), ...ownTokens(pieces)]);
  const lower = flag(settings, 'do_lower_case', false) ? [{ type: 'Lowercase' }] : [];
  const punctuation = flag(settings, 'split_by_punct', false) ? [{ type: 'Punctuation', behavior: 'Isolated' }] : [];
  const prepend = flag(settings, 'add_prefix_space', true) ? 'always' : 'first';
  return unigram(pieces, unknownId, {
    added_tokens: added,
    normalizer: sequenceOf('Sequence', 'normalizers', [
      ...lower,
      { type: 'Replace', pattern: { Regex: '\\s{2,}|[\\n\\r\\t]' }, content: ' ' },
      { type: 'NFC' },
      { type: 'Strip', strip_left: false, strip_right: true },
    ]),
    pre_tokenizer: sequenceOf('Sequence', 'pretokenizers', [...punctuation, metaspace(prepend)]),
    post_processor: bertTemplate(...clsAndSep(settings, names, added)),
    decoder: metaspace(prepend),
  });
}

/** ALBERT (transformers/models/albert/tokenization_albert.py): quotes made plain, accents and capitals taken off. */
export function albertTokenizer(model: SentencePieceModel, settings: Settings): TokenizerDescription {
  const names = {
    pad_token: '<pad>',
    unk_token: '<unk>',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    mask_token: '[MASK]',
  };
  const { pieces, charsmap } = model;
  const added = unique([...specialTokens(settings, names, idIn(pieces), pieces.length), ...ownTokens(pieces)]);
  const prepend = flag(settings, 'add_prefix_space', true) ? 'always' : 'never';
  const accents = flag(settings, 'keep_accents', false) ? [] : [{ type: 'NFKD' }, { type: 'StripAccents' }];
  const lower = flag(settings, 'do_lower_case', true) ? [{ type: 'Lowercase' }] : [];
  return unigram(pieces, 1, {
    added_tokens: added,
    normalizer: sequenceOf('Sequence', 'normalizers', [
      ...quotes.map((quote) => ({ type: 'Replace', pattern: { String: quote }, content: '"' })),
      ...accents,
      ...lower,
      ...precompiled(charsmap),
    ]),
    pre_tokenizer: sequenceOf('Sequence', 'pretokenizers', [{ type: 'WhitespaceSplit' }, metaspace(prepend)]),
    post_processor: bertTemplate(...clsAndSep(settings, names, added)),
    decoder: metaspace(prepend),
  });
}

/**
 * XLM-R and CamemBERT-like files (transformers/models/xlm_roberta/tokenization_xlm_roberta.py): fairseq's four tokens
 * stand before the pieces, whose own three are left out, and `<mask>` after them.
 */
export function xlmRobertaTokenizer(
  { pieces, charsmap }: SentencePieceModel,
  settings: Settings,
): TokenizerDescription {
  const plain = (piece: string): Piece => ({ piece, score: 0, type: pieceTypes.control });
  const all = [...['<s>', '<pad>', '</s>', '<unk>'].map(plain), ...pieces.slice(3), plain('<mask>')];
  const names = {
    bos_token: '<s>',
    pad_token: '<pad>',
    eos_token: '</s>',
    unk_token: '<unk>',
    cls_token: '<s>',
    sep_token: '</s>',
    mask_token: '<mask>',
  };
  const added = specialTokens(settings, names, idIn(all), all.length);
  const [start, end] = clsAndSep(settings, names, added);
  const special = ({ content: id }: AddedToken) => ({ SpecialToken: { id, type_id: 0 } });
  const text = (id: 'A' | 'B') => ({ Sequence: { id, type_id: 0 } });
  const single = [special(start), text('A'), special(end)];
  const prepend = flag(settings, 'add_prefix_space', true) ? 'always' : 'never';
  return unigram(all, 3, {
    added_tokens: added,
    normalizer: precompiled(charsmap)[0] ?? null,
    pre_tokenizer: sequenceOf('Sequence', 'pretokenizers', [{ type: 'WhitespaceSplit' }, metaspace(prepend)]),
    post_processor: template(single, [...single, special(end), text('B'), special(end)], [start, end]),
    decoder: metaspace(prepend),
  });
}

/**
 * T5, mT5, UMT5 (transformers/models/t5/tokenization_t5.py): every text ends in `</s>`, and behind the pieces stand the marks of gaps,
 * `extra_ids` of them (100 where nothing is said), the last first.
 */
export function t5Tokenizer({ pieces, charsmap }: SentencePieceModel, settings: Settings): TokenizerDescription {
  const names = { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };
  const { extra_ids: said } = settings;
  const marks = typeof said === 'number' ? said : 100;
  const known = new Set(pieces.map(({ piece }) => piece));
  const gaps = Array.from({ length: marks }, (_, i) => `<extra_id_${marks - 1 - i}>`).filter((one) => !known.has(one));
  const all = [...pieces, ...gaps.map((piece): Piece => ({ piece, score: 0, type: pieceTypes.control }))];
  const added = unique([...specialTokens(settings, names, idIn(all), all.length), ...ownTokens(all)]);
  const end = added.filter(({ content }) => content === tokenNamed(settings, 'eos_token', names.eos_token));
  const text = (id: 'A' | 'B') => [
    { Sequence: { id, type_id: 0 } },
    ...end.map(({ content }) => ({ SpecialToken: { id: content, type_id: 0 } })),
  ];
  return unigram(all, 2, {
    added_tokens: added,
    normalizer: precompiled(charsmap)[0] ?? null,
    pre_tokenizer: sequenceOf('Sequence', 'pretokenizers', [{ type: 'WhitespaceSplit' }, metaspace('always')]),
    post_processor: template(text('A'), [...text('A'), ...text('B')], end),
    decoder: metaspace('always'),
  });
}

/**
 * LLaMA 1 and 2, Mistral: BPE with bytes for unknown characters (transformers/models/llama/tokenization_llama.py).
 * @param mergesBy what orders the merges: ids, or the pieces' scores, which a GGUF file has; or the merges themselves
 */
export function llamaTokenizer(
  { pieces }: Pick<SentencePieceModel, 'pieces'>,
  settings: Settings,
  mergesBy: 'id' | 'score' | readonly (readonly string[])[] = 'id',
): TokenizerDescription {
  const names = { unk_token: '<unk>', bos_token: '<s>', eos_token: '</s>' };
  const added = unique([...specialTokens(settings, names, idIn(pieces), pieces.length), ...ownTokens(pieces)]);
  const tokenOf = (name: 'bos_token' | 'eos_token') =>
    flag(settings, `add_${name}`, false)
      ? added.filter(({ content }) => content === tokenNamed(settings, name, names[name]))
      : [];
  const [before, after] = [tokenOf('bos_token'), tokenOf('eos_token')];
  const prefixed = flag(settings, 'add_prefix_space', true);
  const scheme = prefixed ? (flag(settings, 'legacy', false) ? 'always' : 'first') : 'never';
  const vocab = vocabularyOf(pieces);
  const implied = () => (mergesBy === 'id' ? mergesOf(vocab) : mergesOf(vocab, (id) => -pieces[id]!.score));
  return {
    version: '1.0',
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { ...metaspace(scheme), split: false },
    post_processor: textTemplate(before, after),
    decoder: sequenceOf('Sequence', 'decoders', [
      { type: 'Replace', pattern: { String: space }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      ...(prefixed ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
    ]),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: tokenNamed(settings, 'unk_token', names.unk_token),
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges: typeof mergesBy === 'string' ? implied() : mergesBy,
    },
  };
}

/**
 * The merges that a vocabulary of pieces implies: every split of a piece into two pieces, in the order of the joined
 * pieces (transformers' `generate_merges`).
 * @param rank what orders the joined pieces, lowest first: by default their ids
 */
export function mergesOf(vocab: ReadonlyMap<string, number>, rank?: (id: number) => number): [string, string][] {
  const merges: { left: string; right: string; order: number }[] = [];
  for (const [piece, id] of vocab) {
    const letters = [...piece];
    const order = rank === undefined ? id : rank(id);
    const splits = letters.slice(1).flatMap((_, i) => {
      const [left, right] = [letters.slice(0, i + 1).join(''), letters.slice(i + 1).join('')];
      return vocab.has(left) && vocab.has(right) ? [{ left, right, order }] : [];
    });
    splits.sort((a, b) => vocab.get(a.left)! - vocab.get(b.left)! || vocab.get(a.right)! - vocab.get(b.right)!);
    merges.push(...splits);
  }
  const lengthOf = (text: string) => [...text].length;
  // transformers turns the whole order round for scores, the highest of which comes first.
  const sign = rank === undefined ? 1 : -1;
  merges.sort(
    (a, b) =>
      a.order - b.order ||
      sign * (lengthOf(a.left) - lengthOf(b.left)) ||
      sign * (lengthOf(a.right) - lengthOf(b.right)),
  );
  return merges.map(({ left, right }) => [left, right]);
}

/** A piece that stands twice keeps its last id, as in Python's dictionaries. */
function vocabularyOf(pieces: readonly Piece[]): Map<string, number> {
  return new Map(pieces.map(({ piece }, id) => [piece, id]));
}

function unigram(
  pieces: readonly Piece[],
  unknownId: number,
  parts: Omit<TokenizerDescription, 'version' | 'model'>,
): TokenizerDescription {
  if (unknownId < 0 || unknownId >= pieces.length) throw new Error(`its unknown piece ${unknownId} is not in it`);
  const vocab = pieces.map(({ piece, score }) => [piece, score]);
  return {
    version: '1.0',
    ...parts,
    model: { type: 'Unigram', unk_id: unknownId, byte_fallback: false, vocab },
  };
}

/** Control pieces (special) and user-defined pieces of the model: they are found in a text before it is split. */
function ownTokens(pieces: readonly Piece[]): AddedToken[] {
  const { control, userDefined } = pieceTypes;
  return pieces.flatMap(({ piece, type }, id) =>
    type === control || type === userDefined ? [addedToken(id, piece, { special: type === control })] : [],
  );
}

function unique(tokens: readonly AddedToken[]): AddedToken[] {
  const byId = new Map(tokens.toReversed().map((token) => [token.id, token]));
  return [...byId.values()].sort((a, b) => a.id - b.id);
}

function idIn(pieces: readonly Piece[]): (token: string) => number | undefined {
  const ids = vocabularyOf(pieces);
  return (token) => ids.get(token);
}

function clsAndSep(
  settings: Settings,
  names: { readonly cls_token: string; readonly sep_token: string },
  added: readonly AddedToken[],
): [AddedToken, AddedToken] {
  const find = (name: 'cls_token' | 'sep_token') => {
    const content = tokenNamed(settings, name, names[name]);
    return added.find((token) => token.content === content)!;
  };
  return [find('cls_token'), find('sep_token')];
}

function metaspace(prepend_scheme: 'always' | 'first' | 'never'): JsonPart {
  return { type: 'Metaspace', replacement: space, prepend_scheme, split: true };
}

function precompiled(charsmap: string | undefined): JsonPart[] {
  return charsmap === undefined ? [] : [{ type: 'Precompiled', precompiled_charsmap: charsmap }];
}

function sequenceOf(type: string, name: string, parts: readonly JsonPart[]): JsonPart {
  return { type, [name]: parts };
}

function template(single: unknown, pair: unknown, special: readonly AddedToken[]): JsonPart {
  const tokens = special.map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]);
  return { type: 'TemplateProcessing', single, pair, special_tokens: Object.fromEntries(tokens) };
}
