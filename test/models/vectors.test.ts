import { describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { batchFeeds } from '../../src/engine/modelGraph.js';
import { openProgram } from '../../src/engine/program.js';
import { grad, input, ops } from '../../src/graph/index.js';
import { openPredictor } from '../../src/infer/predictLogits.js';
import { type Pooling, poolings, textVectors } from '../../src/models/pooling.js';
import { headsOf, openModel } from '../../src/models/registry.js';
import { openSession } from '../../src/runtime/session.js';
import { expectClose, oraclePath } from '../fixtures.js';

const families = ['bert', 'roberta', 'xlm-roberta', 'distilbert', 'deberta-v3', 'llama', 'qwen2', 'gpt2'];

const texts = [5, 9].map((length, index): EncodedExample => {
  const inputIds = Int32Array.from({ length }, (_, i) => 3 + ((7 * i + index) % 20));
  return { inputIds, tokenTypeIds: new Int32Array(length), label: undefined, index };
});

/** Of the states of a text [tokens, width]. */
function pooledOf(states: Float32Array, tokens: number, width: number, pooling: Pooling): number[] {
  const at = (token: number) => Array.from(states.subarray(token * width, (token + 1) * width));
  if (pooling === 'cls') return at(0);
  if (pooling === 'lasttoken') return at(tokens - 1);
  const all = Array.from({ length: tokens }, (_, token) => at(token));
  return all[0]!.map((_, i) => all.reduce((sum, one) => sum + one[i]! / tokens, 0));
}

describe.each(families)('vectors of %s', (family) => {
  it('are among what its checkpoints give', async () => {
    expect(headsOf(await openCheckpoint(oraclePath('families', family))).at(-1)).toBe('FEATURE_EXTRACTION');
  });

  it('are made of its states, padding left out, by every pooling', async () => {
    const checkpoint = await openCheckpoint(oraclePath('families', family));
    for (const pooling of poolings) {
      const vectors = openModel(checkpoint, {
        taskType: 'FEATURE_EXTRACTION',
        numLabels: 0,
        vectors: { pooling, normalize: pooling === 'cls' },
      });
      expect(vectors).toMatchObject({ head: [], headModules: [], outputsOf: 'vector' });
      const states = await openProgram(vectors, {
        plan: noAdapters,
        parameters: [],
        threads: 1,
        outputs: (graph) => ({ states: graph.states().states }),
      });
      const predictor = await openPredictor(vectors, noAdapters, [], { threads: 1 });
      const found = await predictor.each(texts, {});
      for (const [i, text] of texts.entries()) {
        const alone = (await states.run(batchFeeds(collate([text], vectors.padTokenId), false))).states.data;
        const pooled = pooledOf(alone, text.inputIds.length, vectors.numLabels, pooling);
        const norm = pooling === 'cls' ? Math.hypot(...pooled) : 1;
        const expected = pooled.map((one) => one / norm);
        expectClose(`${pooling} ${i}`, found[i]!, expected, { relative: 1e-4, floor: 1e-5 });
      }
      await states.release();
      await predictor.release();
    }
  });

  it('come from modules that are named as in AutoModel', async () => {
    const checkpoint = await openCheckpoint(oraclePath('families', family));
    const [head, vectors] = (['TOKEN_CLS', 'FEATURE_EXTRACTION'] as const).map((taskType) =>
      openModel(checkpoint, { taskType, numLabels: 2 }),
    );
    const [path, bare] = [head!.adaptable[0]!.path, vectors!.adaptable[0]!.path];
    expect(path.endsWith(`.${bare}`)).toBe(true);
    expect(path.slice(0, -bare.length)).toMatch(/^\w+\.$/);
    expect([...vectors!.backbone.keys()].every((name) => !name.startsWith(path.slice(0, -bare.length)))).toBe(true);
    expect(vectors!.architecture).toMatch(/Model$/);
    expect(vectors!.modules).toEqual(head!.modules);
  });
});

it('a pooler that was pretrained is kept for whoever opens a merged model, and no vector is made with it', async () => {
  const vectors = openModel(await openCheckpoint(oraclePath('families', 'bert')), {
    taskType: 'FEATURE_EXTRACTION',
    numLabels: 0,
  });
  expect([...vectors.unread.keys()]).toEqual(['pooler.dense.weight', 'pooler.dense.bias']);
});

it.each(poolings)('the slope of %s is that of central differences', async (pooling) => {
  const [batch, seq, width] = [2, 3, 4];
  const states = input('states', 'float32', ['batch', 'seq', width]);
  const mask = input('mask', 'int64', ['batch', 'seq']);
  const direction = input('direction', 'float32', ['batch', width]);
  const vectors = textVectors(ops.reshape(states, ['batch*seq', width]), mask, { pooling, normalize: true });
  const along = ops.sum(ops.mul(vectors, direction), { axes: [0, 1], keepDims: false });
  const session = await openSession({ along, slope: grad(along, [states])[0]! }, { threads: 1 });
  const given = Float32Array.from({ length: batch * seq * width }, (_, i) => Math.sin(1 + i));
  const run = (values: Float32Array) =>
    session.run({
      states: { data: values, shape: [batch, seq, width] },
      mask: { data: BigInt64Array.of(1n, 1n, 1n, 1n, 1n, 0n), shape: [batch, seq] },
      direction: { data: Float32Array.from({ length: batch * width }, (_, i) => Math.cos(i)), shape: [batch, width] },
    });
  const slope = Array.from((await run(given)).slope!.data, Number);
  const step = 4e-3;
  for (const i of slope.keys()) {
    const [up, down] = [1, -1].map((sign) => given.map((value, k) => (k === i ? value + sign * step : value)));
    const difference = Number((await run(up!)).along!.data[0]) - Number((await run(down!)).along!.data[0]);
    expect(slope[i]).toBeCloseTo(difference / (2 * step), 3);
  }
  await session.release();
});
