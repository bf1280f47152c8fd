import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensorsHeader, readTensor } from '../../checkpoint/safetensors.js';
import type { NamedTensor, StoredTensor } from '../../checkpoint/types.js';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import { readJsonObject } from '../../files/json.js';
import { isNamed } from '../plan.js';
import { checkSaved, checkShapes, entriesInUse, isSavedBy, type Misfit, report } from './check.js';
import { type PeftConfig, parseConfig } from './config.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, biasName, KEY_PREFIX, SHARED_PREFIX } from './names.js';
import type { PeftAdapter } from './types.js';

/** An adapter that was read, with the fields of its configuration that PEFT 0.21 does not know, to be reported. */
export type ReadAdapter = PeftAdapter & { readonly unknownFields: readonly string[] };

/**
 * Reads a folder that PEFT wrote: adapter_config.json and adapter_model.safetensors. Every tensor must belong to a
 * target, to `modules_to_save` or to the trained biases, and the other way round. Values are not looked at: NaN is the
 * caller's concern.
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
  const { modules: found, shared, saved, biases, misfits } = sortOut([...tensors.values()], config);
  const matched = `${found.size} modules: ${[...found.keys()].slice(0, 3).join(', ')}${found.size > 3 ? ', …' : ''}; ${saved.size} tensors of the head`;
  const all = [...misfits, ...checkTargets(config.target, [...found.keys()]), ...checkSaved(config, [...saved.keys()])];
  report(folder, all, matched);
  const { target: _, ...fields } = config;
  const modules = new Map<string, Record<string, NamedTensor>>();
  for (const [module, stored] of found) {
    const loaded = await Promise.all(
      Object.entries(stored).map(async ([suffix, tensor]) => [suffix, await load(tensor, `${module}.${suffix}`)]),
    );
    modules.set(module, Object.fromEntries(loaded));
  }
  const loadAll = (map: ReadonlyMap<string, StoredTensor>) =>
    Promise.all([...map].map(([name, tensor]) => load(tensor, name)));
  const adapter: ReadAdapter = {
    ...fields,
    modulesToSave: entriesInUse(config.modulesToSave, [...saved.keys()]),
    targetModules: [...modules.keys()],
    modules,
    shared: await loadAll(shared),
    saved: await loadAll(saved),
    biases: await loadAll(biases),
  };
  report(folder, checkShapes(adapter), matched);
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
  /** By module path, then by what follows it. */
  readonly modules: Map<string, Record<string, StoredTensor>>;
  readonly shared: Map<string, StoredTensor>;
  /** By name without PEFT's prefix. */
  readonly saved: Map<string, StoredTensor>;
  readonly biases: Map<string, StoredTensor>;
  readonly misfits: Misfit[];
}

function sortOut(tensors: readonly StoredTensor[], config: PeftConfig): Sorted {
  const { fields, type } = config;
  const suffixes = Object.keys(type.tensors(fields));
  const sharedNames = Object.keys(type.shared);
  const sorted: Sorted = { modules: new Map(), shared: new Map(), saved: new Map(), biases: new Map(), misfits: [] };
  for (const tensor of tensors) {
    const sharedName = sharedNames.find((name) => tensor.name === SHARED_PREFIX + name);
    if (sharedName !== undefined) {
      sorted.shared.set(sharedName, tensor);
      continue;
    }
    if (!tensor.name.startsWith(KEY_PREFIX)) {
      sorted.misfits.push({ fault: 'left over', what: `${tensor.name} (does not begin with ${KEY_PREFIX})` });
      continue;
    }
    const name = tensor.name.slice(KEY_PREFIX.length);
    const suffix = suffixes.find((one) => name.endsWith(`.${one}`));
    // With `bias: all` PEFT writes the head's biases twice more, from its wrapper of the head.
    if (/\.(original_module|modules_to_save)\.bias$/.test(name)) continue;
    if (suffix !== undefined) {
      const module = name.slice(0, -suffix.length - 1);
      sorted.modules.set(module, { ...sorted.modules.get(module), [suffix]: tensor });
    } else if (isTrainedBias(name, config)) sorted.biases.set(biasName(name), tensor);
    else sorted.saved.set(name, tensor);
  }
  for (const [module, found] of sorted.modules) {
    for (const suffix of suffixes) {
      if (found[suffix] === undefined) {
        sorted.misfits.push({ fault: 'missing', what: `${KEY_PREFIX}${module}.${suffix}` });
      }
    }
  }
  for (const name of sharedNames) {
    if (!sorted.shared.has(name)) sorted.misfits.push({ fault: 'missing', what: SHARED_PREFIX + name });
  }
  return sorted;
}

/** True for a bias of the base model that was trained, as the configuration has it. */
function isTrainedBias(name: string, { fields: { bias }, modulesToSave }: PeftConfig): boolean {
  const inHead = modulesToSave.some((entry) => isSavedBy(entry, name));
  return bias !== undefined && bias !== 'none' && name.endsWith('.bias') && !inHead;
}

/** A target given as one regular expression is Python's; it is not interpreted, the tensors say which modules it meant. */
function checkTargets(target: PeftConfig['target'], modules: readonly string[]): Misfit[] {
  if (typeof target === 'string') {
    return modules.length > 0 ? [] : [{ fault: 'missing', what: `tensors for target_modules "${target}"` }];
  }
  return [
    ...target
      .filter((entry) => !modules.some((module) => isNamed(module, entry)))
      .map((entry): Misfit => ({ fault: 'missing', what: `the tensors of ${entry}` })),
    ...modules
      .filter((module) => !target.some((entry) => isNamed(module, entry)))
      .map((module): Misfit => ({ fault: 'left over', what: `${module}, which target_modules does not name` })),
  ];
}

async function load(tensor: StoredTensor, name: string): Promise<NamedTensor> {
  return { name, shape: tensor.shape, data: await readTensor(tensor) };
}
