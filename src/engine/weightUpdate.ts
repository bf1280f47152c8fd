import type { StepControl } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import { together } from '../state.js';
import { accumulator, partsOf, type Shared } from './accumulate.js';
import { adamW, clipGlobalNorm } from './adamw.js';
import type { BatchStream } from './batchStream.js';
import { openCachedGradient } from './cachedGradient.js';
import { type GradientStepOptions, openGradientStep } from './gradientStep.js';
import { type Outcome, outcomeOf, type Update } from './loop.js';
import { type Parameter, valuesState } from './parameters.js';
import type { OpenStep } from './sharedStep.js';

export interface WeightUpdateOptions extends Omit<GradientStepOptions, 'wrt' | 'largestBatch'> {
  /** Those of the parameters that are moved. */
  readonly trained: readonly Parameter[];
  readonly batches: BatchStream;
  /** Parts that a batch is cut into, run one after the other: memory falls, gradients are the same. Default 1. */
  readonly parts?: number | undefined;
  /** Ranks that share each batch out, each its part, which is cut further into `parts`. */
  readonly shared?: Shared | undefined;
  /** Learning rate of a step, counted from 0. */
  readonly rate: (step: number) => number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** A step that others use too; left out, one is compiled for this update. */
  readonly openStep?: OpenStep | undefined;
  /** What the method does to its tensors after a step. */
  readonly control?: StepControl | undefined;
}

/**
 * Moves parameters in place: the gradient of a batch (by parts, if it is cut), global-norm clipping, AdamW at the rate of
 * the step, and then what the method does to its tensors, also where the step was left out.
 */
export function weightUpdate(model: Model, options: WeightUpdateOptions): Update {
  const {
    trained,
    batches,
    parts: own = 1,
    shared,
    rate,
    weightDecay,
    maxGradNorm,
    control,
    openStep,
    ...graph
  } = options;
  // A step that others use, too, takes batches whole: of a loss that cannot be cut, on one rank.
  const isCut = openStep === undefined || graph.objective.parts !== 'never';
  const parts = isCut ? partsOf(shared, own) : own;
  const optimizer = adamW(trained, { weightDecay });
  const indices = new Map(trained.map(({ name }, i) => [name, i]));
  const memory = together({ parameters: valuesState(trained), optimizer, control });
  return {
    ...memory,
    name: 'weights',
    async open() {
      const { largest } = batches;
      // A loss in which all rows stand is that of the whole batch, however few rows run at a time.
      const isWhole = parts > 1 && graph.objective.parts === 'never';
      const texts = largest.batch / largest.examples;
      const rows = isWhole ? Math.ceil(largest.batch / parts) : Math.ceil(largest.examples / parts) * texts;
      const largestBatch = { ...largest, batch: rows };
      const open =
        openStep ??
        ((wrt) =>
          isWhole
            ? openCachedGradient(model, { ...graph, wrt, largestBatch, rows, shared })
            : openGradientStep(model, { ...graph, packed: texts > 1, wrt, largestBatch }));
      const gradientStep = await open(trained);
      const accumulated = accumulator(gradientStep, graph.objective.weight, isWhole ? undefined : shared);
      return {
        async run(step) {
          const cut = isWhole ? [batches.at(step)] : batches.partsAt(step, parts);
          const loss = await accumulated.run(cut, step * parts);
          const { gradients } = accumulated;
          const { norm, factor } = clipGlobalNorm(loss === undefined ? [] : gradients, maxGradNorm);
          const outcome: Outcome =
            loss === undefined ? { kind: 'unlabelled', batches: cut } : outcomeOf(cut, loss, norm);
          const isDone = outcome.kind === 'done';
          if (isDone) optimizer.step(gradients, rate(step), factor);
          control?.afterStep(
            step + 1,
            (name) => trained[indices.get(name)!]!.values,
            isDone ? (name) => gradients[indices.get(name)!]!.map((value) => value * factor) : undefined,
          );
          return outcome;
        },
        release: () => gradientStep.release(),
      };
    },
  };
}
