import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { modelCard } from '../adapters/card.js';
import type { PeftContents } from '../adapters/contents.js';
import { planFromPeft } from '../adapters/fromPeft.js';
import { planFromPlain } from '../adapters/fromPlain.js';
import {
  ADAPTER_CONFIG_FILE,
  ADAPTER_WEIGHTS_FILE,
  type GivenOfAdapter,
  OLD_WEIGHTS_FILE,
  type ReadAdapter,
  readPeftAdapter,
  writePeftAdapter,
} from '../adapters/peft/index.js';
import { peftAdapterOf } from '../adapters/peftAdapter.js';
import { PLAIN_CONFIG_FILE, type PlainAdapter, readPlainAdapter, writePlainAdapter } from '../adapters/plainFolder.js';
import { type AdapterPlan, adapterSize } from '../adapters/plan.js';
import { type AdapterMethodName, adapterMethods, peftReaderOf } from '../adapters/registry.js';
import type { Checkpoint, NamedTensor } from '../checkpoint/types.js';
import { weightsHash } from '../checkpoint/weightsHash.js';
import type { KnownRows } from '../data/knownRows.js';
import { firstNotFinite, type NamedValues } from '../engine/notFinite.js';
import { type Parameter, parameter, parametersOf, trainedOf } from '../engine/parameters.js';
import { DiffoError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { copyInto } from '../files/copyInto.js';
import { readJsonAs } from '../files/json.js';
import type { Scores } from '../metrics/scores.js';
import type { HeadPart, Model, TaskType } from '../models/model.js';
import type { Dam } from '../selection/dam.js';
import { damPicture } from '../selection/damPicture.js';
import type { Kind } from '../tasks/kinds/kind.js';
import { kinds } from '../tasks/kinds/registry.js';
import { knownTask } from '../tasks/known/knownTask.js';
import type { LearnedTask } from '../tasks/task.js';
import type { Tokenizer } from '../tokenize/index.js';
import { writeChatTemplate } from './chatTemplate.js';
import { fileSha256 } from './checkpoints/format.js';
import { writeSentenceFolder } from './sentenceFolder.js';
import { foreignTask, type TaskFile, taskFileSchema } from './taskFile.js';
import { taskFileOf } from './taskFileOf.js';
import { readTrainedRows, writeTrainedRows } from './trainedRows.js';

/** Picture of the matrix in an adapter folder. */
const DAM_PICTURE_FILE = 'dam.svg';

export interface SaveOptions {
  readonly task: LearnedTask;
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
  /** What it was trained on. */
  readonly trainedRows?: KnownRows | undefined;
  readonly baseModel: string;
  readonly revision?: string | undefined;
  /** Steps that the training was planned for. */
  readonly totalSteps: number;
  /** Paragraphs of the model card. */
  readonly paragraphs: readonly string[];
  /** On the task's dev rows. */
  readonly scores: Scores;
  /** The matrix that chose the modules. */
  readonly dam?: Dam | undefined;
  /** Command that repeats the run. */
  readonly repeat?: string | undefined;
}

/**
 * Writes `folder` with the adapter, the head and the tokenizer: in PEFT's format where PEFT has the method, else in
 * diffora's own.
 */
export async function saveAdapter(
  folder: string,
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  options: SaveOptions,
): Promise<void> {
  const { task, tokenizer, maxLength, baseModel, revision, totalSteps } = options;
  const byName = new Map(parameters.map((one) => [one.name, one]));
  const tensor = (name: string): NamedTensor => {
    const { shape, values } = byName.get(name)!;
    return { name, shape, data: values };
  };
  const contents = plan.save(model, (name) => byName.get(name)!.values, { totalSteps });
  const base = { baseModel, ...(revision === undefined ? {} : { revision }), taskType: model.taskType };
  const head = model.head.map(({ name }) => tensor(name));
  const replaced = plan.replaced.map(tensor);
  const card = modelCard({
    title: `${task.name} adapter`,
    method: titleOf(plan.method),
    baseModel,
    revision,
    peftType: contents.format === 'peft' ? contents.type.name : undefined,
    facts: factsOf(plan, parameters, contents.format === 'peft' ? contents : undefined),
    adaptedModules: plan.placements.map(({ module }) => module.path),
    paragraphs: options.paragraphs,
    labels: task.labels,
    use: task.kind.card(task),
    scored: { name: task.name, split: 'dev', hub: knownTask(task)?.hub, scores: options.scores },
    picture: options.dam && DAM_PICTURE_FILE,
    repeat: options.repeat,
    limits: limitsOf(maxLength),
  });
  if (contents.format === 'peft') {
    const adapter = peftAdapterOf(model, plan, contents, tensor, base);
    await writePeftAdapter(folder, adapter, { card });
  } else {
    const adapter: PlainAdapter = {
      ...base,
      method: plan.method as AdapterMethodName,
      settings: contents.settings,
      adapter: contents.tensors.map(tensor),
      replaced,
      head,
    };
    await writePlainAdapter(folder, adapter, { card });
  }
  await copyInto(folder, tokenizer.files);
  await writeChatTemplate(folder, task, tokenizer);
  const { headPart, checkpoint } = model;
  const facts = task.kind.factsOfModel?.(task, model) ?? {};
  const file: TaskFile = {
    ...taskFileOf({ ...task, ...facts }, maxLength),
    ...(headPart === 'none' ? {} : { head: headPart }),
    baseSha256: await weightsHash(checkpoint),
  };
  if (options.dam !== undefined) await writeFileAtomic(join(folder, DAM_PICTURE_FILE), damPicture(options.dam));
  await writeSentenceFolder(folder, model, { ...task, maxLength });
  if (options.trainedRows !== undefined) await writeTrainedRows(folder, options.trainedRows);
  await writeFileAtomic(join(folder, 'task.json'), `${JSON.stringify(file, null, 2)}\n`);
}

/** What one should know of an adapter before relying on it. */
function limitsOf(maxLength: number): string[] {
  return [
    `Trained on sequences of up to ${maxLength.toLocaleString('en-US')} tokens.`,
    'Scores are those of the rows named above; other texts, languages and uses were not measured.',
    'What the base model does wrong it may do wrong too, and the licences of the base model and of the data hold for it.',
  ];
}

/** `LoRA` for `lora`. */
export function titleOf(method: string): string {
  return method in adapterMethods ? adapterMethods[method as AdapterMethodName].title : method;
}

function factsOf(
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  contents: Pick<PeftContents, 'type' | 'rank' | 'alpha'> | undefined,
): Record<string, number> {
  const size = (names: ReadonlySet<string>) =>
    parameters.reduce((sum, { name, values }) => sum + (names.has(name) ? values.length : 0), 0);
  const replaced = new Set(plan.replaced);
  const own = new Set(plan.tensors.map(({ name }) => name));
  const rest = new Set(
    trainedOf(parameters)
      .map(({ name }) => name)
      .filter((name) => !own.has(name) && !replaced.has(name)),
  );
  return {
    ...(contents?.type.rankField === undefined || plan.placements.length === 0
      ? {}
      : { rank: contents.rank, alpha: contents.alpha }),
    'adapted modules': plan.placements.length,
    'trained parameters of the method': adapterSize(plan),
    ...(replaced.size === 0 ? {} : { 'trained parameters of the base model': size(replaced) }),
    'trained parameters of the head': size(rest),
  };
}

/** An adapter folder as it was read, whatever its format. */
export interface LoadedAdapter {
  readonly folder: string;
  readonly source:
    | { readonly format: 'peft'; readonly adapter: ReadAdapter }
    | { readonly format: 'diffora'; readonly adapter: PlainAdapter };
  readonly baseModel: string;
  readonly revision: string | undefined;
  readonly taskType: TaskType;
  /** Tensors of the head, and of other modules that were saved whole. */
  readonly head: readonly NamedTensor[];
  readonly task: TaskFile;
  /** What it was trained on, where its folder says so. */
  readonly trainedRows: KnownRows | undefined;
  /** Of adapter_model.safetensors, hex. */
  readonly sha256: string;
}

/**
 * Opens an adapter folder, or the `adapter/` of a run folder.
 * @param given what a PEFT folder may leave open
 */
export async function openAdapter(path: string, given: GivenOfAdapter = {}): Promise<LoadedAdapter> {
  const inside = join(path, 'adapter');
  const isItself = await exists(join(path, ADAPTER_CONFIG_FILE));
  const folder = !isItself && (await exists(inside)) ? inside : path;
  const isPlain = await exists(join(folder, PLAIN_CONFIG_FILE));
  const taskFile = join(folder, 'task.json');
  const learned = (await exists(taskFile)) ? await readJsonAs(taskFile, taskFileSchema) : undefined;
  const known = { ...given, taskType: given.taskType ?? learned?.kind.taskType };
  const source: LoadedAdapter['source'] = isPlain
    ? { format: 'diffora', adapter: await readPlainAdapter(folder) }
    : { format: 'peft', adapter: await readPeftAdapter(folder, known) };
  const { baseModel, revision, taskType } = source.adapter;
  const head = source.format === 'peft' ? source.adapter.saved : source.adapter.head;
  const task = learned ?? taskOfHead(folder, taskType, head);
  const [trainedRows, sha256] = [await readTrainedRows(folder), await adapterHash(folder)];
  return { folder, source, baseModel, revision, taskType, head, task, trainedRows, sha256 };
}

/** The part of the head that was trained: as task.json says, else as the modules do whose tensors are there. */
export function headPartOf({ task, head }: Pick<LoadedAdapter, 'task' | 'head'>): HeadPart {
  return task.head ?? (head.some(({ name }) => /(^|\.)pooler\./.test(name)) ? 'all' : 'classifier');
}

/** Name of the method of an adapter. */
export function methodOf({ source }: LoadedAdapter): AdapterMethodName {
  if (source.format === 'diffora') return source.adapter.method;
  return peftReaderOf(source.adapter).method;
}

/** sha256 of adapter_model.safetensors, hex, or of adapter_model.bin where there is no other. */
export async function adapterHash(folder: string): Promise<string> {
  const file = join(folder, ADAPTER_WEIGHTS_FILE);
  return fileSha256((await exists(file)) ? file : join(folder, OLD_WEIGHTS_FILE));
}

/** Key of the safetensors metadata that says which adapter a checkpoint has folded in (sha256 of its weights). */
export const mergedKey = 'diffora.merged';

/** The plan and parameters of an adapter on its model. @throws DiffoError when they do not belong together */
export function placeAdapter(
  { folder, source, baseModel, head, sha256 }: LoadedAdapter,
  model: Model,
): { plan: AdapterPlan; parameters: Parameter[] } {
  if (model.checkpoint.metadata[mergedKey] === sha256) {
    throw new DiffoError(
      `${model.checkpoint.name} has this adapter folded in already, so it would act twice. Take the plain base model ${baseModel}.`,
    );
  }
  const { plan, values } =
    source.format === 'peft'
      ? planFromPeft(source.adapter, model, folder)
      : planFromPlain(source.adapter, model, folder);
  const saved = new Map(head.map((one) => [one.name, one]));
  const headTensors = model.head.map(({ name, shape }) => {
    const tensor = saved.get(name);
    if (tensor === undefined) {
      throw new DiffoError(
        `${folder}/adapter_model.safetensors: ${name} is neither there nor in ${model.checkpoint.name}, so that nothing says which one it was trained with. ` +
          'Take the base model that has it (--model), or train it again and save it too (modules_to_save in PEFT).',
      );
    }
    if (`${tensor.shape}` !== `${shape}`) {
      throw new DiffoError(
        `${folder}/adapter_model.safetensors: ${name} is [${tensor.shape}], not [${shape}]. Give the right base model.`,
      );
    }
    return parameter(name, shape, tensor.data);
  });
  return { plan, parameters: [...parametersOf(plan, model, (name) => values.get(name)!), ...headTensors] };
}

/** @throws DiffoError that names the first tensor with a value that is not finite */
export function refuseNotFinite(folder: string, tensors: readonly NamedValues[]): void {
  const broken = firstNotFinite(tensors);
  if (broken !== undefined) throw new DiffoError(`${folder}: ${broken}; train it again.`);
}

/**
 * The task of a folder that others wrote.
 * @param base the base model, once it is open
 * @throws DiffoError where its head is one that no kind of task has
 */
export function taskOfHead(
  folder: string,
  taskType: TaskType,
  head: readonly NamedTensor[],
  base?: Pick<Checkpoint, 'config' | 'folder'>,
): TaskFile {
  const task = foreignTask(taskType, head, base);
  if (task !== undefined) return task;
  const type = base?.config.problem_type;
  const of = typeof type === 'string' ? ` of problem_type ${type}, as its base model's config.json has it` : '';
  const kind = Object.values<Kind>(kinds).find((one) => one.taskType === taskType && one.headCure !== undefined);
  const cure = (base && kind?.headCure?.(`${base.folder}/config.json`)) ?? 'Take another';
  throw new DiffoError(
    `${folder}: an adapter with a ${taskType} head${of}; no kind of task here has such outputs. ${cure}.`,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
