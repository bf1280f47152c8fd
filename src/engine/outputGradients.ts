import type { AdapterPlan } from '../adapters/plan.js';
import { input, ops } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { zerosLike } from '../runtime/deviceTensor.js';
import type { EncodedExample } from './batch.js';
import { collate } from './batching.js';
import { gradientName, namedGradients } from './gradientStep.js';
import { batchFeeds } from './modelGraph.js';
import type { Parameter } from './parameters.js';
import { openProgram } from './program.js';

/** Gradients of a linear combination of a model's outputs, one example at a time. For SEQ_CLS heads. */
export interface OutputGradients {
  /** ∂ ⟨direction, logits⟩ / ∂w of each w of `wrt`; overwritten by the next run. */
  readonly gradients: readonly Float32Array[];
  run(example: EncodedExample, direction: Float32Array): Promise<void>;
  release(): Promise<void>;
}

export async function openOutputGradients(
  model: Model,
  options: {
    readonly plan: AdapterPlan;
    readonly parameters: readonly Parameter[];
    readonly wrt: readonly Parameter[];
    readonly threads: number;
  },
): Promise<OutputGradients> {
  const { wrt } = options;
  const program = await openProgram(model, {
    ...options,
    outputs({ inputs, logits }) {
      const direction = input('direction', 'float32', [model.numLabels]);
      const output = ops.sum(ops.mul(logits(), direction), { axes: [0, 1], keepDims: false });
      return namedGradients(output, wrt, inputs);
    },
  });
  const gradients = wrt.map(({ tensor }) => zerosLike(tensor));
  const into = Object.fromEntries(wrt.map((one, i) => [gradientName(one), gradients[i]!]));
  return {
    gradients: gradients.map((one) => one.host()),
    async run(example, along) {
      const batch = batchFeeds(collate([example], model.padTokenId), false);
      await program.run({ ...batch, direction: { data: along, shape: [along.length] } }, into);
    },
    release: () => program.release(),
  };
}
