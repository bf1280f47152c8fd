import type { StepControl } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import { openTogether, releaseAll } from '../runtime/release.js';
import { together } from '../state.js';
import { accumulator, partsOf, type Shared } from './accumulate.js';
import { adamW, clipGlobalNorm } from './adamw.js';
import type { BatchStream } from './batchStream.js';
import { openCachedGradient } from './cachedGradient.js';
import { type GradientStepOptions, openGradientStep } from './gradientStep.js';
import { type Outcome, outcomeOf, type Update } from './loop.js';
import { type Parameter, valuesState } from './parameters.js';
import { deviceOf } from './program.js';
import { openResidentWeights } from './residentWeights.js';
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
  /** Numbers from which on a tensor stays on a device that keeps results, with its moments; default 131,072. */
  readonly residentFrom?: number | undefined;
  /** Is told where tensors of that size do not stay there. */
  readonly warn?: ((message: string) => void) | undefined;
  /** What the method does to its tensors after a step. */
  readonly control?: StepControl | undefined;
}

/** Below, some fifteen kernels of a GPU take longer than two copies and the processor. */
const usuallyResidentFrom = 2 ** 17;

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
    residentFrom = usuallyResidentFrom,
    warn,
    ...graph
  } = options;
  // A step that others use, too, takes batches whole: of a loss that cannot be cut, on one rank.
  const isCut = openStep === undefined || graph.objective.parts !== 'never';
  const parts = isCut ? partsOf(shared, own) : own;
  const optimizer = adamW(trained, { weightDecay });
  const indices = new Map(trained.map(({ name }, i) => [name, i]));
  // Where all of the gradient is of one run of one graph, and AdamW is all that moves them.
  const device = deviceOf(model).keepsResults === true ? deviceOf(model) : undefined;
  const large =
    device === undefined
      ? []
      : trained.flatMap((one, index) => (one.values.length >= residentFrom ? [{ parameter: one, index }] : []));
  const obstacle =
    parts > 1 || shared !== undefined
      ? 'a batch is cut into parts'
      : control === undefined
        ? openStep && 'the gradient serves another update too'
        : 'the method changes its tensors after a step';
  const resident = obstacle === undefined ? large : [];
  const isResident = new Set(resident.map(({ parameter }) => parameter.name));
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
            : openGradientStep(model, { ...graph, packed: texts > 1, wrt, largestBatch, onDevice: isResident }));
      if (device !== undefined && large.length > resident.length && obstacle !== undefined)
        warn?.(`Gradients come back from ${device.name} in every step, and AdamW runs on the processor: ${obstacle}.`);
      const { gradientStep, weights } = await openTogether(async (keep) => ({
        gradientStep: await keep(open(trained)),
        weights:
          device === undefined || resident.length === 0
            ? undefined
            : await keep(openResidentWeights(device, resident, optimizer, graph.threads)),
      }));
      const { onDevice } = gradientStep;
      const places = trained.filter(({ name }) => !isResident.has(name)).map(({ name }) => indices.get(name)!);
      const byPlace = (own: readonly Float32Array[]) => {
        const all: (Float32Array | undefined)[] = trained.map(() => undefined);
        for (const [i, place] of places.entries()) all[place] = own[i];
        return all;
      };
      const accumulated = accumulator(gradientStep, graph.objective.weight, isWhole ? undefined : shared);
      return {
        async run(step) {
          const cut = isWhole ? [batches.at(step)] : batches.partsAt(step, parts);
          const loss = await accumulated.run(cut, step * parts, weights?.values());
          const { gradients } = accumulated;
          const elsewhere = onDevice?.squares.reduce((sum, one) => sum + one, 0);
          const { norm, factor } = clipGlobalNorm(loss === undefined ? [] : gradients, maxGradNorm, elsewhere);
          const outcome: Outcome =
            loss === undefined ? { kind: 'unlabelled', batches: cut } : outcomeOf(cut, loss, norm);
          const isDone = outcome.kind === 'done';
          if (isDone) optimizer.step(byPlace(gradients), rate(step), factor);
          if (onDevice !== undefined && loss !== undefined) {
            const staying = onDevice.gradients();
            if (isDone) await weights?.move(staying);
            else for (const gradient of staying.values()) gradient.dispose();
          }
          control?.afterStep(
            step + 1,
            (name) => trained[indices.get(name)!]!.values,
            isDone ? (name) => gradients[indices.get(name)!]!.map((value) => value * factor) : undefined,
          );
          return outcome;
        },
        settle: async () => weights?.settle(),
        release: () => releaseAll(weights === undefined ? [gradientStep] : [gradientStep, weights]),
      };
    },
  };
}
