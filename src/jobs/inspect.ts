import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSavedBy, usualHeads } from '../adapters/peft/index.js';
import { PLAIN_CONFIG_FILE } from '../adapters/plainFolder.js';
import { mergedKey, methodOf, openAdapter, titleOf } from '../artifacts/adapterFolder.js';
import { type RunSummary, readRunFile } from '../artifacts/runFile.js';
import type { TaskFile } from '../artifacts/taskFile.js';
import { elementCount } from '../checkpoint/dtype.js';
import { fileError } from '../files/errors.js';
import { findModel } from '../models/loading/findModel.js';
import { openFound } from '../models/loading/openFound.js';
import type { TaskType } from '../models/model.js';
import { headsOf, openModel } from '../models/registry.js';
import { type Reporter, silent } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { readDam } from '../selection/readDam.js';

/** A module name with the layers in which it is adapted; no layers for a module that stands in none. */
export interface TargetSummary {
  readonly module: string;
  readonly layers: readonly number[];
}

/** What an adapter folder holds. */
export interface AdapterInspection {
  readonly kind: 'adapter';
  readonly folder: string;
  readonly baseModel: string;
  /** `LoRA`, `BitFit`, … */
  readonly method: string;
  /** Of adapters in PEFT's format. */
  readonly rank?: number;
  readonly alpha?: number;
  readonly targets: readonly TargetSummary[];
  /** True where every low-rank pair is zero, as after training only the head. */
  readonly headOnly: boolean;
  /** Modules of the base model that were saved whole, beside the head. */
  readonly savedModules?: readonly string[];
  readonly parameters: { readonly adapter: number; readonly replaced: number; readonly head: number };
  readonly task: TaskFile;
  readonly bytes: number;
}

/** What a run folder holds. */
export interface RunInspection {
  readonly kind: 'run';
  readonly folder: string;
  readonly run: RunSummary | undefined;
  readonly dam: Dam | undefined;
  readonly adapter: AdapterInspection | undefined;
  readonly bytes: number;
}

/** A dam.json by itself. */
export interface DamInspection {
  readonly kind: 'dam';
  readonly file: string;
  readonly dam: Dam;
}

/** What a checkpoint holds. */
export interface ModelInspection {
  readonly kind: 'model';
  readonly name: string;
  readonly folder: string;
  readonly revision: string | undefined;
  readonly family: string;
  readonly layers: number;
  /** The linear modules of a layer, all of which can carry an adapter. */
  readonly modules: readonly { readonly module: string; readonly inFeatures: number; readonly outFeatures: number }[];
  readonly adaptable: number;
  readonly parameters: number;
  readonly maxLength: number;
  /** Number of tensors of each type in the file: halves are widened once, when a session opens. */
  readonly types: Readonly<Record<string, number>>;
  /** Heads that can be put on it, as PEFT names their tasks. */
  readonly heads: readonly string[];
  /** sha256 of the adapter that `merge` has folded in. */
  readonly mergedAdapter: string | undefined;
  readonly bytes: number;
}

/** What {@link inspect} finds. */
export type Inspection = AdapterInspection | RunInspection | DamInspection | ModelInspection;

/**
 * `diffora inspect`: what a path or a hub name holds.
 * @param taskType of an adapter that does not say it
 * @throws DiffoError when it is neither a run folder, an adapter folder, a dam.json nor a model
 */
export async function inspect(
  path: string,
  reporter: Reporter = silent,
  signal?: AbortSignal,
  taskType?: TaskType,
): Promise<Inspection> {
  if (path.endsWith('.json')) return { kind: 'dam', file: path, dam: await readDam(path) };
  const has = (name: string) => existsSync(join(path, name));
  if (has('adapter_config.json') || has(PLAIN_CONFIG_FILE)) return inspectAdapter(path, taskType);
  if (has('run.json') || has('dam.json') || has('adapter')) return inspectRun(path);
  return inspectModel(path, reporter, signal);
}

/** The matrix of a run folder, or undefined where the run had none. */
export async function readDamOf(folder: string): Promise<Dam | undefined> {
  const file = join(folder, 'dam.json');
  return existsSync(file) ? readDam(file) : undefined;
}

/** What a run folder holds; parts that are missing are undefined. */
export async function inspectRun(folder: string): Promise<RunInspection> {
  const has = (name: string) => existsSync(join(folder, name));
  return {
    kind: 'run',
    folder,
    run: has('run.json') ? await readRunFile(folder) : undefined,
    dam: await readDamOf(folder),
    adapter: has('adapter') ? await inspectAdapter(join(folder, 'adapter')) : undefined,
    bytes: await sizeOf(folder),
  };
}

