import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import type { StoredTensor } from '../../src/checkpoint/types.js';
import { collate } from '../../src/engine/batching.js';
import { gradientGraph, openGradientStep } from '../../src/engine/gradientStep.js';
import { batchFeeds } from '../../src/engine/modelGraph.js';
import { adapterParameters, headParameters, parameterFeeds } from '../../src/engine/parameters.js';
import { wideWeights } from '../../src/engine/wideWeights.js';
import { liftWidened } from '../../src/graph/passes/liftWidened.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { webgpu } from '../../src/runtime/devices/webgpu.js';
import { openSession } from '../../src/runtime/session.js';
import { oraclePath } from '../fixtures.js';
import { planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { hasWebgpu } from '../webgpu.js';

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-wide-')));
});
afterAll(() => rm(folder, { recursive: true }));

/** A fixture's model with its weights cut to bfloat16: the upper halves of their float32. */
async function halved(family: string): Promise<Model> {
  const checkpoint = await openCheckpoint(oraclePath('families', family));
  const file = join(folder, `${family}.bin`);
  const parts: Uint8Array[] = [];
  const tensors = new Map<string, StoredTensor>();
  let offset = 0;
  for (const [name, tensor] of checkpoint.tensors) {
    const bits = new Uint32Array((await readTensor(tensor)).buffer);
    const bytes = new Uint8Array(Uint16Array.from(bits, (one) => one >>> 16).buffer);
    parts.push(bytes);
    tensors.set(name, { ...tensor, dtype: 'BF16', file, offset, length: bytes.byteLength });
    offset += bytes.byteLength;
  }
  await writeFile(file, Buffer.concat(parts));
  return openModel({ ...checkpoint, tensors }, { numLabels: 3 });
}

async function stepOf(model: Model) {
  const plan = planOf(model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  const largestBatch = { batch: 1, seq: 5 };
  return { objective: objectives.classification, plan, parameters, wrt: parameters, threads: 1, largestBatch };
}

// DeBERTa computes its positions from weights alone, once, when the session opens: those weights stay in the graph.
it.each(['bert', 'llama', 'deberta-v3'])(
  'a step of %s is to the bit what ONNX Runtime widens itself',
  async (family) => {
    const model = await halved(family);
    const options = await stepOf(model);
    const inputIds = Int32Array.of(2, 7, 9, 11, 3);
    const example = { inputIds, tokenTypeIds: new Int32Array(5), label: 1, index: 0 };
    const batch = collate([example], model.padTokenId, options.objective);

    const { outputs } = gradientGraph(model, options);
    expect(liftWidened(Object.values(outputs)).widened.size).toBeGreaterThan(10);
    const session = await openSession(outputs, { threads: 1 });
    const expected = await session.run({ ...parameterFeeds(options.parameters), ...batchFeeds(batch, true) });
    await session.release();

    const step = await openGradientStep(model, options);
    expect(await step.run(batch, 0)).toBe(expected.loss!.data[0]);
    const gradients = options.wrt.map(({ name }) => expected[`gradient of ${name}`]!.data);
    expect(step.gradients).toEqual(gradients);
    await step.release();
  },
);

it('programs over a checkpoint share one wide copy of each weight', async () => {
  const model = await halved('bert');
  const { widened } = liftWidened(Object.values(gradientGraph(model, await stepOf(model)).outputs));
  const [one, other] = [await wideWeights(model.checkpoint, widened), await wideWeights(model.checkpoint, widened)];
  expect(Object.keys(one)).toEqual([...widened.keys()]);
  for (const [name, weight] of Object.entries(one)) expect(other[name], name).toBe(weight);
});

it.skipIf(!hasWebgpu)(
  'a step on WebGPU, where wide weights and the pools of dropout are copied once, is that of the CPU',
  async () => {
    const model = await halved('bert');
    const options = { ...(await stepOf(model)), dropoutSeed: 1 };
    const inputIds = Int32Array.of(2, 7, 9, 11, 3);
    const batch = collate([{ inputIds, tokenTypeIds: new Int32Array(5), label: 1, index: 0 }], 0, options.objective);
    const [expected, found] = [
      await openGradientStep(model, options),
      await openGradientStep({ ...model, device: webgpu }, options),
    ];
    for (const at of [0, 1]) {
      expect(await found.run(batch, at)).toBeCloseTo(await expected.run(batch, at), 5);
      for (const [i, gradient] of expected.gradients.entries()) {
        const scale = Math.max(1e-3, ...gradient.map(Math.abs));
        const largest = Math.max(...gradient.map((value, k) => Math.abs(value - found.gradients[i]![k]!)));
        expect(largest / scale, options.wrt[i]!.name).toBeLessThan(1e-4);
      }
    }
    await Promise.all([expected.release(), found.release()]);
  },
);
