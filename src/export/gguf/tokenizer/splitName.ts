import { isJsonObject } from '../../../files/jsonText.js';
import { ggufSplitName } from '../../../tokenize/convert/ggufSplits.js';
import { gpt2Split } from '../../../tokenize/gpt2Split.js';
import { refuse } from '../refusal.js';

/**
 * The name by which llama.cpp cuts texts as the pre-tokenizer of a byte-level vocabulary does.
 * @throws Refusal where it has none
 */
export function splitName(preTokenizer: unknown, ignoreMerges: boolean): string {
  const patterns = patternsOf(preTokenizer);
  const found = ggufSplitName(patterns, ignoreMerges);
  if (found !== undefined) return found;
  const shown = JSON.stringify(preTokenizer).slice(0, 160);
  if (ggufSplitName(patterns, !ignoreMerges) === undefined) {
    refuse(`its pre_tokenizer ${shown} is none that llama.cpp is known to have`);
  }
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
      return part.use_regex === false ? [] : [gpt2Split];
    case 'Digits':
      return [part.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+`];
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
