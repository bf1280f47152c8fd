import { createHash } from 'node:crypto';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { loraA, loraB } from '../adapters/lora.js';
import {
  type LoraPair,
  modelCard,
  type PeftAdapter,
  type ReadAdapter,
  readPeftAdapter,
  scalingOf,
  writePeftAdapter,
  zeroPair,
} from '../adapters/peft/index.js';
import { type AdapterPlan, planAdapters } from '../adapters/plan.js';
import type { Task } from '../data/types.js';
import { DiffoError, nearestNames } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { readJsonAs } from '../files/json.js';
import type { Model } from '../models/model.js';
import { type Parameter, parameter } from '../optimize/parameters.js';
import type { Tokenizer } from '../tokenize/index.js';

/** task.json beside an adapter: what its logits mean and how its rows are read. */
const taskFileSchema = z.strictObject({
  format: z.literal('diffora-task/1'),
  name: z.string(),
  kind: z.enum(['classification', 'regression']),
  labels: z.array(z.string()),
  columns: z.strictObject({ text: z.string(), pair: z.string().optional(), label: z.string() }),
  metrics: z.array(z.enum(['matthews', 'accuracy', 'f1', 'pearson', 'spearman'])).min(1),
  maxLength: z.int().positive(),
});
export type TaskFile = z.infer<typeof taskFileSchema>;

export interface SaveOptions {
  readonly task: Task;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  readonly baseModel: string;
  readonly revision?: string | undefined;
  /** Paragraphs and scores of the model card. */
  readonly paragraphs: readonly string[];
  readonly scores: Readonly<Record<string, number>>;
}

/**
 * Writes `folder` as PEFT loads it: a pair for every placed module (shared ones written out), the head, the tokenizer.
 * PEFT refuses an adapter without a low-rank pair, so a run that trained only the head gets one that is all zeros.
 */
export async function saveAdapter(
  folder: string,
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  options: SaveOptions,
): Promise<void> {
  const { task, tokenizer, maxLength } = options;
  const byName = new Map(parameters.map((one) => [one.name, one]));
  const tensor = (name: string) => {
    const { shape, values } = byName.get(name)!;
    return { name, shape, data: values };
  };
  const pairs = plan.placements.map(({ module, pair }): [string, LoraPair] => [
    module.path,
    { A: tensor(loraA(pair)), B: tensor(loraB(pair)) },
  ]);
  const headOnly = pairs.length === 0;
  if (headOnly) {
    const { path, inFeatures, outFeatures } = model.adaptable.at(-1)!;
    pairs.push([path, zeroPair(1, inFeatures, outFeatures)]);
  }
  const adapter: PeftAdapter = {
    baseModel: options.baseModel,
    ...(options.revision === undefined ? {} : { revision: options.revision }),
    taskType: model.taskType,
    rank: headOnly ? 1 : plan.rank,
    alpha: headOnly ? 1 : plan.alpha,
    rankPattern: {},
    alphaPattern: {},
    targetModules: pairs.map(([path]) => path),
    modulesToSave: model.headModules,
    lora: new Map(pairs),
    saved: model.head.map(({ name }) => tensor(name)),
    // How PEFT calls weights that lie as [in, out].
    otherFields: model.adaptable.some(({ transposed }) => transposed === true) ? { fan_in_fan_out: true } : {},
  };
  const { paragraphs, scores } = options;
  const card = modelCard({ adapter, title: `${task.name} adapter`, paragraphs, labels: task.labels, scores });
  await writePeftAdapter(folder, adapter, { card, copies: tokenizer.files });
  const { name, kind, labels, columns, metrics } = task;
  const file: TaskFile = {
    format: 'diffora-task/1',
    name,
    kind,
    labels: [...labels],
    columns: { ...columns },
    metrics: [...metrics],
    maxLength,
  };
  await writeFileAtomic(join(folder, 'task.json'), `${JSON.stringify(file, null, 2)}\n`);
}

export interface LoadedAdapter {
  readonly folder: string;
  readonly adapter: ReadAdapter;
  readonly task: TaskFile;
  /** Of adapter_model.safetensors, hex. */
  readonly sha256: string;
}

/** Opens an adapter folder, or the `adapter/` of a run folder. */
export async function openAdapter(path: string): Promise<LoadedAdapter> {
  const inside = join(path, 'adapter');
  const folder = (await exists(inside)) ? inside : path;
  const adapter = await readPeftAdapter(folder);
  const task = await readTaskFile(join(folder, 'task.json'), adapter);
  return { folder, adapter, task, sha256: await adapterHash(folder) };
}

