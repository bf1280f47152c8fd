import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { batchFeeds } from '../../src/engine/modelGraph.js';
import { openProgram } from '../../src/engine/program.js';
import type { Model, TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { labelNames } from '../../src/tasks/kinds/savedLabels.js';

/** Greatest difference of a logit from transformers', of 1 or of the logit where that is larger. */
export const oddTolerance = 1e-4;

/** A case of test/oracle/odd_checkpoints.py. */
export interface OddCase {
  readonly modelType: string;
  readonly taskType: TaskType;
  readonly seed: number;
  /** Keys of config.json that are not as usual. */
  readonly changed: readonly string[];
  /** How the tensors are named in the file, and which of two that are tied are there. */
  readonly form: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names in the file, with shapes. */
  readonly tensors: Readonly<Record<string, readonly number[]>>;
  /** Tensors that hold what another holds. */
  readonly like: Readonly<Record<string, string>>;
  readonly rows: readonly { readonly ids: readonly number[]; readonly types: readonly number[] }[];
  /** True where transformers answers differently in a batch. */
  readonly dependsOnBatch: boolean;
  /** What transformers gives for each row alone: [outputs], or [tokens, outputs], of a vocabulary the first 5. */
  readonly logits: readonly (readonly number[])[];
}

/** Writes the checkpoint of a case. @returns the folder */
export async function writeOddCheckpoint(folder: string, { config, tensors, like, seed }: OddCase): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const drawn = Object.entries(tensors).map(([name, shape]) => ({
    name,
    shape,
    data: values(like[name] ?? name, shape, seed),
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), drawn);
  return folder;
}

/** As `drawn` of odd_checkpoints.py: MurmurHash3's last step on name, seed and place. */
function values(name: string, shape: readonly number[], seed: number): Float32Array {
  const start = crc32(name) ^ seed;
  const isNorm = shape.length === 1 && (name.endsWith('weight') || name.endsWith('gamma'));
  return Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + start) | 0;
    x = Math.imul(x ^ (x >>> 16), 2246822507);
    x = Math.imul(x ^ (x >>> 13), 3266489909);
    const share = ((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5;
    if (isNorm) return 1 + share * 0.5;
    return share * (shape.length === 1 ? 0.5 : 1);
  });
}

/** The model of a case, with the head that it was saved with. */
export async function openOddCheckpoint(folder: string, { taskType }: OddCase): Promise<Model> {
  const checkpoint = await openCheckpoint(folder);
  return openModel(checkpoint, { taskType, numLabels: labelNames(checkpoint).length, head: 'none' });
}

/** All rows in one batch, and each alone: the greatest difference of their logits from transformers', which saw them alone. */
export async function differenceOf(model: Model, one: OddCase): Promise<number> {
  const examples = one.rows.map(({ ids, types }, index): EncodedExample => {
    return { inputIds: Int32Array.from(ids), tokenTypeIds: Int32Array.from(types), label: undefined, index };
  });
  const program = await openProgram(model, {
    plan: noAdapters,
    parameters: [],
    threads: 1,
    outputs: (graph) => ({ logits: graph.logits() }),
  });
  const perToken = model.outputsOf !== 'sequence';
  let worst = 0;
  for (const batch of [examples, ...examples.map((example) => [example])]) {
    const { logits } = await program.run(batchFeeds(collate(batch, model.padTokenId), false));
    const perRow = logits.data.length / batch.length;
    for (const [i, { index, inputIds }] of batch.entries()) {
      const row = logits.data.subarray(i * perRow, (i + 1) * perRow);
      const columns = Math.min(model.numLabels, one.taskType === 'CAUSAL_LM' ? 5 : Number.POSITIVE_INFINITY);
      const expected = one.logits[index]!;
      const length = columns * (perToken ? inputIds.length : 1);
      if (expected.length !== length) throw new Error(`row ${index} has ${expected.length} logits, not ${length}`);
      for (const [k, wanted] of expected.entries()) {
        const got = row[Math.floor(k / columns) * model.numLabels + (k % columns)]!;
        const difference = Math.abs(got - wanted) / Math.max(1, Math.abs(wanted));
        worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
      }
    }
  }
  await program.release();
  return worst;
}
