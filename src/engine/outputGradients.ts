import type { AdapterPlan } from '../adapters/plan.js';
import { grad, input, ops } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { openSession, type Value } from '../runtime/session.js';
import type { EncodedExample } from './batch.js';
import { collate } from './batching.js';
import { batchFeeds, modelLogits } from './modelGraph.js';
import { type Parameter, parameterFeeds, parameterInputs } from './parameters.js';

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
  const { plan, parameters, wrt, threads } = options;
  const inputs = parameterInputs(parameters);
  const logits = modelLogits(model, { plan, parameters: inputs });
  const direction = input('direction', 'float32', [model.numLabels]);
  const output = ops.sum(ops.mul(logits, direction), { axes: [0, 1], keepDims: false });
  const slopes = grad(
    output,
    wrt.map(({ name }) => inputs.get(name)!),
  );
  const nameOf = ({ name }: Parameter) => `gradient of ${name}`;
  const session = await openSession(Object.fromEntries(wrt.map((one, i) => [nameOf(one), slopes[i]!])), { threads });
  const fixed = parameterFeeds(parameters);
  const into: Record<string, Value> = Object.fromEntries(
    wrt.map((one) => [nameOf(one), { data: new Float32Array(one.values.length), shape: one.shape }]),
  );
  return {
    gradients: wrt.map((one) => into[nameOf(one)]!.data as Float32Array),
    async run(example, along) {
      const batch = batchFeeds(collate([example], model.padTokenId), false);
      await session.run({ ...fixed, ...batch, direction: { data: along, shape: [along.length] } }, into);
    },
    release: () => session.release(),
  };
}
