import { loraPlan } from '../adapters/lora.js';
import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample, Example } from '../data/types.js';
import { BatchStream } from '../optimize/batchStream.js';
import { estimateStepMemory } from '../optimize/memory.js';
import { adapterParameters, countParameters, headParameters, trainedOf } from '../optimize/parameters.js';
import { matchTargets } from '../selection/targets.js';
import { adapterMethodName, dropoutRateOf, selectionMethodOf, type TrainConfig } from './config.js';
import { trainingSteps } from './fineTune.js';
import { planRun } from './plan.js';
import type { Reporter } from './reporter.js';
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
  /** What the system can give now; undefined where Node.js does not know (before 20.13). */
  readonly availableBytes: number | undefined;
}

/** `diffora train --dry-run`: opens model and data and estimates the run. Nothing is trained or written. */
export async function estimateRun(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<RunEstimate> {
  return estimateIn(await openWorkspace(config, reporter, signal), config);
}

/**
 * Steps, size and memory of a run, from its graphs; nothing is compiled. Where modules are chosen first, training is
 * counted with adapters on all of them.
 */
export async function estimateIn(workspace: Workspace, config: TrainConfig): Promise<RunEstimate> {
  const { opened, task, train, dev } = workspace;
  const { model } = opened;
  const { longest, stepsPerEpoch, stepOf } = await graphsOf(workspace, config);
  const selection = config.dam === undefined ? selectionMethodOf(config) : undefined;
  const plan =
    selection === undefined
      ? planRun(model, { ...config, dam: undefined }, undefined)
      : planRun(
          model,
          { ...config, method: adapterMethodName(config), select: undefined, parameters: undefined },
          undefined,
        );
  const training = await stepOf(plan, config.accumulate);
  let selecting = 0;
  if (selection !== undefined && selection.graphs > 0) {
    const all = loraPlan(config, { own: matchTargets(model, config.targets), shared: [] });
    const { memory } = await stepOf(all, 1);
    selecting = memory.total + (selection.graphs - 1) * (memory.weights + memory.activations);
  }
  const beside = besideBytes + exampleBytes(train.examples, train.encoded) + exampleBytes(dev.examples, []);
  return {
    task: task.name,
    model: config.model,
    examples: { train: train.examples.length, dev: dev.examples.length },
    longest,
    trainSteps: trainingSteps(config, stepsPerEpoch),
    trainable: training.trainable,
    memoryBytes: beside + Math.max(training.memory.total, selecting),
    takenBy: selecting > training.memory.total ? 'selection' : 'training',
    availableBytes: process.availableMemory?.(),
  };
}

async function graphsOf({ opened, task, train }: Workspace, config: TrainConfig) {
  const { model } = opened;
  const { largest, stepsPerEpoch } = new BatchStream(train.encoded, {
    ...config,
    padTokenId: model.padTokenId,
    kind: task.kind,
  });
  const head = await headParameters(model.head, config.seed);
  const stepOf = async (plan: AdapterPlan, parts: number) => {
    const parameters = [...(await adapterParameters(plan, model, config.seed)), ...head];
    const memory = estimateStepMemory(model, {
      kind: task.kind,
      plan,
      parameters,
      wrt: trainedOf(parameters),
      dropoutSeed: config.seed,
      dropoutRate: dropoutRateOf(config),
      gradientCheckpointing: config.gradientCheckpointing,
      largestBatch: { batch: Math.ceil(largest.batch / parts), seq: largest.seq },
    });
    return { memory, trainable: countParameters(parameters) };
  };
  return { longest: largest.seq, stepsPerEpoch, stepOf };
}

/** Objects of an example, its text and its tokens. */
function exampleBytes(examples: readonly Example[], encoded: readonly EncodedExample[]): number {
  const texts = examples.reduce((sum, { text, pair = '' }) => sum + 300 + 2 * (text.length + pair.length), 0);
  return encoded.reduce((sum, { inputIds }) => sum + 400 + 8 * inputIds.length, texts);
}
