import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { DiffoError } from '../../errors.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { EncodeOptions } from '../kinds/kind.js';

export interface SequenceOptions extends EncodeOptions {
  /** What stands before every text that is read. */
  readonly prefix: string;
  /** Longest text to write in tokens, its end included. */
  readonly maxTargetLength: number;
}

/** Texts that are read, as the model is given them. */
export function sourcesOf(
  { tokenizer }: Pick<OpenedModel, 'tokenizer'>,
  examples: readonly Example[],
  { prefix, ...options }: EncodeOptions & Pick<SequenceOptions, 'prefix'>,
): Promise<EncodedExample[]> {
  const asked = prefix === '' ? examples : examples.map((one) => ({ ...one, text: prefix + one.text }));
  return encodeSplit(tokenizer, asked, options, 'texts that are read');
}

/**
 * Texts with the first reference of each. The decoder reads the start and the reference but its last token, and is to say the
 * reference, as transformers shifts labels (`_shift_right`).
 *
 * @throws DiffoError for an example without a reference
 */
export async function writingSequences(
  opened: OpenedModel,
  examples: readonly Example[],
  options: SequenceOptions,
): Promise<EncodedExample[]> {
  const { maxTargetLength, warn, signal } = options;
  const targets = examples.map(({ id, references }): Example => {
    const text = references?.[0];
    if (text === undefined) throw new DiffoError(`Row ${id} has no text to write. Add one or remove it.`);
    return { id, text };
  });
  const sources = await sourcesOf(opened, examples, options);
  const told = (message: string) => warn(message.replace(/\.$/, '; see --max-target-length.'));
  const labels = await encodeSplit(
    opened.tokenizer,
    targets,
    { maxLength: maxTargetLength, warn: told, signal },
    'texts to write',
  );
  const start = opened.model.encoderDecoder!.startTokenId;
  return sources.map((source, i): EncodedExample => {
    const { inputIds: tokenLabels } = labels[i]!;
    return { ...source, tokenLabels, targetIds: Int32Array.from([start, ...tokenLabels.subarray(0, -1)]) };
  });
}
