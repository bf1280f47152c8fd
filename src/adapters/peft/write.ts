import { join } from 'node:path';
import { writeSafetensors } from '../../checkpoint/safetensors-write.js';
import { type OutputFolderOptions, withOutputFolder, writeFileAtomic } from '../../files/atomic.js';
import { copyInto } from '../../files/copyInto.js';
import { checkAdapter } from './check.js';
import { configText } from './configText.js';
import { keyedTensors, weightsMetadata } from './keyed.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, MODEL_CARD_FILE } from './names.js';
import type { PeftAdapter } from './types.js';

export interface WriteAdapterOptions extends OutputFolderOptions {
  /** Text of README.md; see `modelCard`. */
  readonly card?: string;
  /** Files to copy into the folder under their own names, such as those of the tokenizer. */
  readonly copies?: readonly string[];
}

/**
 * Writes an adapter folder that `PeftModel.from_pretrained` loads (PEFT 0.21), whole or not at all. The names that
 * tensors carry in `modules` do not matter, their module paths do; names of `saved`, `biases` and `shared` do.
 *
 * @throws DiffoError with a table when targets, tensors and `modulesToSave` do not match, or where the file system
 *   refuses; unless `existing` is `replace`, when the folder exists and is not empty
 */
export async function writePeftAdapter(
  folder: string,
  adapter: PeftAdapter,
  options: WriteAdapterOptions = {},
): Promise<void> {
  checkAdapter(adapter, folder);
  await withOutputFolder(
    folder,
    async (partial) => {
      await writeSafetensors(join(partial, ADAPTER_WEIGHTS_FILE), keyedTensors(adapter), weightsMetadata);
      await writeFileAtomic(join(partial, ADAPTER_CONFIG_FILE), configText(adapter));
      if (options.card !== undefined) await writeFileAtomic(join(partial, MODEL_CARD_FILE), options.card);
      await copyInto(partial, options.copies ?? []);
    },
    options,
  );
}
