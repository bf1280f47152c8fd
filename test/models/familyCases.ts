import { readdirSync } from 'node:fs';
import type { Batch } from '../../src/engine/batch.js';
import type { HeadPart, TaskType } from '../../src/models/model.js';
import type { ObjectiveName } from '../objectives.js';
import { type Oracle, oraclePath, readOracle, type TensorKeys } from '../oracleFiles.js';

/** One batch of test/oracle/families.py. */
export interface FamilyBatch {
  readonly name: string;
  readonly inputIds: string;
  readonly attentionMask: string;
  readonly tokenTypeIds: string;
  readonly labels: string;
  readonly rows?: string;
  readonly targetIds?: string;
  readonly baseLogits: string;
  readonly logits: string;
  readonly loss: number;
  readonly gradients: TensorKeys;
}

/** A head of a case, with what it learns. */
export interface FamilyTask {
  readonly taskType: TaskType;
  readonly kind: ObjectiveName;
  readonly numLabels: number;
  readonly architecture: string;
  /** What of the head is trained, where that is not the usual part. */
  readonly headPart?: HeadPart;
  readonly head: TensorKeys;
  readonly batches: readonly FamilyBatch[];
}

/** A checkpoint of a family, with an adapter. */
export interface FamilyCase {
  readonly modelType: string;
  readonly lora: { readonly rank: number; readonly alpha: number };
  readonly maxLength: number;
  readonly adapter: TensorKeys;
  readonly tasks: readonly FamilyTask[];
}

/** Every case of test/oracle/families.py, in the order of their names. */
export function familyCases(): Promise<{ readonly name: string; readonly oracle: Oracle<FamilyCase> }[]> {
  const names = readdirSync(oraclePath('families'))
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
  return Promise.all(names.map(async (name) => ({ name, oracle: await readOracle<FamilyCase>(`families/${name}`) })));
}

/** A batch of a case. */
export function batchOf(oracle: Oracle<unknown>, keys: FamilyBatch): Batch {
  const ids = oracle.at(keys.inputIds);
  const labels = oracle.at(keys.labels);
  const [batchSize, sequenceLength] = ids.shape as [number, number];
  const integers = (key: string) => oracle.at(key).data as BigInt64Array;
  return {
    batchSize,
    sequenceLength,
    inputIds: integers(keys.inputIds),
    attentionMask: integers(keys.attentionMask),
    tokenTypeIds: integers(keys.tokenTypeIds),
    labels: keys.rows === undefined ? labels : { ...labels, rows: integers(keys.rows) },
    ...(keys.targetIds === undefined ? {} : { targetIds: integers(keys.targetIds) }),
    indices: Array.from({ length: batchSize }, (_, row) => row),
  };
}
