import { freemem, totalmem } from 'node:os';
import { loraPlan } from '../adapters/methods/lora.js';
import type { AdapterPlan } from '../adapters/plan.js';
import { placeAdapter } from '../artifacts/adapterFolder.js';
import { secondsSince } from '../artifacts/runRecord.js';
import { elementCount } from '../checkpoint/dtype.js';
import type { Example } from '../data/types.js';
import type { EncodedExample } from '../engine/batch.js';
import { tokensOf } from '../engine/batching.js';
import { BatchStream } from '../engine/batchStream.js';
import { frozenLayers } from '../engine/frozenPrefix.js';
import { countLabelled } from '../engine/labels.js';
import { estimatePrefixMemory, estimateStepMemory, gigabytes } from '../engine/memory.js';
import { canBeCut } from '../engine/objective.js';
import { countParameters, parameter, parametersOf, trainedOf } from '../engine/parameters.js';
import { DiffoError } from '../errors.js';
import { backboneTensor } from '../models/weights.js';
import type { Reporter } from '../reporter.js';
import type { SelectionMethod } from '../selection/method.js';
import { matchTargets } from '../selection/targets.js';
import { choosingMethodOf, type TrainConfig } from '../settings/config.js';
import { dropoutRateOf } from '../settings/dropoutRate.js';
import { trainingSteps } from '../settings/trainingOptions.js';
import { type TimeEstimate, timeOf } from './estimateTime.js';
import { prefixBytes } from './keptPrefix.js';
import { planOnTargets, planRun } from './plan.js';
import type { RunContext } from './runContext.js';
import { allowanceOf, refuseTooFew } from './selectModules.js';
import { openWorkspace, type Workspace } from './workspace.js';

/** Tokenizer, records and the rest of a run beside its step, without the examples: measured, see docs/results.md. */
const besideBytes = 50 * 2 ** 20;

/** What a run would do and take. */
export interface RunEstimate {
  readonly task: string;
  readonly model: string;
  readonly examples: { readonly train: number; readonly dev: number };
  /** Tokens of the longest sequence that is trained on. */
  readonly longest: number;
  readonly trainSteps: number;
  /** Numbers that are trained, at most: where modules are still to be chosen, those of all. */
  readonly trainable: number;
  /** Peak of the process in bytes, to about a fifth; and the part of the run that takes it. */
  readonly memoryBytes: number;
  readonly takenBy: 'selection' | 'training';
  /** What the system can give now. */
  readonly availableBytes: number;
  /** How long it takes here, measured; undefined where its memory is not there to try it. */
  readonly time?: TimeEstimate | undefined;
}

/**
 * `diffora train --dry-run`: opens model and data, estimates the run, and does a few of its steps to time them. Nothing is kept of these,
 * and nothing is written.
 */
