import { addLowRank, loraA, loraB } from '../adapters/lora.js';
import type { AdapterPlan } from '../adapters/plan.js';
import type { Batch } from '../data/types.js';
import { type DType, input, ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { storedWeight } from '../models/weights.js';
import type { Value } from '../runtime/session.js';

export type TaskKind = 'classification' | 'regression';

export interface ModelGraphOptions {
  readonly plan: AdapterPlan;
  /** Graph inputs of every trainable tensor, by name; head tensors under their own names. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** γ of a module: a scalar tensor, while the DAM is relaxed. */
  readonly gate?: (module: AdaptableModule) => Tensor;
  /** Masks at a dropout site; left out, dropout is off. */
  readonly dropout?: (x: Tensor, rate: number) => Tensor;
}

/** Builds the model with its adapters: logits [batch, numLabels] from the batch inputs. */
export function modelLogits(model: Model, options: ModelGraphOptions): Tensor {
  const { plan, parameters, gate } = options;
  const placements = new Map(plan.placements.map((placement) => [placement.module.path, placement]));
  const weights = new Map<string, Tensor>();
  return model.logits(batchInputs(), {
    weight(name) {
      const trained = parameters.get(name);
      if (trained !== undefined) return trained;
      let weight = weights.get(name);
      if (weight === undefined) {
        const tensor = model.checkpoint.tensors.get(model.backbone.get(name) ?? name);
        if (tensor === undefined) throw new Error(`the model asks for "${name}", which its checkpoint does not have`);
        weight = storedWeight(tensor);
        weights.set(name, weight);
      }
      return weight;
    },
    adapt(path, x, y) {
      const placement = placements.get(path);
      if (placement === undefined) return y;
      const a = parameters.get(loraA(placement.pair))!;
      const b = parameters.get(loraB(placement.pair))!;
      return addLowRank({ x, y, a, b, scaling: plan.alpha / plan.rank, gate: gate?.(placement.module) });
    },
    dropout: options.dropout ?? ((x) => x),
  });
}

/** Mean loss of a batch, a scalar: cross-entropy of class labels, or squared error of scores. */
export function taskLoss(logits: Tensor, kind: TaskKind): Tensor {
  if (kind === 'classification') {
    const perExample = ops.crossEntropy(logits, input('labels', 'int64', ['batch']));
    return ops.mean(perExample, { axes: [0], keepDims: false });
  }
  const scores = input('labels', 'float32', ['batch']);
  const error = ops.sub(ops.reshape(logits, ['batch']), scores);
  return ops.mean(ops.mul(error, error), { axes: [0], keepDims: false });
}

function batchInputs() {
  const tokens = (name: string, dtype: DType = 'int64') => input(name, dtype, ['batch', 'seq']);
  return {
    inputIds: tokens('input_ids'),
    attentionMask: tokens('attention_mask'),
    tokenTypeIds: tokens('token_type_ids'),
  };
}

/** Feeds of a batch; labels only where the batch has them and they are asked for. */
export function batchFeeds(batch: Batch, withLabels: boolean): Record<string, Value> {
  const shape = [batch.batchSize, batch.sequenceLength];
  const feeds: Record<string, Value> = {
    input_ids: { data: batch.inputIds, shape },
    attention_mask: { data: batch.attentionMask, shape },
    token_type_ids: { data: batch.tokenTypeIds, shape },
  };
  const labels = batch.classLabels ?? batch.scores;
  if (withLabels && labels !== undefined) feeds.labels = { data: labels, shape: [batch.batchSize] };
  return feeds;
}
