import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeSafetensors } from '../../checkpoint/safetensors-write.js';
import type { NamedTensor } from '../../checkpoint/types.js';
import { type OutputFolderOptions, withOutputFolder, writeFileAtomic } from '../../files/atomic.js';
import { fileError } from '../../files/errors.js';
import { checkAdapter } from './check.js';
import { configText } from './config.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, KEY_PREFIX, MODEL_CARD_FILE } from './names.js';
import type { LoraPair, PeftAdapter } from './types.js';

export interface WriteAdapterOptions extends OutputFolderOptions {
  /** Text of README.md; see `modelCard`. */
  readonly card?: string;
  /** Files to copy into the folder under their own names, such as those of the tokenizer. */
  readonly copies?: readonly string[];
}

/**
 * Writes an adapter folder that `PeftModel.from_pretrained` loads (PEFT 0.21), whole or not at all. The names that
 * tensors carry in `lora` do not matter, their module paths do; names of `saved` do.
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
      await writeSafetensors(join(partial, ADAPTER_WEIGHTS_FILE), keyed(adapter), { format: 'pt' });
      await writeFileAtomic(join(partial, ADAPTER_CONFIG_FILE), configText(adapter));
      if (options.card !== undefined) await writeFileAtomic(join(partial, MODEL_CARD_FILE), options.card);
      for (const file of options.copies ?? []) {
        await copyFile(file, join(partial, basename(file))).catch((error) => {
          throw fileError(error, file, 'copy');
        });
      }
    },
    options,
  );
}

/**
 * A pair that computes nothing: B A = 0. An adapter whose head alone was trained needs one, since PEFT refuses to load
 * an adapter without LoRA modules.
 *
 * @returns A [rank, inputs] and B [outputs, rank], all zeros
 */
export function zeroPair(rank: number, inputs: number, outputs: number): LoraPair {
  return {
    A: { name: 'lora_A', shape: [rank, inputs], data: new Float32Array(rank * inputs) },
    B: { name: 'lora_B', shape: [outputs, rank], data: new Float32Array(outputs * rank) },
  };
}

/** The tensors under PEFT's keys. */
function keyed(adapter: PeftAdapter): NamedTensor[] {
  const pairs = [...adapter.lora].flatMap(([module, { A, B }]) => [
    { ...A, name: `${KEY_PREFIX}${module}.lora_A.weight` },
    { ...B, name: `${KEY_PREFIX}${module}.lora_B.weight` },
  ]);
  return [...pairs, ...adapter.saved.map((tensor) => ({ ...tensor, name: KEY_PREFIX + tensor.name }))];
}
