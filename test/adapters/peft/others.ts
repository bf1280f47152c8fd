import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headPartOf, openAdapter, placeAdapter } from '../../../src/artifacts/adapterFolder.js';
import { openCheckpoint } from '../../../src/checkpoint/open.js';
import { batchFeeds, modelLogits } from '../../../src/engine/modelGraph.js';
import { parameterFeeds, parameterInputs } from '../../../src/engine/parameters.js';
import { DiffoError } from '../../../src/errors.js';
import type { TaskType } from '../../../src/models/model.js';
import { openModel } from '../../../src/models/registry.js';
import { openSession } from '../../../src/runtime/session.js';
import { outputsOf } from '../../../src/tasks/splits.js';
import { oraclePath } from '../../fixtures.js';

/** One adapter of test/oracle/peft_adapters.py. */
export interface OtherAdapter {
  readonly name: string;
  /** A checkpoint of test/fixtures/oracle/families. */
  readonly base: string;
  readonly taskType: TaskType;
  readonly peftType: string;
  readonly form: string;
  /** Fields that were drawn. */
  readonly fields: readonly string[];
  readonly inputIds: readonly (readonly number[])[];
  /** Of sequences [batch, labels], of a causal model those of the last token [batch, vocabulary]. */
  readonly shape: readonly number[];
  readonly logits: readonly number[];
}

/** What became of an adapter: read with these logits, or refused with this sentence. */
export type Outcome =
  | { readonly kind: 'read'; readonly logits: Float32Array }
  | { readonly kind: 'refused'; readonly message: string };

export async function readOthers(folder: string): Promise<OtherAdapter[]> {
  return JSON.parse(await readFile(join(folder, 'cases.json'), 'utf8'));
}

/** Opens an adapter on its base, as `predict` does, and runs it. Anything but a DiffoError is thrown. */
export async function outcomeOf(one: OtherAdapter, folder: string): Promise<Outcome> {
  try {
    return { kind: 'read', logits: await logitsOf(one, folder) };
  } catch (error) {
    if (!(error instanceof DiffoError)) throw error;
    return { kind: 'refused', message: error.message };
  }
}

async function logitsOf({ base, taskType, inputIds }: OtherAdapter, folder: string): Promise<Float32Array> {
  const loaded = await openAdapter(folder, { taskType, baseModel: base });
  const checkpoint = await openCheckpoint(oraclePath(`families/${base}`));
  const model = openModel(checkpoint, {
    taskType: loaded.taskType,
    numLabels: outputsOf(loaded.task),
    head: headPartOf(loaded),
  });
  const { plan, parameters } = placeAdapter(loaded, model);
  const logits = modelLogits(model, { plan, parameters: parameterInputs(parameters) });
  const session = await openSession({ logits }, { threads: 1 });
  try {
    const [batchSize, sequenceLength] = [inputIds.length, inputIds[0]!.length];
    const ids = BigInt64Array.from(inputIds.flat(), BigInt);
    const batch = {
      batchSize,
      sequenceLength,
      inputIds: ids,
      attentionMask: ids.map(() => 1n),
      tokenTypeIds: ids.map(() => 0n),
      labels: undefined,
      indices: inputIds.map((_, i) => i),
    };
    const all = await session.run({ ...parameterFeeds(parameters), ...batchFeeds(batch, false) });
    const values = all.logits!.data as Float32Array;
    if (model.outputsOf === 'sequence') return values;
    const width = model.numLabels;
    const last = inputIds.map((_, row) => (row + 1) * sequenceLength - 1);
    return Float32Array.from(last.flatMap((row) => [...values.subarray(row * width, (row + 1) * width)]));
  } finally {
    await session.release();
  }
}

/** Largest difference of logits, over 1 and the largest of them. */
export function distance(got: Float32Array, { logits, shape }: OtherAdapter): number {
  if (got.length !== shape.reduce((product, size) => product * size, 1)) return Number.POSITIVE_INFINITY;
  const scale = Math.max(1, ...logits.map(Math.abs));
  return Math.max(...logits.map((value, i) => Math.abs(value - got[i]!))) / scale;
}