/** sha256 of adapter_model.safetensors, hex. */
export async function adapterHash(folder: string): Promise<string> {
  const weights = await readFile(join(folder, 'adapter_model.safetensors'));
  return createHash('sha256').update(weights).digest('hex');
}

/** Key of the safetensors metadata that says which adapter a checkpoint has folded in (sha256 of its weights). */
export const mergedKey = 'diffora.merged';

/** The plan and parameters of an adapter on its model. @throws DiffoError when they do not belong together */
export function placeAdapter(
  { folder, adapter, sha256 }: LoadedAdapter,
  model: Model,
): { plan: AdapterPlan; parameters: Parameter[] } {
  const { rank, rankPattern, alphaPattern } = adapter;
  if (model.checkpoint.metadata[mergedKey] === sha256) {
    throw new DiffoError(
      `${model.checkpoint.name} has this adapter folded in already, so it would act twice. Take the plain base model ${adapter.baseModel}.`,
    );
  }
  if (Object.keys(rankPattern).length > 0 || Object.keys(alphaPattern).length > 0) {
    throw new DiffoError(`${folder}: adapters with rank_pattern or alpha_pattern are not supported yet.`);
  }
  const known = new Map(model.adaptable.map((module) => [module.path, module]));
  const modules = [...adapter.lora.keys()].map((path) => {
    const module = known.get(path);
    if (module === undefined) {
      const nearest = nearestNames(path, [...known.keys()], 1)[0];
      throw new DiffoError(`${folder}: "${path}" is no module of ${model.checkpoint.name}; nearest: ${nearest}.`);
    }
    return module;
  });
  // Rank-stabilised adapters (use_rslora) scale otherwise; alpha stands for what gives their scale here.
  const stabilised = adapter.otherFields.use_rslora === true && modules[0] !== undefined;
  const alpha = stabilised ? rank * scalingOf(adapter, modules[0]!.path) : adapter.alpha;
  const plan = planAdapters({ rank, alpha }, modules);
  const adapterTensors = plan.pairs.flatMap((pair) => {
    const { A, B } = adapter.lora.get(pair.name)!;
    const expected = `A [${[rank, pair.inFeatures]}] and B [${[pair.outFeatures, rank]}]`;
    const found = `A [${A.shape}] and B [${B.shape}]`;
    if (found !== expected) {
      throw new DiffoError(`${folder}: ${pair.name} has ${found}; ${model.checkpoint.name} needs ${expected}.`);
    }
    return [parameter(loraA(pair.name), A.shape, A.data), parameter(loraB(pair.name), B.shape, B.data)];
  });
  const saved = new Map(adapter.saved.map((one) => [one.name, one]));
  const headTensors = model.head.map(({ name, shape }) => {
    const tensor = saved.get(name);
    if (tensor === undefined || `${tensor.shape}` !== `${shape}`) {
      const found = tensor === undefined ? 'is missing' : `is [${tensor.shape}], not [${shape}]`;
      throw new DiffoError(`${folder}/adapter_model.safetensors: ${name} ${found}.`);
    }
    return parameter(name, shape, tensor.data);
  });
  return { plan, parameters: [...adapterTensors, ...headTensors] };
}

/** @throws DiffoError that names the first tensor with a value that is not finite */
export function refuseNotFinite(folder: string, parameters: readonly Parameter[]): void {
  for (const { name, values } of parameters) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) throw new DiffoError(`${folder}: ${name} holds ${values[at]} at position ${at}; train it again.`);
  }
}

/** task.json, or what the adapter's own head tells where PEFT wrote the folder. */
async function readTaskFile(file: string, adapter: ReadAdapter): Promise<TaskFile> {
  return (await exists(file)) ? readJsonAs(file, taskFileSchema) : taskOfHead(adapter);
}

function taskOfHead(adapter: ReadAdapter): TaskFile {
  const outputs = adapter.saved.find(({ name }) => name.endsWith('classifier.bias'))?.shape[0] ?? 2;
  return {
    format: 'diffora-task/1',
    name: 'unknown',
    kind: outputs === 1 ? 'regression' : 'classification',
    labels: outputs === 1 ? [] : Array.from({ length: outputs }, (_, i) => `LABEL_${i}`),
    columns: { text: 'text', label: 'label' },
    metrics: outputs === 1 ? ['pearson', 'spearman'] : ['accuracy'],
    maxLength: 128,
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
