import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensorsHeader, readTensor } from '../../checkpoint/safetensors.js';
import type { NamedTensor, StoredTensor } from '../../checkpoint/types.js';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import { readJsonObject } from '../../files/json.js';
import { checkSaved, checkShapes, entriesInUse, type Misfit, report, targets } from './check.js';
import { type PeftConfig, parseConfig } from './config.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, KEY_PREFIX } from './names.js';
import type { LoraPair, PeftAdapter } from './types.js';

/** An adapter that was read, with the fields of its configuration that PEFT 0.21 does not know, to be reported. */
export type ReadAdapter = PeftAdapter & { readonly unknownFields: readonly string[] };

/**
 * Reads a PEFT LoRA folder: adapter_config.json and adapter_model.safetensors. Every tensor must belong to a target
 * or to `modules_to_save`, and the other way round. Values are not looked at: NaN is the caller's concern.
 *
 * @returns tensors as float32; `targetModules` are full module paths, taken from the tensors
 * @throws DiffoError with a table of what is missing or left over, or a sentence about a file or field
 */
export async function readPeftAdapter(folder: string): Promise<ReadAdapter> {
  await refuseOthers(folder);
  const config = parseConfig(
    await readJsonObject(join(folder, ADAPTER_CONFIG_FILE)),
    join(folder, ADAPTER_CONFIG_FILE),
  );
  const { tensors } = await readSafetensorsHeader(join(folder, ADAPTER_WEIGHTS_FILE));
  const { pairs, saved, misfits } = sortOut([...tensors.values()]);
  report(folder, [
    ...misfits,
    ...checkTargets(config.target, [...pairs.keys()]),
    ...checkSaved(config.modulesToSave, [...saved.keys()]),
  ]);
  const lora = new Map<string, LoraPair>();
  for (const [module, { A, B }] of pairs) {
    lora.set(module, { A: await load(A!, `${module}.lora_A.weight`), B: await load(B!, `${module}.lora_B.weight`) });
  }
  const savedTensors = await Promise.all([...saved].map(([name, tensor]) => load(tensor, name)));
  const { target: _, ...fields } = config;
  const adapter: ReadAdapter = {
    ...fields,
    modulesToSave: entriesInUse(config.modulesToSave, [...saved.keys()]),
    targetModules: [...lora.keys()],
    lora,
    saved: savedTensors,
  };
  report(folder, checkShapes(adapter));
  return adapter;
}

async function refuseOthers(folder: string): Promise<void> {
  let files: string[];
  try {
    if (!(await stat(folder)).isDirectory()) {
      throw new DiffoError(`${folder} is a file, not an adapter folder. Give the folder that holds it.`);
    }
    files = await readdir(folder);
  } catch (error) {
    throw fileError(error, folder, 'open the adapter folder');
  }
  if (files.includes(ADAPTER_CONFIG_FILE) && files.includes(ADAPTER_WEIGHTS_FILE)) return;
  if (files.includes('adapter_model.bin') && !files.includes(ADAPTER_WEIGHTS_FILE)) {
    throw new DiffoError(
      `${folder} has its weights only as adapter_model.bin, which is not supported yet. Load it with a current PEFT and save it again.`,
    );
  }
  const missing = [ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE].filter((file) => !files.includes(file)).join(' and ');
  const hint = files.includes('adapter') ? ` Did you mean ${join(folder, 'adapter')}?` : '';
  throw new DiffoError(`${folder} is not an adapter folder: it lacks ${missing}.${hint}`);
}

interface Sorted {
  readonly pairs: Map<string, { A?: StoredTensor; B?: StoredTensor }>;
  /** By name without PEFT's prefix. */
  readonly saved: Map<string, StoredTensor>;
  readonly misfits: Misfit[];
}

function sortOut(tensors: readonly StoredTensor[]): Sorted {
  const sorted: Sorted = { pairs: new Map(), saved: new Map(), misfits: [] };
  for (const tensor of tensors) {
    if (!tensor.name.startsWith(KEY_PREFIX)) {
      sorted.misfits.push({ fault: 'left over', what: `${tensor.name} (does not begin with ${KEY_PREFIX})` });
      continue;
    }
    const name = tensor.name.slice(KEY_PREFIX.length);
    const match = /^(.+)\.lora_([AB])\.weight$/.exec(name);
    if (match) {
      const module = match[1]!;
      sorted.pairs.set(module, { ...sorted.pairs.get(module), [match[2]!]: tensor });
    } else sorted.saved.set(name, tensor);
  }
  for (const [module, { A, B }] of sorted.pairs) {
    if (!A) sorted.misfits.push({ fault: 'missing', what: `${KEY_PREFIX}${module}.lora_A.weight` });
    if (!B) sorted.misfits.push({ fault: 'missing', what: `${KEY_PREFIX}${module}.lora_B.weight` });
  }
  return sorted;
}

/** A target given as one regular expression is Python's; it is not interpreted, the tensors say which modules it meant. */
function checkTargets(target: PeftConfig['target'], modules: readonly string[]): Misfit[] {
  if (typeof target === 'string') {
    return modules.length > 0 ? [] : [{ fault: 'missing', what: `tensors for target_modules "${target}"` }];
  }
  return [
    ...target
      .filter((entry) => !modules.some((module) => targets(entry, module)))
      .map((entry): Misfit => ({ fault: 'missing', what: `lora_A and lora_B of ${entry}` })),
    ...modules
      .filter((module) => !target.some((entry) => targets(entry, module)))
      .map((module): Misfit => ({ fault: 'left over', what: `${module}, which target_modules does not name` })),
  ];
}

async function load(tensor: StoredTensor, name: string): Promise<NamedTensor> {
  return { name, shape: tensor.shape, data: await readTensor(tensor) };
}
