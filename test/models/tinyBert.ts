import { loraPlan } from '../../src/adapters/methods/lora.js';
import type { AdapterPlan } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import type { Batch } from '../../src/engine/batch.js';
import { type Parameter, parameter } from '../../src/engine/parameters.js';
import type { AdaptableModule, Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { type Oracle, oraclePath } from '../fixtures.js';

export { parametersOf } from '../oracleFiles.js';

/** Rank and alpha of every fixture of the tiny BERT (test/oracle/tiny_bert.py). */
export const lora = { rank: 4, alpha: 8 };

/** Keys of a batch's tensors, as the fixtures spell them. */
export interface BatchKeys {
  readonly inputIds: string;
  readonly attentionMask: string;
  readonly tokenTypeIds: string;
  readonly labels: string;
}

export async function openTinyBert(numLabels = 3, folder = 'tiny-bert'): Promise<Model> {
  return openModel(await openCheckpoint(oraclePath(folder)), { numLabels });
}

/** LoRA on every linear module of the encoder, or on those that `keep` picks. */
export function planOf(model: Model, keep: (module: AdaptableModule) => boolean = () => true): AdapterPlan {
  return loraPlan(lora, { own: model.adaptable.filter(keep), shared: [] });
}

export function batchOf(oracle: Oracle<unknown>, keys: BatchKeys): Batch {
  const ids = oracle.at(keys.inputIds);
  const labels = oracle.at(keys.labels);
  const [batchSize, sequenceLength] = ids.shape as [number, number];
  return {
    batchSize,
    sequenceLength,
    inputIds: ids.data as BigInt64Array,
    attentionMask: oracle.at(keys.attentionMask).data as BigInt64Array,
    tokenTypeIds: oracle.at(keys.tokenTypeIds).data as BigInt64Array,
    labels,
    indices: Array.from({ length: batchSize }, (_, row) => row),
  };
}

/** The batch with `columns` more tokens of padding in every row. */
export function padFurther(batch: Batch, columns: number): Batch {
  const { batchSize, sequenceLength } = batch;
  const width = sequenceLength + columns;
  const widened = (values: BigInt64Array) => {
    const wide = new BigInt64Array(batchSize * width);
    for (let row = 0; row < batchSize; row++) {
      wide.set(values.subarray(row * sequenceLength, (row + 1) * sequenceLength), row * width);
    }
    return wide;
  };
  return {
    ...batch,
    sequenceLength: width,
    inputIds: widened(batch.inputIds),
    attentionMask: widened(batch.attentionMask),
    tokenTypeIds: widened(batch.tokenTypeIds),
  };
}

/** The classifier that tiny-bert was saved with. */
export async function savedClassifier(): Promise<Parameter[]> {
  const { tensors } = await openCheckpoint(oraclePath('tiny-bert'));
  const names = ['classifier.weight', 'classifier.bias'];
  return Promise.all(
    names.map(async (name) => parameter(name, tensors.get(name)!.shape, await readTensor(tensors.get(name)!))),
  );
}
