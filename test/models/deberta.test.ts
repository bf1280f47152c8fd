import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { elementCount } from '../../src/checkpoint/dtype.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { modelLogits } from '../../src/engine/modelGraph.js';
import { parameter, parameterInputs } from '../../src/engine/parameters.js';
import { nodesInOrder } from '../../src/graph/tensor.js';
import { relativeRow } from '../../src/models/debertaPositions.js';
import { openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

const rows = JSON.parse(await readFile(oraclePath('deberta-rows.json'), 'utf8')) as Record<string, number[]>;

describe('rows of the relative embeddings', () => {
  it.each(Object.entries(rows))("are transformers' for every distance: %s buckets/positions", (name, expected) => {
    const [buckets, maxDistance] = name.split('/').map(Number) as [number, number];
    const settings = { buckets, maxDistance, maxLength: maxDistance };
    const found = expected.map((_, i) => relativeRow(i - maxDistance + 1, settings));
    expect(found).toEqual(expected);
  });

  it('are the distances themselves, held to the span, where there are no buckets', () => {
    const settings = { buckets: -1, maxDistance: 4, maxLength: 20 };
    expect([-9, -4, -1, 0, 3, 9].map((distance) => relativeRow(distance, settings))).toEqual([0, 0, 3, 4, 7, 7]);
  });
});

describe('the graph of disentangled attention', () => {
  it('gathers rows of embeddings alone, never scores', async () => {
    const model = openModel(await openCheckpoint(oraclePath('families/deberta-v3')), { numLabels: 2 });
    const head = model.head.map(({ name, shape }) => parameter(name, shape, new Float32Array(elementCount(shape))));
    const parameters = parameterInputs(head);
    const logits = modelLogits(model, { plan: noAdapters, parameters });
    const gathered = nodesInOrder([logits]).filter(({ primitive }) => primitive === 'gather');
    expect(gathered.length).toBeGreaterThan(0);
    expect(gathered.every(({ outputs }) => outputs[0]!.shape.length <= 3)).toBe(true);
  });
});
