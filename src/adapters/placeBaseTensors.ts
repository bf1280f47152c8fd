import type { NamedTensor } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { findBackboneTensor } from '../models/weights.js';
import type { PeftAdapter } from './peft/index.js';
import { isSavedBy } from './peft/index.js';
import type { AdapterPlan } from './plan.js';
import { modulesAround, unties } from './savedModules.js';

/**
 * The tensors of an adapter that stand in the place of the base model's: trained biases, modules that were saved whole beside
 * the head, embeddings that were saved along.
 * @throws DiffoError for one that the model does not have, or has in another shape
 */
export function placeBaseTensors(
  { biases, saved, embeddings = [], modulesToSave }: PeftAdapter,
  model: Model,
  folder: string,
): Required<Pick<AdapterPlan, 'replaced' | 'savedModules' | 'fixed' | 'untied'>> & {
  readonly values: ReadonlyMap<string, Float32Array>;
} {
  const ofHead = new Set(model.head.map(({ name }) => name));
  const ofModules = saved.filter(({ name }) => !ofHead.has(name));
  for (const { name, shape } of biases) {
    const found = findBackboneTensor(model, name);
    if (`${found?.shape}` === `${shape}`) continue;
    throw new DiffoError(`${folder}: the trained bias ${name} [${shape}] is none of ${model.checkpoint.name}.`);
  }
  for (const tensor of [...ofModules, ...embeddings]) checkTensor(tensor, model, folder);
  const fixed = embeddings.filter((one) => !isCopyOfTied(one, embeddings, model, folder));
  const entries = modulesToSave.filter((entry) => ofModules.some(({ name }) => isSavedBy(entry, name)));
  const moduleNames = ofModules.map(({ name }) => name);
  return {
    replaced: [...new Set([...biases.map(({ name }) => name), ...moduleNames])],
    savedModules: [...new Set(entries.flatMap((entry) => modulesSavedBy(entry, moduleNames)))],
    fixed: fixed.map(({ name }) => name),
    untied: unties(moduleNames, model),
    values: new Map([...biases, ...ofModules, ...fixed].map(({ name, data }) => [name, data])),
  };
}

/** Paths of the modules that an entry of `modules_to_save` names, by the tensors that they have. */
function modulesSavedBy(entry: string, tensors: readonly string[]): string[] {
  return tensors.flatMap((tensor) => modulesAround(tensor).find((path) => path.endsWith(entry)) ?? []);
}

function checkTensor({ name, shape }: NamedTensor, model: Model, folder: string): void {
  const found = findBackboneTensor(model, name);
  const base = model.checkpoint.name;
  if (found === undefined) {
    throw new DiffoError(
      `${folder}: ${name} was saved whole, and ${base} has no such tensor. Give the right base model.`,
    );
  }
  if (`${found.shape}` === `${shape}`) return;
  const isResized = shape.length === 2 && shape[1] === found.shape[1] && shape[0] !== found.shape[0];
  const what = isResized
    ? `the vocabulary was resized, from ${found.shape[0]} rows to ${shape[0]}, which is not supported. Save the base model with its new vocabulary, and give it by --model.`
    : `it is [${found.shape}] in ${base}. Give the right base model.`;
  throw new DiffoError(`${folder}: ${name} is [${shape}]; ${what}`);
}

/** True for a tied output that is saved beside the embeddings that it is. @throws DiffoError where the two differ */
function isCopyOfTied(tensor: NamedTensor, all: readonly NamedTensor[], model: Model, folder: string): boolean {
  const tied = model.tied.get(tensor.name);
  const other = all.find(({ name }) => name === tied);
  if (other === undefined) return false;
  if (tensor.data.every((value, i) => value === other.data[i])) return true;
  throw new DiffoError(
    `${folder}: ${tensor.name} and ${other.name} are tied in ${model.checkpoint.name}, and have other values. Save them with modules_to_save.`,
  );
}
