import { join } from 'node:path';
import { writeFileAtomic } from '../../files/atomic.js';
import { readTokenizer } from '../../tokenize/index.js';
import type { ExportSource } from '../source.js';

/** Classes of transformers.js whose tokenizers tell the two texts of a pair apart. */
const classesWithTypes = ['Albert', 'Bert', 'ConvBert', 'Deberta', 'DebertaV2', 'Electra', 'MobileBert', 'SqueezeBert'];

/**
 * Writes tokenizer.json and tokenizer_config.json so that transformers.js gives the ids, the length and the side of padding
 * that diffora gives; it reads no other file.
 * @param inputs names of the graph's inputs
 */
export async function writeTokenizer(source: ExportSource, folder: string, inputs: readonly string[]): Promise<void> {
  const from = source.opened.model.checkpoint.folder;
  const { description, config: stated } = await readTokenizer(from);
  // What the file says of these diffora leaves to its caller, and so has no part in what was trained.
  const whole = { ...description, truncation: null, padding: null };
  await writeFileAtomic(join(folder, 'tokenizer.json'), `${JSON.stringify(whole)}\n`);
  const config = { ...stated, ...tokenizerSettings(source, stated, inputs) };
  await writeFileAtomic(join(folder, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

function tokenizerSettings(
  { opened: { model, tokenizer }, task, config }: ExportSource,
  { tokenizer_class: stated }: Readonly<Record<string, unknown>>,
  inputs: readonly string[],
): Record<string, unknown> {
  const longest = Math.min(model.maxLength, tokenizer.modelMaxLength ?? model.maxLength);
  // A head of whole sequences has seen no more than it was trained on; others read windows.
  const maxLength = model.outputsOf === 'sequence' ? Math.min(longest, task?.maxLength ?? longest) : longest;
  const isCausal = model.outputsOf === 'nextToken';
  const { chatTemplate } = tokenizer;
  return {
    model_max_length: maxLength,
    ...tokenizer.specialTokens,
    ...(isCausal
      ? // Generation asks for special tokens only where this says that there are some.
        { add_bos_token: tokenizer.specialTokensOfOne > 0, padding_side: 'left' }
      : { padding_side: 'right' }),
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    ...(inputs.includes('token_type_ids') ? { tokenizer_class: classWithTypes(stated, config.model_type) } : {}),
  };
}

/** The stated class where it gives token types; else one that does, which is all that transformers.js takes from it. */
function classWithTypes(stated: unknown, modelType: unknown): string {
  const name = typeof stated === 'string' ? stated.replace(/Tokenizer(Fast)?$/, '') : '';
  if (classesWithTypes.includes(name)) return stated as string;
  return modelType === 'deberta-v2' ? 'DebertaV2Tokenizer' : 'BertTokenizer';
}
