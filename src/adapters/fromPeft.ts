import type { NamedTensor } from '../checkpoint/types.js';
import { DiffoError, nearestNames } from '../errors.js';
import type { AdaptableModule, Model } from '../models/model.js';
import type { AdapterContents } from './contents.js';
import { type PeftAdapter, type ReadAdapter, rankOf } from './peft/index.js';
import { isAllLinear, isTargeted } from './peft/targets.js';
import { type Sizes, sharedSizes, tensorSizes } from './peft/type.js';
import { placeBaseTensors } from './placeBaseTensors.js';
import type { AdapterPlan } from './plan.js';
import { peftReaderOf } from './registry.js';

/** An adapter that was read, or one that says by itself which modules it acts on. */
type PlaceableAdapter = PeftAdapter & Partial<Pick<ReadAdapter, 'targeting'>>;

/** A plan with the values of its tensors. */
export interface PlacedAdapter {
  readonly plan: AdapterPlan;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/**
 * The plan and the values of an adapter that was read from a folder in PEFT's format.
 * @param folder for messages
 * @throws DiffoError when adapter and model do not belong together
 */
export function planFromPeft(adapter: PlaceableAdapter, model: Model, folder: string): PlacedAdapter {
  const own = modulesOf(adapter, model, folder);
  checkTargets(adapter, model, folder);
  checkSizes(adapter, own, model, folder);
  const values = new Map<string, Float32Array>();
  for (const [path, tensors] of adapter.modules) {
    for (const [suffix, { data }] of Object.entries(tensors)) {
      values.set(`${path}.${parameterName(suffix)}`, data);
    }
  }
  for (const { name, data } of adapter.shared) values.set(name, data);
  const plan = peftReaderOf(adapter).reader.plan(adapter, { own, shared: [] }, model);
  const { values: ofBase, ...base } = placeBaseTensors(adapter, model, folder);
  return {
    plan: { ...plan, ...base, save: (...of) => keepFields(plan.save(...of), adapter) },
    values: new Map([...values, ...ofBase]),
  };
}

/** Fields by which modules were chosen; what is written names every module by its path. */
const choosing = ['exclude_modules', 'layers_to_transform', 'layers_pattern'];

/** What was written by others is written back: fields that diffora does not set keep what they said. */
function keepFields(contents: AdapterContents, { type, fields }: PeftAdapter): AdapterContents {
  if (contents.format !== 'peft') return contents;
  const replaced = [...choosing, ...(type.moduleFields ?? [])];
  const kept = Object.entries(fields).filter(([field]) => !replaced.includes(field));
  return { ...contents, fields: { ...contents.fields, ...Object.fromEntries(kept) } };
}

function modulesOf(adapter: PeftAdapter, model: Model, folder: string): AdaptableModule[] {
  const known = new Map([...model.adaptable, ...model.further].map((module) => [module.path, module]));
  return [...adapter.modules.keys()].map((path) => {
    const module = known.get(path);
    if (module !== undefined) return module;
    if (model.head.some(({ name }) => name.startsWith(`${path}.`))) {
      throw new DiffoError(
        `${folder}: ${path} is adapted (target_modules), and ${model.checkpoint.name} has none that fits, so that its values would be random. Save it with modules_to_save.`,
      );
    }
    const nearest = nearestNames(path, [...known.keys()], 1)[0];
    throw new DiffoError(
      `${folder}: "${path}" is no module of ${model.checkpoint.name} that an adapter can act on; nearest: ${nearest}.`,
    );
  });
}

/** @throws DiffoError for a module that the configuration adapts and the file has no tensors for */
function checkTargets({ targeting, modules, type }: PlaceableAdapter, model: Model, folder: string): void {
  // Which modules are linear for PEFT, it knows by their classes.
  if (targeting === undefined || isAllLinear(targeting.target)) return;
  const linear = [...model.adaptable, ...model.further].filter(
    ({ isEmbedding }) => isEmbedding !== true || type.embeddingTensors !== undefined,
  );
  const missing = linear.filter(({ path }) => !modules.has(path) && isTargeted(targeting, path));
  if (missing.length === 0) return;
  const shown = missing.slice(0, 3).map(({ path }) => path);
  const more = missing.length > shown.length ? ` and ${missing.length - shown.length} more` : '';
  throw new DiffoError(
    `${folder}: target_modules names modules of ${model.checkpoint.name} that the file has no tensors for: ${shown.join(', ')}${more}. Save the adapter again.`,
  );
}

/** Sizes that the file cannot tell to be wrong, but the model can. @throws DiffoError, for an unknown tensor too */
function checkSizes(adapter: PeftAdapter, own: readonly AdaptableModule[], model: Model, folder: string): void {
  const check = (of: string, name: string, { shape }: NamedTensor, wanted: string[] | undefined) => {
    if (`${wanted}` === `${shape}`) return;
    const needs =
      wanted === undefined ? `${adapter.type.name} knows no such tensor` : `${model.checkpoint.name} needs [${wanted}]`;
    throw new DiffoError(`${folder}: ${of} has ${name} [${shape}]; ${needs}.`);
  };
  for (const { path, inFeatures, outFeatures, isEmbedding = false } of own) {
    const tensors = adapter.modules.get(path)!;
    const sizes = tensorSizes(adapter, path, rankOf(adapter, path), isEmbedding);
    for (const [suffix, tensor] of Object.entries(tensors)) {
      check(path, suffix.replace(/\.weight$/, ''), tensor, filledIn(sizes[suffix], inFeatures, outFeatures));
    }
  }
  const widest = (of: (one: AdaptableModule) => number) => Math.max(...own.map(of));
  const [inFeatures, outFeatures] = [widest((one) => one.inFeatures), widest((one) => one.outFeatures)];
  const sizes = sharedSizes(adapter);
  for (const tensor of adapter.shared) {
    check('the adapter', tensor.name, tensor, filledIn(sizes[tensor.name], inFeatures, outFeatures));
  }
}

function filledIn(sizes: Sizes | undefined, inFeatures: number, outFeatures: number): string[] | undefined {
  return sizes?.map((size) => String(size === 'in' ? inFeatures : size === 'out' ? outFeatures : size));
}

/** What follows the path in the name of a plan's tensor. */
function parameterName(suffix: string): string {
  return suffix.replace(/\.weight$/, '').replace('lora_embedding_', 'lora_');
}