async function inspectAdapter(path: string, taskType?: TaskType): Promise<AdapterInspection> {
  const loaded = await openAdapter(path, { taskType, baseModel: 'not said' });
  const { folder, source, task, head, baseModel } = loaded;
  const count = (tensors: readonly { readonly shape: readonly number[] }[]) =>
    tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const common = { kind: 'adapter', folder, baseModel, method: titleOf(methodOf(loaded)), task } as const;
  const bytes = await sizeOf(folder);
  if (source.format === 'diffora') {
    const { adapter, replaced } = source.adapter;
    const modules = new Set(adapter.map(({ name }) => name.replace(/\.adapter_(down|up)\.(weight|bias)$/, '')));
    const parameters = { adapter: count(adapter), replaced: count(replaced), head: count(head) };
    return { ...common, targets: summariseTargets([...modules]), headOnly: false, parameters, bytes };
  }
  const { type, modules, targetModules, rank, alpha, biases, embeddings = [], modulesToSave } = source.adapter;
  const isOfHead = ({ name }: { readonly name: string }) =>
    [...usualHeads[loaded.taskType], 'pooler'].some((entry) => isSavedBy(entry, name));
  const ofBase = head.filter((one) => !isOfHead(one));
  const tensors = [...modules.values()].flatMap((one) => Object.values(one));
  return {
    ...common,
    ...(type.rankField === undefined ? {} : { rank, alpha }),
    targets: summariseTargets(targetModules),
    headOnly: tensors.every(({ data }) => data.every((value) => value === 0)),
    parameters: {
      adapter: count(tensors),
      replaced: count([...biases, ...embeddings, ...ofBase]),
      head: count(head.filter(isOfHead)),
    },
    savedModules: modulesToSave.filter((entry) => ofBase.some(({ name }) => isSavedBy(entry, name))),
    bytes,
  };
}

async function inspectModel(name: string, reporter: Reporter, signal?: AbortSignal): Promise<ModelInspection> {
  const resolved = await findModel(name, reporter, signal);
  const checkpoint = await openFound(resolved, name, reporter, signal);
  const heads = headsOf(checkpoint);
  const taskType = heads.find((one) => one === 'SEQ_CLS') ?? heads[0]!;
  const model = openModel(checkpoint, { taskType, numLabels: 1 });
  return {
    kind: 'model',
    name,
    folder: checkpoint.folder,
    revision: resolved.revision,
    family: model.family,
    layers: model.layers,
    modules: model.modules.map((name) => {
      const { module, inFeatures, outFeatures } = model.adaptable.find((one) => one.module === name)!;
      return { module, inFeatures, outFeatures };
    }),
    adaptable: model.adaptable.length,
    parameters: model.backboneParameters,
    maxLength: model.maxLength,
    types: countBy([...checkpoint.tensors.values()].map(({ dtype }) => dtype)),
    heads,
    mergedAdapter: checkpoint.metadata[mergedKey],
    bytes: await sizeOf(checkpoint.folder),
  };
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/**
 * Full paths by the name within the layer: `…layer.0.attention.self.query` is `attention.self.query` in layer 0; of a model of two halves
 * `decoder.block.*.layer.0.SelfAttention.q`.
 */
function summariseTargets(paths: readonly string[]): TargetSummary[] {
  const layers = new Map<string, number[]>();
  const numbered = /^(.*?)\.(\d+)\.(.+)$/;
  const places = new Set(paths.flatMap((path) => numbered.exec(path)?.[1] ?? []));
  for (const path of paths) {
    const [, place, layer, within] = numbered.exec(path) ?? [];
    const module = within === undefined ? path : places.size > 1 ? `${place}.*.${within}` : within;
    layers.set(module, [...(layers.get(module) ?? []), ...(layer === undefined ? [] : [Number(layer)])]);
  }
  return [...layers].map(([module, found]) => ({ module, layers: found.sort((a, b) => a - b) }));
}

/** Bytes of all files below a folder, links followed. */
async function sizeOf(folder: string): Promise<number> {
  try {
    const entries = await readdir(folder, { recursive: true });
    const files = await Promise.all(entries.map((entry) => stat(join(folder, entry))));
    return files.reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
  } catch (error) {
    throw fileError(error, folder, 'read');
  }
}
