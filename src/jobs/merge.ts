import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { mergedTensors } from '../adapters/mergedTensors.js';
import { MODEL_CARD_FILE } from '../adapters/peft/index.js';
import { type RoundingLoss, RoundingTally } from '../adapters/roundingLoss.js';
import { isOutputUntied, untied } from '../adapters/untiedOutput.js';
import { mergedKey, refuseNotFinite, titleOf } from '../artifacts/adapterFolder.js';
import { writeChatTemplate } from '../artifacts/chatTemplate.js';
import { derivedCard } from '../artifacts/derivedCard.js';
import { headedConfig } from '../artifacts/headedConfig.js';
import { type AdapterOptions, openAdapted } from '../artifacts/openAdapted.js';
import { writeSentenceFolder } from '../artifacts/sentenceFolder.js';
import { type FloatType, floatTypeOf, roundedTo, storedTypes } from '../checkpoint/floatTypes.js';
import { readTensor } from '../checkpoint/safetensors.js';
import { writeSafetensors } from '../checkpoint/safetensors-write.js';
import type { WritableTensor } from '../checkpoint/safetensorsLayout.js';
import { GENERATION_FILE } from '../checkpoint/weightFiles.js';
import { DiffoError } from '../errors.js';
import { withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import { copyInto } from '../files/copyInto.js';
import { configText, jsonAlike } from '../files/jsonAlike.js';
import type { Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';
import { type Reporter, silent } from '../reporter.js';

export interface MergeOptions extends AdapterOptions {
  readonly output: string;
  readonly overwrite?: boolean;
  /** Type of every weight that is written; by default the base model's. */
  readonly dtype?: FloatType | undefined;
}

/** What was written. */
export interface Merged {
  readonly output: string;
  /** Number of tensors. */
  readonly tensors: number;
  /** Type of all of them. */
  readonly dtype: FloatType;
  /** What rounding to that type took off the adapter's changes; undefined where nothing was rounded. */
  readonly rounding: RoundingLoss | undefined;
}

/** Above it, what an adapter learned may no longer be what the merged model does. */
const notableShare = 0.1;

/**
 * `diffora merge`: a plain checkpoint with what the adapter makes of W0 in its place (LoRA: W0 + (alpha / rank) · B A),
 * and the head, that transformers' class for its kind of task loads. All weights are of one type, which config.json names,
 * since transformers loads a checkpoint in the type that config.json names.
 * @throws DiffoError when the base already has an adapter folded in, no weight can hold it, or one is not finite
 */
export async function mergeAdapter(options: MergeOptions): Promise<Merged> {
  const { output, overwrite } = options;
  const existing = overwrite ? 'replace' : 'refuse';
  return { output, ...(await withOutputFolder(output, (folder) => mergeInto(folder, options), { existing })) };
}

async function mergeInto(folder: string, options: MergeOptions): Promise<Omit<Merged, 'output'>> {
  const { signal, reporter = silent } = options;
  const { loaded, opened, plan, parameters } = await openAdapted(options);
  const { model, tokenizer } = opened;
  const { checkpoint } = model;
  const earlier = checkpoint.metadata[mergedKey];
  if (earlier !== undefined) {
    throw new DiffoError(
      `${checkpoint.name} already has an adapter folded in (${earlier.slice(0, 12)}…). Merge into the plain base model ${loaded.baseModel}.`,
    );
  }
  const byName = new Map(parameters.map((one) => [one.name, one]));
  if (plan.endSubLayer !== undefined) {
    throw new DiffoError(
      `${loaded.folder}: ${titleOf(plan.method)} put layers of their own into the model, which no plain checkpoint has. Predict with --adapter.`,
    );
  }
  const values = (name: string) => byName.get(name)!.values;
  const ofBase = [...plan.replaced, ...(plan.fixed ?? [])];
  const updated = new Map<string, Float32Array>(ofBase.map((name) => [name, values(name)]));
  for (const placement of plan.placements) {
    signal?.throwIfAborted();
    for (const [name, merged] of await mergedTensors(plan, model, placement, values)) updated.set(name, merged);
  }
  refuseNotFinite(
    loaded.folder,
    [...updated].map(([name, values]) => ({ name, values })),
  );
  const dtype = options.dtype ?? floatTypeOf(checkpoint);
  const rounding = await roundingOf(updated, model, dtype, signal);
  if (rounding !== undefined) tellRounding(rounding, dtype, reporter);
  tellNarrowed(model, updated, dtype, reporter);
  const isUntied = isOutputUntied(plan, model);
  const base = [...model.backbone.keys(), ...(isUntied ? model.tied.keys() : [])];
  const tensors: WritableTensor[] = base.map((name) => {
    const stored = backboneTensor(model, name);
    const data = updated.get(name);
    if (data === undefined && stored.dtype === storedTypes[dtype]) return { ...stored, name };
    return {
      name,
      shape: stored.shape,
      as: dtype,
      compute: async () => inRange(name, data ?? (await readTensor(stored)), dtype),
    };
  });
  // What no graph reads is as it was, in the type of the rest.
  for (const [name, inFile] of model.unread) {
    const stored = model.checkpoint.tensors.get(inFile)!;
    const compute = async () => inRange(name, await readTensor(stored), dtype);
    tensors.push(
      stored.dtype === storedTypes[dtype] ? { ...stored, name } : { name, shape: stored.shape, as: dtype, compute },
    );
  }
  for (const { name } of model.head) {
    const { shape, values } = byName.get(name)!;
    tensors.push({ name, shape, as: dtype, compute: async () => inRange(name, values, dtype) });
  }
  const metadata = { format: 'pt', [mergedKey]: loaded.sha256 };
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, metadata, signal);
  const merged = { ...mergedConfig(opened, loaded.task, dtype), ...(isUntied ? untied : {}) };
  await writeFileAtomic(join(folder, 'config.json'), `${jsonAlike(merged, await configText(checkpoint.folder))}\n`);
  // Where a text ends and how it is drawn is the base's: `save_pretrained` writes it too.
  const generation = join(checkpoint.folder, GENERATION_FILE);
  await copyInto(folder, [...tokenizer.files, ...(existsSync(generation) ? [generation] : [])]);
  await writeSentenceFolder(folder, model, loaded.task);
  await writeChatTemplate(folder, loaded.task, tokenizer);
  await writeFileAtomic(
    join(folder, MODEL_CARD_FILE),
    derivedCard({
      baseModel: loaded.baseModel,
      relation: 'finetune',
      library: 'transformers',
      tags: ['diffora'],
      taskType: model.taskType,
      what: `with an adapter of \`${loaded.task.name}\` (${titleOf(plan.method)}) folded in, in ${dtype}`,
      use: `\`\`\`python\nfrom transformers import pipeline\n\nrun = pipeline(model="path/to/this/folder")\n\`\`\``,
    }),
  );
  return { tensors: tensors.length, dtype, rounding };
}

/** What the type takes off the changes to the base model's own tensors. */
async function roundingOf(
  updated: ReadonlyMap<string, Float32Array>,
  model: Model,
  dtype: FloatType,
  signal: AbortSignal | undefined,
): Promise<RoundingLoss | undefined> {
  if (dtype === 'float32') return undefined;
  const tally = new RoundingTally();
  for (const [name, merged] of updated) {
    signal?.throwIfAborted();
    tally.add(name, await readTensor(backboneTensor(model, name)), merged, roundedTo(merged, dtype));
  }
  return tally.loss;
}

function tellRounding({ share, worst }: RoundingLoss, dtype: FloatType, reporter: Reporter): void {
  const percent = (one: number) => `${(100 * one).toPrecision(2)} %`;
  const told =
    `Rounding to ${dtype} takes ${percent(share)} off what the adapter changes ` +
    `(norm of the rounding over norm of the change; most in ${worst.name}: ${percent(worst.share)})`;
  if (share < notableShare) reporter.info(told);
  else reporter.warn(`${told}. --dtype float32 keeps all of it.`);
}

/** Says that weights of the base model that the adapter leaves alone lose digits too. */
function tellNarrowed(model: Model, updated: ReadonlyMap<string, unknown>, dtype: FloatType, reporter: Reporter): void {
  const types = [...model.backbone.keys()]
    .filter((name) => !updated.has(name))
    .map((name) => backboneTensor(model, name).dtype)
    .filter((type) => type !== storedTypes[dtype] && !(dtype === 'float32' && (type === 'F16' || type === 'BF16')));
  if (types.length === 0) return;
  reporter.info(
    `${types.length} other tensors of the base model are rounded from ${[...new Set(types)].join(', ')} to ${dtype} too`,
  );
}

/** @throws DiffoError for values that the type turns into infinities */
function inRange(name: string, values: Float32Array, dtype: FloatType): Float32Array {
  if (dtype === 'float32') return values;
  const rounded = roundedTo(values, dtype);
  if (values.every((value, i) => Number.isFinite(rounded[i]) || !Number.isFinite(value))) return values;
  throw new DiffoError(`Weights of ${name} are too large for ${dtype}. Merge with --dtype float32.`);
}

/** The base's config.json with the type of the weights and its head: class name, and what the kind of task says, such as names of classes. */
function mergedConfig(
  { model }: Awaited<ReturnType<typeof openAdapted>>['opened'],
  task: Awaited<ReturnType<typeof openAdapted>>['loaded']['task'],
  dtype: FloatType,
) {
  const config = headedConfig(model, task);
  // Versions of transformers before 5 read the older name alone, later ones both.
  const keys = ['dtype', 'torch_dtype'].filter((key) => key in config);
  const types = Object.fromEntries((keys.length === 0 ? ['dtype'] : keys).map((key) => [key, dtype]));
  return { ...config, ...types };
}