export async function estimateRun(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<RunEstimate> {
  const started = performance.now();
  const workspace = await openWorkspace(config, reporter, signal);
  return estimateOf(workspace, config, secondsSince(started), { reporter, signal });
}

/** Size and time of a run. @param openingSeconds what opening its workspace took */
export async function estimateOf(
  workspace: Workspace,
  config: TrainConfig,
  openingSeconds: number,
  context: Pick<RunContext, 'reporter' | 'signal'>,
): Promise<RunEstimate> {
  const estimate = estimateIn(workspace, config);
  const { memoryBytes, availableBytes, trainSteps } = estimate;
  if (memoryBytes > availableBytes) return estimate;
  return { ...estimate, time: await timeOf(workspace, config, { trainSteps, openingSeconds }, context) };
}

/**
 * Steps, size and memory of a run, from its graphs; nothing is compiled. Where modules are chosen first, training is
 * counted with adapters on all of them.
 */
export function estimateIn(workspace: Workspace, config: TrainConfig): RunEstimate {
  const { opened, task, train, dev, dam } = workspace;
  const { method, optimisation } = config;
  const { model } = opened;
  const { longest, stepsPerEpoch, stepOf } = graphsOf(workspace, config);
  const selection = choosingIn(workspace, config);
  const { share } = config.selection;
  const given = dam && { gamma: dam.gamma, share };
  const planned = () => (selection === undefined ? planRun(model, method, given) : planOnTargets(model, method));
  const plan = workspace.adapter ? placeAdapter(workspace.adapter, model).plan : planned();
  const keepsPrefix = optimisation.cachePrefix !== 'none' && selection === undefined;
  const training = stepOf(plan, optimisation.accumulate, keepsPrefix);
  let selecting = 0;
  if (selection !== undefined) allowanceOf(model, config);
  if (workspace.adapter === undefined) refuseTooFew(model, config, dam);
  if (selection !== undefined && selection.graphs > 0) {
    const { rank, alpha, loraDropout } = method;
    const everywhere = { own: matchTargets(model, method.targets), shared: [] };
    const all = loraPlan({ rank, alpha, loraDropout }, everywhere);
    const { memory } = stepOf(all, 1);
    // A search of first order without dropout runs both of its updates in one session.
    const graphs = config.selection.searchOrder === 'first' && !memory.hasDropout ? 1 : selection.graphs;
    selecting = memory.total + (graphs - 1) * (memory.weights + memory.activations);
  }
  const beside = besideBytes + exampleBytes(train.examples, train.encoded) + exampleBytes(dev.examples, []);
  return {
    task: task.name,
    model: config.data.model,
    examples: { train: train.examples.length, dev: dev.examples.length },
    longest,
    trainSteps: trainingSteps(optimisation, stepsPerEpoch),
    trainable: training.trainable,
    memoryBytes: beside + Math.max(training.memory.total, selecting),
    takenBy: selecting > training.memory.total ? 'selection' : 'training',
    availableBytes: freeMemory(),
  };
}

/** The way in which the modules of a run will be chosen; undefined where they are known. */
function choosingIn({ dam, adapter }: Workspace, config: TrainConfig): SelectionMethod | undefined {
  return dam !== undefined || adapter !== undefined ? undefined : choosingMethodOf(config);
}

/**
 * Weighs the estimate of a run before it starts: without `memoryLimit`, warns where it is more than is free (estimates are
 * right to about a fifth, and the system may swap); with a limit, refuses what is estimated above it.
 * @throws DiffoError with the batch size that would fit
 */
export function guardMemory(
  workspace: Workspace,
  config: TrainConfig,
  { warn }: Pick<Reporter, 'warn'>,
  free = freeMemory(),
): void {
  const { optimisation } = config;
  const { memoryLimit } = config.run;
  if (memoryLimit === 'none') return;
  const room = memoryLimit === undefined ? free : memoryLimit * 1e9;
  const needed = (batchSize: number) =>
    estimateIn(workspace, { ...config, optimisation: { ...optimisation, batchSize } }).memoryBytes;
  const bytes = needed(optimisation.batchSize);
  if (bytes <= room) return;
  let size = optimisation.batchSize;
  do size = Math.floor(size / 2);
  while (size > 0 && needed(size) > room);
  const shorter = 'Take shorter sequences (--max-length), --gradient-checkpointing or a smaller model';
  const parts = Math.ceil(optimisation.batchSize / Math.max(1, size));
  const { task } = workspace;
  // A search takes its batches whole.
  const mayCut = choosingIn(workspace, config) === undefined && canBeCut(task.kind.objective(undefined, task));
  const same = mayCut ? ` (or --accumulate ${parts}, for the same steps)` : '';
  const cure = size === 0 ? `${shorter}.` : `--batch-size ${size} would fit${same}.`;
  const takes = `This run takes about ${gigabytes(bytes)} of memory`;
  if (memoryLimit !== undefined) {
    throw new DiffoError(`${takes}, and --memory-limit allows ${gigabytes(room)}. ${cure}`);
  }
  warn(`${takes}, and ${gigabytes(room)} are free: the system may end it. ${cure}`);
}

/** What can be had without swapping; outside Linux, where caches count as taken, all that the machine has. */
function freeMemory(): number {
  return process.platform === 'linux' ? (process.availableMemory?.() ?? freemem()) : totalmem();
}

function graphsOf(
  { opened, task, train }: Workspace,
  { optimisation, run }: Pick<TrainConfig, 'optimisation' | 'run'>,
) {
  const { model } = opened;
  const objective = task.kind.objective(undefined, task);
  const { largest, stepsPerEpoch } = new BatchStream(train.encoded, {
    batchSize: optimisation.batchSize,
    seed: run.seed,
    padTokenId: model.padTokenId,
    objective,
  });
  const head = model.head.map(({ name, shape }) => parameter(name, shape, emptyOf(shape)));
  const labelled = train.encoded
    .flatMap((one) => [one, ...(one.further ?? [])])
    .reduce((most, { tokenLabels }) => Math.max(most, countLabelled(tokenLabels)), 0);
  /** @param keepsPrefix what enters the lowest trained layer is kept: a step starts there */
  const stepOf = (plan: AdapterPlan, parts: number, keepsPrefix = false) => {
    const own = new Map(plan.tensors.map(({ name, shape }) => [name, shape]));
    const shapeOf = (name: string) => own.get(name) ?? backboneTensor(model, name).shape;
    const parameters = [...parametersOf(plan, model, (name) => emptyOf(shapeOf(name))), ...head];
    const batch = Math.ceil(largest.batch / parts);
    const frozen = keepsPrefix ? frozenLayers(model, { plan, parameters }) : undefined;
    const prefix = frozen === undefined || frozen.layers === 0 ? undefined : { layer: frozen.layers };
    const step = estimateStepMemory(model, {
      objective,
      plan,
      parameters,
      wrt: trainedOf(parameters),
      dropoutSeed: run.seed,
      dropoutRate: dropoutRateOf(optimisation),
      gradientCheckpointing: optimisation.gradientCheckpointing,
      prefix,
      packed: largest.batch > largest.examples,
      largestBatch: { batch, seq: largest.seq, target: largest.target, examples: Math.ceil(largest.examples / parts) },
      rows: labelled === 0 ? undefined : batch * labelled,
    });
    if (prefix === undefined) return { memory: step, trainable: countParameters(parameters) };
    const limit = optimisation.cachePrefixLimit * 1e9;
    const inMemory = optimisation.cachePrefix === 'memory';
    const kept = inMemory ? Math.min(limit, prefixBytes(train.encoded, frozen!, optimisation)) : 0;
    const below = estimatePrefixMemory(model, { plan, parameters, layer: prefix.layer, seq: largest.seq });
    const memory = { ...step, total: step.total + kept + below };
    return { memory, trainable: countParameters(parameters) };
  };
  return { longest: largest.seq, stepsPerEpoch, stepOf };
}

/** Values that nobody reads: memory that is not touched is not taken. */
function emptyOf(shape: readonly number[]): Float32Array {
  return new Float32Array(elementCount(shape));
}

/** Objects of an example, its text and its tokens. */
function exampleBytes(examples: readonly Example[], encoded: readonly EncodedExample[]): number {
  const texts = examples.reduce((sum, { text, pair = '' }) => sum + 300 + 2 * (text.length + pair.length), 0);
  return encoded.reduce((sum, one) => sum + 400 * (1 + (one.further?.length ?? 0)) + 8 * tokensOf([one]), texts);
}
