import { isJsonObject } from '../files/jsonText.js';

type Part = Readonly<Record<string, unknown>>;

/** Classes that take tokenizer.json as it is. */
const plainClasses = ['PreTrainedTokenizerFast', 'TokenizersBackend'];

/**
 * A tokenizer.json with what tokenizer_config.json says otherwise. transformers' classes heed these settings above tokenizer.json
 * (models/bert/tokenization_bert.py, models/gpt2/tokenization_gpt2.py): `do_lower_case`, `strip_accents` and `tokenize_chinese_chars` of BERT's
 * normalizer, and `add_prefix_space`. `add_bos_token` and `add_eos_token` they leave aside where there is a tokenizer.json.
 */
export function configured(description: Part, config: Part): Record<string, unknown> {
  if (plainClasses.includes(String(config.tokenizer_class))) return description;
  return {
    ...description,
    normalizer: changed(description.normalizer, 'normalizers', (part) => bertNormalizer(part, config)),
    pre_tokenizer: changed(description.pre_tokenizer, 'pretokenizers', (part) => prefixed(part, config)),
  };
}

/** A part, or the parts of a sequence. */
function changed(part: unknown, list: string, change: (part: Part) => Part): unknown {
  if (!isJsonObject(part)) return part ?? null;
  const parts = part[list];
  return Array.isArray(parts) ? { ...part, [list]: parts.map((one) => changed(one, list, change)) } : change(part);
}

function bertNormalizer(part: Part, config: Part): Part {
  if (part.type !== 'BertNormalizer') return part;
  const said = (key: string, name: string) => (typeof config[name] === 'boolean' ? { [key]: config[name] } : {});
  return {
    ...part,
    ...said('lowercase', 'do_lower_case'),
    ...said('strip_accents', 'strip_accents'),
    ...said('handle_chinese_chars', 'tokenize_chinese_chars'),
  };
}

function prefixed(part: Part, { add_prefix_space: prefix }: Part): Part {
  if (typeof prefix !== 'boolean') return part;
  if (part.type === 'ByteLevel') return { ...part, add_prefix_space: prefix };
  return part.type === 'Metaspace' && !prefix ? { ...part, prepend_scheme: 'never' } : part;
}
