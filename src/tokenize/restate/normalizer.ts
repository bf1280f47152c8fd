import { isJsonObject } from '../../files/jsonText.js';
import { readCharsMap } from '../charsMap.js';
import type { JsonPart } from '../convert/description.js';

/**
 * The `normalizer` of a tokenizer.json as replacements. @huggingface/tokenizers has its own for BERT's and for white space at the
 * ends, which take white space as JavaScript does (`\s` holds U+FEFF and lacks U+0085) and look at halves of characters
 * beyond U+FFFF, and takes every character map for NFKC; a pattern it translates from the syntax of Python's library.
 *
 * @throws Error where a character map is damaged
 */
export function restatedNormalizer(part: unknown): unknown {
  if (!isJsonObject(part)) return part;
  switch (part.type) {
    case 'Sequence':
      return sequence(Array.isArray(part.normalizers) ? part.normalizers.map(restatedNormalizer) : []);
    case 'BertNormalizer':
      return bert(part);
    case 'Lowercase':
      return lowercase;
    case 'Strip':
      return sequence([
        ...(part.strip_left === true ? [replaced(String.raw`\A\s+`, '')] : []),
        ...(part.strip_right === true ? [replaced(String.raw`\s+\z`, '')] : []),
      ]);
    case 'Replace':
      return { ...part, content: literal(String(part.content ?? '')) };
    case 'Precompiled':
      return replaced(String.raw`[\s\S]+`, readCharsMap(part.precompiled_charsmap));
    default:
      return part;
  }
}

function sequence(normalizers: readonly unknown[]): JsonPart {
  return { type: 'Sequence', normalizers };
}

/** @param content `$&` being what was found, and `$$` a dollar; or what makes it of what was found */
function replaced(Regex: string, content: string | ((found: string) => string)): JsonPart {
  return { type: 'Replace', pattern: { Regex }, content };
}

function literal(content: string): string {
  return content.replaceAll('$', '$$$$');
}

/** Python's library looks at letters one by one, so that a sigma at the end of a word is one like any other. */
const lowercase = sequence([replaced('Σ', 'σ'), { type: 'Lowercase' }]);

/** Chinese characters (tokenizers, bert.rs, is_chinese_char). */
const chinese = String.raw`[\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F}\x{2B920}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]`;

function bert(part: Readonly<Record<string, unknown>>): JsonPart {
  const { clean_text, handle_chinese_chars, lowercase: isLower, strip_accents } = part;
  const accents = typeof strip_accents === 'boolean' ? strip_accents : isLower === true;
  return sequence([
    ...(clean_text === true
      ? [replaced(String.raw`[\x{0}\x{FFFD}]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]`, ''), replaced(String.raw`\s`, ' ')]
      : []),
    ...(handle_chinese_chars === true ? [replaced(chinese, ' $& ')] : []),
    ...(accents ? [{ type: 'NFD' }, replaced(String.raw`\p{Mn}`, '')] : []),
    ...(isLower === true ? [lowercase] : []),
  ]);
}
