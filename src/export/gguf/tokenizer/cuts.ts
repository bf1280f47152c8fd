import { isJsonObject } from '../../../files/json.js';
import { refuse } from '../refusal.js';

/** How GPT-2 cuts a text into pieces before it merges (Radford et al. 2019, encoder.py). */
const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
const digit = String.raw`\p{N}`;
const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const spaces = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const words = String.raw`${contraction}|[^\r\n\p{L}\p{N}]?\p{L}+`;
const signs = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
const llama3 = String.raw`${words}|\p{N}{1,3}|${signs}|${spaces}`;
const qwen2 = String.raw`${words}|\p{N}|${signs}|${spaces}`;
const [large, small] = [String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`];
const cased = String.raw`[^\r\n\p{L}\p{N}]?${large}*${small}+|[^\r\n\p{L}\p{N}]?${large}+${small}*`;
const tekken = String.raw`${cased}|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${spaces}`;

/** What llama.cpp does by a name in `tokenizer.ggml.pre` (src/llama-vocab.cpp). */
interface Cut {
  readonly pre: string;
  /** Each cuts what those before it have left. */
  readonly patterns: readonly string[];
  /** A piece that is a token is that token, whatever its merges make of it. */
  readonly ignoreMerges: boolean;
}

const cuts: readonly Cut[] = [
  { pre: 'gpt-2', patterns: [gpt2], ignoreMerges: false },
  { pre: 'smollm', patterns: [digit, gpt2], ignoreMerges: false },
  { pre: 'llama-bpe', patterns: [llama3], ignoreMerges: true },
  { pre: 'smaug-bpe', patterns: [llama3], ignoreMerges: false },
  { pre: 'qwen2', patterns: [qwen2], ignoreMerges: false },
  { pre: 'tekken', patterns: [tekken], ignoreMerges: true },
];

/**
 * The name by which llama.cpp cuts texts as the pre-tokenizer of a byte-level vocabulary does.
 * @throws Refusal where it has none
 */
export function preNamed(preTokenizer: unknown, ignoreMerges: boolean): string {
  const patterns = patternsOf(preTokenizer);
  const same = cuts.filter((one) => one.patterns.join('\n') === patterns.join('\n'));
  const found = same.find((one) => one.ignoreMerges === ignoreMerges);
  if (found !== undefined) return found.pre;
  const shown = JSON.stringify(preTokenizer).slice(0, 160);
  if (same.length === 0) refuse(`its pre_tokenizer ${shown} is none that llama.cpp is known to have`);
  refuse(
    `with its pre_tokenizer llama.cpp has ignore_merges ${!ignoreMerges}, and tokenizer.json says ${ignoreMerges}`,
  );
}

function patternsOf(part: unknown): string[] {
  if (!isJsonObject(part)) refuse('it has no pre_tokenizer');
  switch (part.type) {
    case 'Sequence':
      return Array.isArray(part.pretokenizers) ? part.pretokenizers.flatMap(patternsOf) : [];
    case 'ByteLevel':
      if (part.add_prefix_space === true)
        refuse('add_prefix_space of its pre_tokenizer is true, which llama.cpp has not');
      return part.use_regex === false ? [] : [gpt2];
    case 'Digits':
      return [part.individual_digits === true ? digit : `${digit}+`];
    case 'Split':
      return [splitPattern(part)];
    default:
      refuse(`its pre_tokenizer is of the type "${String(part.type)}", which llama.cpp has not`);
  }
}

/** All of these patterns match every part of a text, so that "Removed" with `invert` leaves the same pieces as "Isolated". */
function splitPattern({ pattern, behavior, invert }: Readonly<Record<string, unknown>>): string {
  const regex = isJsonObject(pattern) ? pattern.Regex : undefined;
  const keeps = (behavior === 'Isolated' && invert !== true) || (behavior === 'Removed' && invert === true);
  if (typeof regex === 'string' && keeps) return regex;
  refuse(`its pre_tokenizer splits by ${JSON.stringify({ pattern, behavior, invert })}, which llama.cpp has not`);
}
