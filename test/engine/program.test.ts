import { describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { collate } from '../../src/engine/batching.js';
import { batchFeeds } from '../../src/engine/modelGraph.js';
import { adapterParameters, parameter } from '../../src/engine/parameters.js';
import { openProgram } from '../../src/engine/program.js';
import { input, ops } from '../../src/graph/index.js';
import { host } from '../../src/runtime/deviceTensor.js';
import { moduleGates } from '../../src/selection/moduleGates.js';
import { openUnrolledGradient } from '../../src/selection/unrolled.js';
import { countSessions } from '../library/sessions.js';
import { openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

const counts = countSessions();
const inputIds = Int32Array.of(2, 7, 9, 3);
const example = { inputIds, tokenTypeIds: new Int32Array(4), label: 1, index: 0 };

describe('a program', () => {
  it('reads its parameters where they lie, as they are when it runs', async () => {
    const model = await openTinyBert();
    const head = await savedClassifier();
    const program = await openProgram(model, {
      plan: noAdapters,
      parameters: head,
      threads: 1,
      outputs: ({ logits }) => ({ logits: logits() }),
    });
    const batch = batchFeeds(collate([example], model.padTokenId), false);
    const before = (await program.run(batch)).logits.data;
    for (let i = 0; i < 3; i++) head[1]!.values[i]! += i + 1;
    const after = (await program.run(batch)).logits.data;
    // The classifier's bias is added last.
    expect(after.map((value, i) => value - before[i]!).map(Math.round)).toEqual(Float32Array.of(1, 2, 3));
    await program.release();
  });

  it('writes an output into a tensor that it is given, and takes feeds of its own', async () => {
    const model = await openTinyBert();
    const program = await openProgram(model, {
      plan: noAdapters,
      parameters: await savedClassifier(),
      threads: 1,
      outputs: ({ logits }) => ({ scaled: ops.mul(logits(), input('factor', 'float32', [])) }),
    });
    const batch = batchFeeds(collate([example], model.padTokenId), false);
    const run = async (factor: number) => {
      const scaled = host.zeros([1, 3]);
      await program.run({ ...batch, factor: { data: Float32Array.of(factor), shape: [] } }, { scaled });
      return scaled.host();
    };
    const once = await run(1);
    expect(await run(2)).toEqual(once.map((value) => 2 * value));
    await program.release();
  });

  it('has outputs of float32 alone', async () => {
    const model = await openTinyBert();
    const outputs = () => ({ ids: ops.add(input('a', 'int64', [1]), input('b', 'int64', [1])) });
    await expect(openProgram(model, { plan: noAdapters, parameters: [], threads: 1, outputs })).rejects.toThrow(
      'the output "ids" of a program is int64, not float32',
    );
  });
});

it('a search of second order leaves no session open where one of its three cannot be opened', async () => {
  const model = await openTinyBert();
  const plan = planOf(model);
  const weights = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  const size = [model.layers, model.modules.length] as const;
  const gates = parameter('dam.gates', size, new Float32Array(size[0] * size[1]).fill(0.5));
  const before = counts.opened;
  let built = 0;
  const opening = openUnrolledGradient(model, {
    objective: {
      ...objectives.classification,
      loss(logits) {
        if (++built === 3) throw new Error('the third graph');
        return objectives.classification.loss(logits);
      },
    },
    plan,
    weights,
    gates,
    gateTensors: (inputs) => moduleGates(model, inputs.get(gates.name)!),
    threads: 1,
    largestBatch: { batch: 1, seq: 4 },
  });
  await expect(opening).rejects.toThrow('the third graph');
  expect([counts.opened - before, counts.open]).toEqual([2, 0]);
});
