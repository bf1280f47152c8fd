import { noAdapters } from '../../adapters/plan.js';
import { buildHooks } from '../../engine/modelGraph.js';
import { type Dim, input, ops, type Tensor } from '../../graph/index.js';
import { standardGraph } from '../../graph/onnx/emit.js';
import type { OnnxModel } from '../../graph/onnx/encode.js';
import type { BatchInputs, BuildHooks, CachedDecoder } from '../../models/model.js';
import { type ExportSource, foldedSource } from '../source.js';

/** A weight of a file, by the name that transformers gives it. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  /** Float32 values, the adapter folded in. */
  read(): Promise<Float32Array>;
}

/** An inference graph whose weights are still to be given a type. */
export interface WeightlessGraph extends OnnxModel {
  readonly weights: readonly Weight[];
}

/** Sizes as transformers.js resolves them: an empty cache has `batch_size` rows and any other size 0. */
const [batch, seq, past, total] = ['batch_size', 'sequence_length', 'past_sequence_length', 'total_sequence_length'];

/** The graph of a model as transformers.js and optimum name its inputs and outputs. */
export function inferenceGraph(source: ExportSource): WeightlessGraph {
  const { opened, plan, parameters } = source;
  const { model } = opened;
  const bottleneck = plan.endSubLayer !== undefined;
  const folded = foldedSource(source);
  const shapes = new Map([...folded.shapes, ...parameters.map(({ name, shape }) => [name, shape] as const)]);
  const weights = new Map([...shapes].map(([name, shape]) => [name, input(name, 'float32', shape)]));
  const hooks = buildHooks(model, { plan: bottleneck ? plan : noAdapters, parameters: weights });
  const outputs = outputsOf(source, hooks);
  const emitted = standardGraph(outputs);
  const used = emitted.inputs.filter(({ name }) => shapes.has(name));
  return {
    ...emitted,
    inputs: emitted.inputs.filter(({ name }) => !shapes.has(name)),
    weights: used.map(({ name }) => ({ name, shape: shapes.get(name)!, read: () => folded.read(name) })),
  };
}

function outputsOf({ opened: { model }, outputs }: ExportSource, hooks: BuildHooks): Record<string, Tensor> {
  if (outputs === 'states') {
    const states = model.states(encoderInputs(model.checkpoint.config), hooks);
    return { last_hidden_state: perToken(states) };
  }
  if (model.cached !== undefined) return cachedOutputs(model.cached, hooks);
  const logits = model.logits(encoderInputs(model.checkpoint.config), hooks);
  if (model.outputsOf === 'sequence') return { logits };
  if (model.taskType !== 'QUESTION_ANS') return { logits: perToken(logits) };
  const side = (start: number) => ops.reshape(ops.slice(logits, { axis: 1, start, length: 1 }), [batch!, seq!]);
  return { start_logits: side(0), end_logits: side(1) };
}

/** [batch*seq, width] → [batch, seq, width] */
function perToken(x: Tensor): Tensor {
  return ops.reshape(x, [batch!, seq!, x.shape[1]!]);
}

function encoderInputs({ type_vocab_size: types }: Readonly<Record<string, unknown>>): BatchInputs {
  const tokens = (name: string) => input(name, 'int64', [batch!, seq!]);
  const inputIds = tokens('input_ids');
  // With one type of tokens there is nothing to be told: an input that clients need not know.
  const onlyType = () => ops.cast(ops.scale(ops.cast(inputIds, 'float32'), 0), 'int64');
  return {
    inputIds,
    attentionMask: tokens('attention_mask'),
    tokenTypeIds: types === 1 ? onlyType() : tokens('token_type_ids'),
  };
}

function cachedOutputs({ layers, heads, headSize, next }: CachedDecoder, hooks: BuildHooks): Record<string, Tensor> {
  const cache = (name: string) => input(name, 'float32', [batch!, heads, past!, headSize]);
  const before = Array.from({ length: layers }, (_, layer) => ({
    key: cache(`past_key_values.${layer}.key`),
    value: cache(`past_key_values.${layer}.value`),
  }));
  const { logits, present } = next(
    {
      inputIds: input('input_ids', 'int64', [batch!, seq!]),
      positions: input('position_ids', 'int64', [batch!, seq!]),
      keyPositions: ops.range(total as Dim),
      past: before,
      padding: {
        places: ops.add(ops.cast(ops.range(seq as Dim), 'float32'), ops.size(past as Dim)),
        attentionMask: input('attention_mask', 'int64', [batch!, total!]),
      },
      logitsOf: 'all',
    },
    hooks,
  );
  const caches = present.flatMap(({ key, value }, layer) => [
    [`present.${layer}.key`, key] as const,
    [`present.${layer}.value`, value] as const,
  ]);
  return { logits: perToken(logits), ...Object.fromEntries(caches) };
}
