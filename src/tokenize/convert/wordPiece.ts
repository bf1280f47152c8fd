import {
  bertTemplate,
  flag,
  type Settings,
  specialTokens,
  type TokenizerDescription,
  tokenNamed,
} from './description.js';

const names = { pad_token: '[PAD]', unk_token: '[UNK]', cls_token: '[CLS]', sep_token: '[SEP]', mask_token: '[MASK]' };

/**
 * A BERT vocabulary, one token a line, as tokenizer.json (transformers/models/bert/tokenization_bert.py).
 * @throws Error when [CLS] or [SEP] is not in it
 */
export function wordPieceTokenizer(text: string, settings: Settings): TokenizerDescription {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  if (lines.at(-1) === '') lines.pop();
  const vocab = new Map(lines.map((token, id) => [token, id]));
  const special = specialTokens(settings, names, (token) => vocab.get(token), lines.length);
  const find = (name: 'cls_token' | 'sep_token') => {
    const content = tokenNamed(settings, name, names[name]);
    if (!vocab.has(content)) throw new Error(`it has no ${content}`);
    return special.find((token) => token.content === content)!;
  };
  return {
    version: '1.0',
    added_tokens: special,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: flag(settings, 'tokenize_chinese_chars', true),
      strip_accents: typeof settings.strip_accents === 'boolean' ? settings.strip_accents : null,
      lowercase: flag(settings, 'do_lower_case', true),
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: bertTemplate(find('cls_token'), find('sep_token')),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: tokenNamed(settings, 'unk_token', names.unk_token),
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab),
    },
  };
}
