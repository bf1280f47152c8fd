import { join } from 'node:path';
import { readSafetensorsHeader, readTensor } from '../../checkpoint/safetensors.js';
import { readTorchFile } from '../../checkpoint/torchFile.js';
import type { NamedTensor, StoredTensor } from '../../checkpoint/types.js';
import { DiffoError } from '../../errors.js';
import { readJsonObject } from '../../files/json.js';
import { checkSaved, checkShapes, entriesInUse, type Misfit, report } from './check.js';
import { type GivenOfAdapter, type PeftConfig, parseConfig } from './config.js';
import { weightsFileOf } from './folder.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE } from './names.js';
import { type Sorted, sortOut } from './sortOut.js';
import { isTargeted, type Targeting } from './targets.js';
import type { PeftAdapter } from './types.js';

/** An adapter that was read, with what its configuration says of the modules that it acts on. */
export interface ReadAdapter extends PeftAdapter {
  readonly targeting: Targeting;
}

/**
 * Reads a folder that PEFT wrote: adapter_config.json and adapter_model.safetensors, or adapter_model.bin. Every tensor must
 * belong to a target, to `modules_to_save`, to the trained biases or to the embeddings. Values are not looked at: NaN is the
 * caller's concern.
 *
 * @param given in the place of fields that are null
 * @returns tensors as float32; `targetModules` are full module paths, taken from the tensors
 * @throws DiffoError with a table of what is missing or left over, or a sentence about a file or field
 */
export async function readPeftAdapter(folder: string, given: GivenOfAdapter = {}): Promise<ReadAdapter> {
  const file = await weightsFileOf(folder);
  const configFile = join(folder, ADAPTER_CONFIG_FILE);
  const config = parseConfig(await readJsonObject(configFile), configFile, given);
  const read = file === ADAPTER_WEIGHTS_FILE ? readSafetensorsHeader : readTorchFile;
  const { tensors } = await read(join(folder, file));
  const { modules: found, shared, saved, biases, embeddings, misfits } = sortOut([...tensors.values()], config);
  refuseDoraOnEmbeddings(config, found, configFile);
  const matched = `${found.size} modules: ${[...found.keys()].slice(0, 3).join(', ')}${found.size > 3 ? ', …' : ''}; ${saved.size} tensors of the head`;
  const all = [...misfits, ...checkTargets(config, [...found.keys()]), ...checkSaved(config, [...saved.keys()])];
  report(folder, all, matched);
  const { target, ...fields } = config;
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
    targeting: { target, fields: config.fields, modulesToSave: config.modulesToSave, taskType: config.taskType },
    modules,
    shared: await loadAll(shared),
    saved: await loadAll(saved),
    biases: await loadAll(biases),
    ...(embeddings.size === 0 ? {} : { embeddings: await loadAll(embeddings) }),
  };
  report(folder, checkShapes(adapter), matched);
  return adapter;
}

/** DoRA of embeddings has magnitudes of its own. */
function refuseDoraOnEmbeddings({ fields, type }: PeftConfig, found: Sorted['modules'], path: string): void {
  const { embeddingTensors = {} } = type;
  const isTable = (tensors: object) => Object.keys(tensors).some((suffix) => Object.hasOwn(embeddingTensors, suffix));
  const table = [...found].find(([, tensors]) => isTable(tensors))?.[0];
  if (fields.use_dora !== true || table === undefined) return;
  throw new DiffoError(
    `${path}: "use_dora" is true, and the embeddings ${table} are adapted, which is not supported together. Take plain LoRA, or leave the embeddings out.`,
  );
}

/** Modules with tensors that PEFT would leave aside. That all targets of a model have tensors is known once it is open. */
function checkTargets(config: PeftConfig, modules: readonly string[]): Misfit[] {
  if (modules.length === 0) {
    return [{ fault: 'missing', what: `tensors for target_modules ${JSON.stringify(config.target)}` }];
  }
  return modules
    .filter((module) => !isTargeted(config, module))
    .map((module): Misfit => ({ fault: 'left over', what: `${module}, which target_modules does not name` }));
}

async function load(tensor: StoredTensor, name: string): Promise<NamedTensor> {
  return { name, shape: tensor.shape, data: await readTensor(tensor) };
}
