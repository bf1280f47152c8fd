import { isJsonObject } from '../../files/jsonText.js';
import type { JsonPart } from '../convert/description.js';
import { gpt2Split } from '../gpt2Split.js';

/** Marks as BERT knows them: those of Unicode and all of ASCII that is neither letter nor digit. */
const mark = String.raw`[\p{P}!-/:-@\[-${'`'}{-~]`;
/** `\w` of Rust's regex crate, and no others than these. */
const word = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}`;

/**
 * The `pre_tokenizer` of a tokenizer.json as patterns. @huggingface/tokenizers has its own for the other kinds, which take white
 * space, digits and marks as JavaScript does (`\s` holds U+FEFF and lacks U+0085, `\d` is ASCII's) and leave behaviours aside;
 * a pattern it translates from the syntax of Python's library.
 *
 * @throws Error for what no pattern can say
 */
export function restatedPreTokenizer(part: unknown): unknown {
  if (!isJsonObject(part)) return part;
  switch (part.type) {
    case 'Sequence':
      return sequence(Array.isArray(part.pretokenizers) ? part.pretokenizers.map(restatedPreTokenizer) : []);
    case 'ByteLevel':
      return byteLevel(part);
    case 'Metaspace':
      return metaspace(part);
    case 'Whitespace':
      return matches(String.raw`[${word}]+|[^${word}\s]+`);
    case 'WhitespaceSplit':
      return matches(String.raw`\S+`);
    case 'BertPreTokenizer':
      return sequence([matches(String.raw`\S+`), isolated(mark)]);
    case 'Digits':
      return isolated(part.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+`);
    case 'Punctuation':
      return split(mark, part.behavior ?? 'Isolated');
    case 'Split':
      return inverted(part) ?? split(patternOf(part.pattern), part.behavior);
    default:
      return part;
  }
}

function sequence(pretokenizers: readonly unknown[]): JsonPart {
  return { type: 'Sequence', pretokenizers };
}

/** What matches is a piece, and so is what lies between. */
function isolated(Regex: string): JsonPart {
  return { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
}

/** What matches is a piece; what lies between is left out. */
function matches(Regex: string): JsonPart {
  return { type: 'Split', pattern: { Regex }, behavior: 'Removed', invert: true };
}

function byteLevel(part: Readonly<Record<string, unknown>>): unknown {
  const bytes = { ...part, add_prefix_space: false, use_regex: false };
  const prefix =
    part.add_prefix_space === true ? [{ type: 'Replace', pattern: { Regex: String.raw`\A[^ ]` }, content: ' $&' }] : [];
  const cuts = part.use_regex === false ? [] : [isolated(gpt2Split)];
  return sequence([...prefix, ...cuts, bytes]);
}

function metaspace(part: Readonly<Record<string, unknown>>): unknown {
  const { split: splits, replacement = '▁' } = part;
  return splits === false ? part : sequence([part, split(escaped(String(replacement)), 'MergedWithNext')]);
}

/** What `invert` makes of a Split; undefined where it has none. */
function inverted({ pattern, behavior, invert }: Readonly<Record<string, unknown>>): unknown {
  if (invert !== true) return undefined;
  if (behavior === 'Removed') return matches(patternOf(pattern));
  if (behavior === 'Isolated') return isolated(patternOf(pattern));
  throw new Error(`its pre_tokenizer has a Split with invert and "${String(behavior)}", which is not supported`);
}

/** A pattern and what becomes of its matches (tokenizers, SplitDelimiterBehavior). */
function split(pattern: string, behavior: unknown): JsonPart {
  const others = String.raw`(?:(?!${pattern})[\s\S])*`;
  switch (behavior) {
    case 'Isolated':
      return isolated(pattern);
    case 'Removed':
      return { type: 'Split', pattern: { Regex: withoutGroups(pattern) }, behavior: 'Removed', invert: false };
    case 'Contiguous':
      return isolated(`(?:${pattern})+`);
    case 'MergedWithPrevious':
      return isolated(`${others}(?:${pattern})`);
    case 'MergedWithNext':
      return isolated(`(?:${pattern})${others}`);
    default:
      throw new Error(`its pre_tokenizer has the behavior "${String(behavior)}", which is not known`);
  }
}

function patternOf(pattern: unknown): string {
  if (isJsonObject(pattern) && typeof pattern.Regex === 'string') return pattern.Regex;
  if (isJsonObject(pattern) && typeof pattern.String === 'string') return escaped(pattern.String);
  throw new Error(`its pre_tokenizer has a pattern that is not understood: ${JSON.stringify(pattern)}`);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|-]/g, '\\$&');
}

/** Groups that keep nothing: what a group has kept would come out between the pieces. */
function withoutGroups(pattern: string): string {
  return pattern.replace(/(\\.|\[(?:\\.|[^\]\\])*\])|\((?!\?)/gs, (_, other?: string) => other ?? '(?:');
}
