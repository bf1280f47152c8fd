import { describe, expect, it } from 'vitest';
import { constant, grad, input, ops, stored, type Tensor } from '../../src/graph/index.js';
import { peakOfResults } from '../../src/graph/liveness.js';
import { commonSubexpressions } from '../../src/graph/passes/commonSubexpressions.js';
import { computeAgain } from '../../src/graph/passes/computeAgain.js';
import { foldTransposes } from '../../src/graph/passes/foldTransposes.js';
import { fuseGemm } from '../../src/graph/passes/fuseGemm.js';
import { fuseStatistics } from '../../src/graph/passes/fuseStatistics.js';
import { optimize } from '../../src/graph/passes/index.js';
import { liftWidened } from '../../src/graph/passes/liftWidened.js';
import { maskedSoftmax } from '../../src/graph/passes/maskedSoftmax.js';
import { packTokens } from '../../src/graph/passes/packTokens.js';
import { pushScales } from '../../src/graph/passes/pushScales.js';
import { recompute } from '../../src/graph/passes/recompute.js';
import { skipNorms } from '../../src/graph/passes/skipNorms.js';
import { type Node, nodeOf, nodesInOrder } from '../../src/graph/tensor.js';
import { type RandomStream, randomStream } from '../../src/random.js';
import type { Value } from '../../src/runtime/session.js';
import { expectClose } from '../fixtures.js';
import { evaluate, floats, int64s } from './evaluate.js';
import { nodeByNode } from './nodeByNode.js';

const matrix = (name: string, ...shape: (number | string)[]) => input(name, 'float32', shape);
const primitivesOf = (outputs: readonly Tensor[]) => nodesInOrder(outputs).map(({ primitive }) => primitive);
const count = (outputs: readonly Tensor[], primitive: string) =>
  primitivesOf(outputs).filter((one) => one === primitive).length;
const normals = (stream: RandomStream, shape: readonly number[]): Value =>
  floats(
    shape,
    Array.from({ length: shape.reduce((product, dim) => product * dim, 1) }, () => stream.normal()),
  );

/** Values of a pass's outputs are those of the graph it was given. */
async function expectSameValues(before: readonly Tensor[], after: readonly Tensor[], feeds: Record<string, Value>) {
  const expected = await nodeByNode(before, feeds);
  const got = await nodeByNode(after, feeds);
  for (const [i, value] of got.entries()) {
    expect(value.shape).toEqual(expected[i]!.shape);
    expectClose(`output ${i}`, value.data, expected[i]!.data, { relative: 1e-5, floor: 1e-5 });
  }
}

describe('fuseStatistics', () => {
  const x = matrix('x', 4, 6);
  const [scale, bias] = [matrix('scale', 6), matrix('bias', 6)];
  const total = (one: Tensor) => ops.sum(one, { axes: [0, 1], keepDims: false });

  it('writes the derivative of a layer norm with nine kernels in the place of twelve', async () => {
    const [y] = ops.layerNorm(x, scale, bias, 1e-5);
    const [dx] = grad(total(ops.mul(y!, y!)), [x]);
    const fused = fuseStatistics([dx!]);
    expect(nodesInOrder([dx!]).length - nodesInOrder(fused).length).toBe(3);
    expect([count(fused, 'reduceMean'), count(fused, 'layerNorm'), count(fused, 'sum')]).toEqual([2, 2, 0]);
    const stream = randomStream(1, 'statistics');
    const feeds = { x: normals(stream, [4, 6]), scale: normals(stream, [6]), bias: normals(stream, [6]) };
    await expectSameValues([dx!], fused, feeds);
  });

  it('leaves a sum whose factor is not one over its terms, or whose number of terms is not known', () => {
    const inner = ops.scale(ops.sum(x, { axes: [1], keepDims: true }), 1 / 5);
    const outer = ops.scale(ops.sum(matrix('rows', 'rows', 6), { axes: [0], keepDims: true }), 1 / 6);
    expect(count(fuseStatistics([inner, outer]), 'reduceMean')).toBe(0);
  });
});

/** Two heads of attention over six positions, whose weights are masked, and the gradients of its projections. */
function attention(alpha: number) {
  const [x, mask] = [matrix('x', 6, 8), matrix('mask', 2, 6, 6)];
  const weights = ['query', 'key', 'value'].map((name) => matrix(name, 8, 8));
  const bias = matrix('bias', 8);
  const heads = (weight: Tensor) =>
    ops.transpose(ops.reshape(ops.add(ops.matmul(x, weight), bias), [6, 2, 4]), [1, 0, 2]);
  const [query, key, value] = weights.map(heads) as [Tensor, Tensor, Tensor];
  const shares = ops.mul(ops.softmax(ops.matmul(query, key, { transB: true, alpha })), mask);
  const mixed = ops.reshape(ops.transpose(ops.matmul(shares, value), [1, 0, 2]), [6, 8]);
  const loss = ops.sum(ops.mul(mixed, mixed), { axes: [0, 1], keepDims: false });
  const stream = randomStream(1, 'attention');
  const feeds = Object.fromEntries(
    [x, mask, bias, ...weights].map(({ shape, origin }) => [
      (origin as { name: string }).name,
      floats(
        shape as number[],
        Array.from({ length: (shape as number[]).reduce((a, b) => a * b) }, () => 0.3 * stream.normal()),
      ),
    ]),
  );
  return { outputs: fuseGemm(foldTransposes(commonSubexpressions([loss, ...grad(loss, [x, ...weights])]))), feeds };
}

describe('maskedSoftmax', () => {
  it('takes what is masked already in the derivative, one kernel less', async () => {
    const { outputs, feeds } = attention(0.5);
    const after = maskedSoftmax(outputs);
    expect(nodesInOrder(outputs).length - nodesInOrder(after).length).toBe(1);
    expect(count(outputs, 'mul') - count(after, 'mul')).toBe(1);
    await expectSameValues(outputs, after, feeds);
  });

  it('leaves a softmax alone whose result is not masked', () => {
    const x = matrix('x', 4, 6);
    const y = ops.softmax(x);
    const outputs = commonSubexpressions(grad(ops.sum(ops.mul(y, y), { axes: [0, 1], keepDims: false }), [x]));
    expect(nodesInOrder(maskedSoftmax(outputs))).toEqual(nodesInOrder(outputs));
  });
});

describe('pushScales', () => {
  const scaled = (outputs: readonly Tensor[]) =>
    nodesInOrder(outputs).filter(
      (node) => node.primitive === 'matmul' && node.outputs[0]!.shape.length > 2 && node.attrs.alpha !== 1,
    ).length;

  it('leaves no factor to products of heads, and adds no node', async () => {
    const { outputs, feeds } = attention(0.5);
    const after = pushScales(outputs);
    expect([scaled(outputs), scaled(after)]).toEqual([3, 0]);
    expect(nodesInOrder(after)).toHaveLength(nodesInOrder(outputs).length);
    await expectSameValues(outputs, after, feeds);
  });

  it('leaves a factor where something else reads the product of matrices', async () => {
    const [x, weight] = [matrix('x', 6, 8), matrix('weight', 8, 8)];
    const heads = ops.reshape(ops.matmul(x, weight), [2, 3, 8]);
    const outputs = [ops.matmul(heads, heads, { transB: true, alpha: 0.5 }), ops.tanh(heads)];
    expect(scaled(pushScales(outputs))).toBe(1);
    const twice = [ops.matmul(heads, heads, { transB: true, alpha: 0.5 })];
    const stream = randomStream(2, 'scales');
    const feeds = { x: normals(stream, [6, 8]), weight: normals(stream, [8, 8]) };
    await expectSameValues(twice, pushScales(twice), feeds);
  });
});

describe('skipNorms', () => {
  const [x, skip] = [matrix('x', 4, 6), matrix('skip', 4, 6)];
  const [scale, bias] = [matrix('scale', 6), matrix('bias', 6)];
  const total = (one: Tensor) => ops.sum(one, { axes: [0, 1], keepDims: false });
  const stream = randomStream(3, 'skips');
  const [some, others] = [normals(stream, [4, 6]), normals(stream, [4, 6])];
  const feeds = { x: some, skip: others, scale: normals(stream, [6]), bias: normals(stream, [6]) };

  it('adds up and norms in one, in the derivative too', async () => {
    const sum = ops.add(x, skip);
    const [y] = ops.layerNorm(sum, scale, bias, 1e-5);
    const loss = total(ops.mul(ops.mul(y!, y!), sum));
    const before = fuseStatistics([loss, ...grad(loss, [x, skip, scale])]);
    const after = skipNorms(before);
    expect([count(after, 'skipLayerNorm'), count(after, 'layerNorm')]).toEqual([1, 1]);
    expect(nodesInOrder(before).length - nodesInOrder(after).length).toBe(1);
    await expectSameValues(before, after, feeds);
  });

  it('leaves a sum that broadcasts, and a norm whose statistics are read and stand nowhere else', () => {
    const [wide] = ops.layerNorm(ops.add(x, bias), scale, bias, 1e-5);
    expect(count(skipNorms([wide!]), 'skipLayerNorm')).toBe(0);
    const [y, mean] = ops.layerNorm(ops.add(x, skip), scale, bias, 1e-5);
    expect(count(skipNorms([y!, mean!]), 'skipLayerNorm')).toBe(0);
  });
});

describe('commonSubexpressions', () => {
  const [a, b] = [matrix('a', 2, 3), matrix('b', 2, 3)];

  it('computes equal expressions once, all the way up', () => {
    const one = ops.tanh(ops.add(ops.mul(a, b), constant(1)));
    const other = ops.tanh(ops.add(ops.mul(a, b), constant(1)));
    const [left, right] = commonSubexpressions([one, other]);
    expect(left).toBe(right);
    expect(primitivesOf([left!, right!])).toEqual(['mul', 'add', 'tanh']);
  });

  it('keeps apart what differs in an attribute, in the order of inputs or in a constant', () => {
    const different = [
      ops.sum(a, { axes: [0], keepDims: true }),
      ops.sum(a, { axes: [1], keepDims: true }),
      ops.sub(a, b),
      ops.sub(b, a),
      ops.add(a, constant(1)),
      ops.add(a, constant(2)),
      ops.add(a, constant(Float32Array.of(1), [1])),
    ];
    expect(new Set(commonSubexpressions(different)).size).toBe(different.length);
  });

  it('keeps 0 and −0 apart: 1 / −0 is −∞', async () => {
    const one = constant(1);
    const outputs = { positive: ops.div(one, constant(0)), negative: ops.div(one, constant(-0)) };
    const { positive, negative } = await evaluate(outputs);
    expect([positive.data[0], negative.data[0]]).toEqual([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });

  it('takes every output of an equal node with several outputs', () => {
    const [scale, bias] = [matrix('scale', 3), matrix('bias', 3)];
    const [first, second] = [ops.layerNorm(a, scale, bias, 1e-5), ops.layerNorm(a, scale, bias, 1e-5)];
    const [y, , , mean, inverse] = commonSubexpressions([...first, second[1]!, second[2]!]);
    expect(nodeOf(mean!)).toBe(nodeOf(y!));
    expect([mean, inverse]).toEqual([first[1], first[2]]);
  });
});

describe('computeAgain', () => {
  const [x, scale] = [matrix('x', 16, 8), matrix('scale', 8)];
  const weights = (layers: number) =>
    Array.from({ length: layers }, (_, layer) => ['gate', 'up', 'down'].map((one) => matrix(`${one}${layer}`, 8, 8)));
  /** Layers of LLaMA's feed-forward part: the loss, and its gradients by all weights. */
  const gated = (layers: number) => {
    const all = weights(layers);
    let state = x;
    for (const [gate, up, down] of all) {
      const normal = ops.rmsNorm(state, scale, 1e-5)[0]!;
      const inner = ops.mul(ops.silu(ops.matmul(normal, gate!)), ops.matmul(normal, up!));
      state = ops.add(state, ops.matmul(inner, down!));
    }
    const loss = ops.sum(ops.mul(state, state), { axes: [0, 1], keepDims: false });
    return { state, graph: [loss, ...grad(loss, all.flat())] };
  };

  it('leaves the numbers as they are', async () => {
    const { graph } = gated(2);
    const stream = randomStream(3, 'gated');
    const feeds = Object.fromEntries([
      ['x', normals(stream, [16, 8])],
      ['scale', normals(stream, [8])],
      ...weights(2).flatMap((all) =>
        all.map(({ origin }) => [(origin as { name: string }).name, normals(stream, [8, 8])]),
      ),
    ]);
    await expectSameValues(graph, computeAgain(graph), feeds);
    await expectSameValues(graph, optimize(graph), feeds);
  });

  it('keeps of a layer what enters it and two products, where the derivatives alone would keep five arrays', () => {
    const unit = 4 * 16 * 8;
    const perLayer = (pass: (graph: readonly Tensor[]) => readonly Tensor[]) => {
      const peak = (layers: number) => peakOfResults(pass(gated(layers).graph), {});
      return (peak(12) - peak(8)) / 4 / unit;
    };
    expect(Math.round(perLayer((graph) => commonSubexpressions(graph)))).toBe(6);
    expect(Math.round(perLayer(optimize))).toBe(3);
  });

  it('changes nothing where nothing is differentiated, nor what is read by its neighbours alone', () => {
    const { state } = gated(3);
    expect(computeAgain([state])[0]).toBe(state);
    const other = ops.silu(x);
    const both = ops.add(ops.tanh(other), ops.exp(other));
    expect(computeAgain([both])[0]).toBe(both);
  });

  it('computes anew what is read after its own first reader', () => {
    const value = ops.silu(x);
    const [late] = computeAgain([ops.mul(ops.tanh(value), value)]);
    expect(primitivesOf([late!])).toEqual(expect.arrayContaining(['silu', 'sigmoid', 'tanh']));
  });
});

describe('foldTransposes', () => {
  const feeds = { a: normals(randomStream(1, 'a'), [3, 2]), b: normals(randomStream(1, 'b'), [4, 3]) };
  const [a, b] = [matrix('a', 3, 2), matrix('b', 4, 3)];
  const flagsOf = (tensor: Tensor) => nodeOf(tensor)!.attrs;

  it('turns transposes into flags of the product', async () => {
    const product = ops.matmul(ops.transpose(a, [1, 0]), ops.transpose(b, [1, 0]), { alpha: 0.5 });
    const [folded] = foldTransposes([product]);
    expect(primitivesOf([folded!])).toEqual(['matmul']);
    expect(flagsOf(folded!)).toEqual({ transA: true, transB: true, alpha: 0.5 });
    await expectSameValues([product], [folded!], feeds);
  });

  it('takes a flag back where a transpose meets it', async () => {
    const product = ops.matmul(ops.transpose(a, [1, 0]), b, { transB: true });
    const twice = ops.matmul(ops.transpose(ops.transpose(a, [1, 0]), [1, 0]), b, { transA: true, transB: true });
    expect(flagsOf(foldTransposes([product])[0]!)).toEqual({ transA: true, transB: true, alpha: 1 });
    const [folded] = foldTransposes([twice]);
    expect(flagsOf(folded!)).toEqual({ transA: false, transB: true, alpha: 1 });
    await expectSameValues([twice], [folded!], feeds);
  });

  it('folds only a swap of the last two axes', () => {
    const heads = matrix('heads', 2, 3, 4, 5);
    const other = matrix('other', 2, 4, 3, 5);
    const swapped = ops.matmul(ops.transpose(heads, [0, 1, 3, 2]), heads);
    const moved = ops.matmul(ops.transpose(heads, [0, 2, 1, 3]), other, { transB: true });
    expect(count(foldTransposes([swapped]), 'transpose')).toBe(0);
    expect(count(foldTransposes([moved]), 'transpose')).toBe(1);
  });

  it('keeps a transpose that something else reads', () => {
    const turned = ops.transpose(a, [1, 0]);
    const outputs = foldTransposes([ops.matmul(turned, b, { transB: true }), turned]);
    expect(primitivesOf(outputs).sort()).toEqual(['matmul', 'transpose']);
  });
});

describe('fuseGemm', () => {
  const stream = randomStream(1, 'gemm');
  const shapes = { x: [4, 3], w: [5, 3], bias: [5], a: [2, 3], b: [5, 2], column: [4, 1], scalar: [] };
  const feeds = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, normals(stream, shape)]));
  const [x, w, bias, a, b] = [
    matrix('x', 4, 3),
    matrix('w', 5, 3),
    matrix('bias', 5),
    matrix('a', 2, 3),
    matrix('b', 5, 2),
  ];
  const product = () => ops.matmul(x, w, { transB: true });

  it('fuses a bias with its product, on either side of the sum', async () => {
    for (const sum of [ops.add(product(), bias), ops.add(bias, product())]) {
      const fused = fuseGemm([sum]);
      expect(primitivesOf(fused)).toEqual(['gemm']);
      await expectSameValues([sum], fused, feeds);
    }
  });

  it('fuses the low-rank branch: h = x Wᵀ + b + alpha · (x Aᵀ) Bᵀ is three products and no sum', async () => {
    const reduced = ops.matmul(x, a, { transB: true });
    const h = ops.add(ops.add(product(), bias), ops.matmul(reduced, b, { transB: true, alpha: 2 }));
    const fused = fuseGemm([h]);
    expect(primitivesOf(fused).sort()).toEqual(['gemm', 'gemm', 'matmul']);
    await expectSameValues([h], fused, feeds);
  });

  it.each(['column', 'scalar'])('fuses a %s that broadcasts to the product', async (name) => {
    const sum = ops.add(product(), matrix(name, ...shapes[name as 'column' | 'scalar']));
    const fused = fuseGemm([sum]);
    expect(primitivesOf(fused)).toEqual(['gemm']);
    await expectSameValues([sum], fused, feeds);
  });

  it('leaves a product alone that is used twice, or is an output', () => {
    const shared = product();
    const twice = [ops.add(shared, bias), ops.tanh(shared)];
    expect(fuseGemm(twice)).toEqual(twice);
    const output = [ops.add(shared, bias), shared];
    expect(fuseGemm(output)).toEqual(output);
    const itself = [ops.add(shared, shared)];
    expect(fuseGemm(itself)).toEqual(itself);
  });

  it('leaves a sum alone that broadcasts the product', () => {
    const taller = [ops.add(product(), matrix('taller', 2, 4, 5))];
    expect(fuseGemm(taller)).toEqual(taller);
    const row = [ops.add(ops.matmul(matrix('row', 1, 3), w, { transB: true }), matrix('rows', 4, 5))];
    expect(fuseGemm(row)).toEqual(row);
  });

  it('leaves products of more than two axes alone', () => {
    const batched = [ops.add(ops.matmul(matrix('batched', 2, 4, 3), w, { transB: true }), bias)];
    expect(fuseGemm(batched)).toEqual(batched);
  });
});

describe('recompute', () => {
  const weights = [0, 1, 2, 3].map((layer) => matrix(`w${layer}`, 4, 4));
  const [x, mask] = [matrix('x', 'batch', 4), matrix('mask', 'batch', 1)];
  const [pool, offsets] = [matrix('pool', 40), input('offsets', 'int64', [4])];

  /** Layers that share a mask and have a stretch of a pool each; boundaries between them. */
  function network(marked: boolean): Tensor[] {
    const shared = ops.exp(mask);
    let state = x;
    for (const [index, weight] of weights.entries()) {
      if (marked) state = ops.boundary(state, { index, of: 'value' });
      const inner = ops.gelu(ops.mul(ops.matmul(ops.tanh(state), weight), shared));
      state = ops.add(state, ops.mul(inner, ops.window(pool, offsets, index, ['batch', 4])));
    }
    const loss = ops.mean(ops.mul(state, state), { axes: [0, 1], keepDims: false });
    return [loss, ...grad(loss, weights)];
  }

  /** True of nodes that lead to `target`. */
  const leadTo = (target: Tensor) => {
    const nodes = new Set(nodesInOrder([target]));
    return (node: Node) => nodes.has(node);
  };

  it('leaves the numbers as they are, to the bit', async () => {
    const stream = randomStream(1, 'recompute');
    const feeds: Record<string, Value> = {
      x: normals(stream, [3, 4]),
      mask: normals(stream, [3, 1]),
      pool: normals(stream, [40]),
      offsets: int64s([4], [0, 7, 3, 20]),
    };
    for (const { origin } of weights) if (origin.kind === 'input') feeds[origin.name] = normals(stream, [4, 4]);
    const named = (outputs: readonly Tensor[]) => Object.fromEntries(outputs.map((tensor, i) => [`${i}`, tensor]));
    expect(await evaluate(named(network(true)), feeds)).toEqual(await evaluate(named(network(false)), feeds));
  });

  it('keeps where segments start, and what they share', () => {
    const outputs = recompute(network(true));
    const order = nodesInOrder(outputs);
    const forward = new Set(nodesInOrder([outputs[0]!]));
    const states = order.filter((node) => forward.has(node) && node.primitive === 'add');
    const beforeLast = new Set(nodesInOrder(states[2]!.outputs));
    const backward = order.filter((node) => !forward.has(node));
    const read = new Set(backward.flatMap(({ inputs }) => inputs.map((tensor) => nodeOf(tensor)!)));
    const kept = order.filter((node) => beforeLast.has(node) && read.has(node));
    expect(kept.map(({ primitive }) => primitive).sort()).toEqual(['add', 'add', 'exp']);
    expect(kept.filter((node) => states.slice(0, 2).includes(node))).toHaveLength(2);
  });

  it('lets every copy wait for the gradients of the segments behind it', () => {
    const outputs = recompute(network(true));
    const order = nodesInOrder(outputs);
    expect(count(outputs, 'boundary')).toBe(0);
    expect(count(outputs, 'done')).toBe(3);
    // The gradient of layer 3 is there before layer 2 is computed again, and so on.
    for (const layer of [0, 1, 2]) {
      const waits = order.filter((node) => node.primitive === 'done' && leadTo(outputs[1 + layer]!)(node));
      expect(waits.some((node) => node.inputs.includes(outputs[2 + layer]!))).toBe(true);
    }
    expect(nodesInOrder([outputs[4]!]).some(({ primitive }) => primitive === 'after')).toBe(false);
  });

  it.each([
    ['takes gradients that depend on nothing', (state: Tensor) => state, 0],
    ['needs no loss among the outputs', (state: Tensor) => ops.mul(state, state), 1],
  ] as const)('%s', async (_, last, firstOutput) => {
    const build = (marked: boolean) => {
      const inner = ops.tanh(ops.exp(ops.matmul(x, weights[0]!)));
      const state = marked ? ops.boundary(inner, { index: 5, of: 'value' }) : inner;
      const loss = ops.sum(last(state), { axes: [0, 1], keepDims: false });
      return [loss, ...grad(loss, [weights[0]!])].slice(firstOutput);
    };
    const stream = randomStream(2, 'recompute');
    const feeds = { x: normals(stream, [4, 4]), w0: normals(stream, [4, 4]) };
    expect(count(recompute(build(true)), 'after')).toBe(1);
    const run = (marked: boolean) => evaluate(Object.fromEntries(build(marked).entries()), feeds);
    expect(await run(true)).toEqual(await run(false));
  });

  it('leaves a graph without boundaries alone, and one without gradients but for the marks', () => {
    const plain = network(false);
    expect(recompute(plain)).toEqual(plain);
    const forward = recompute(network(true).slice(0, 1));
    expect(primitivesOf(forward)).toEqual(primitivesOf(plain.slice(0, 1)));
  });
});

describe('liftWidened', () => {
  const x = matrix('x', 2, 2);
  const at = (name: string) => ({ name, file: '/model.safetensors', offset: 0, length: 8 });
  const wide = (name: string) => ops.cast(stored(at(name), [2, 2], 'bfloat16'), 'float32');

  it('makes one input of a weight that is widened, however often it is', () => {
    const { outputs, widened } = liftWidened([ops.add(ops.matmul(x, wide('w')), ops.mul(x, wide('w')))]);
    expect([...widened]).toEqual([['weight w', { location: at('w'), dtype: 'bfloat16', shape: [2, 2] }]]);
    expect(primitivesOf(outputs)).toEqual(['matmul', 'mul', 'add']);
    const [product, scaled] = nodesInOrder(outputs);
    expect(product!.inputs[1]).toBe(scaled!.inputs[1]);
  });

  it('leaves those that more is computed from before a run, and weights of float32', () => {
    const folded = ops.matmul(x, ops.tanh(wide('w')));
    const plain = ops.matmul(folded, stored(at('v'), [2, 2], 'float32'));
    const { outputs, widened } = liftWidened([plain]);
    expect(widened.size).toBe(0);
    expect(outputs[0]).toBe(plain);
  });
});

describe('optimize', () => {
  /** A random graph over square matrices and its gradients: repeated expressions, transposes, products and sums. */
  function randomGraph(seed: number): { outputs: Tensor[]; feeds: Record<string, Value> } {
    const stream = randomStream(seed, 'random graph');
    const names = ['a', 'b', 'c'];
    const leaves = names.map((name) => matrix(name, 4, 4));
    const bias = matrix('bias', 4);
    const pool: Tensor[] = [...leaves];
    const pick = () => pool[stream.integer(pool.length)]!;
    const steps: readonly (() => Tensor)[] = [
      () =>
        ops.matmul(pick(), pick(), { transA: stream.integer(2) === 1, transB: stream.integer(2) === 1, alpha: 0.5 }),
      () => ops.add(ops.matmul(pick(), ops.transpose(pick(), [1, 0])), bias),
      () => ops.add(pick(), pick()),
      () => ops.mul(pick(), ops.sigmoid(pick())),
      () => ops.tanh(pick()),
      () => ops.softmax(pick()),
      () => ops.gelu(ops.scale(pick(), 0.5)),
      () => ops.layerNorm(pick(), bias, bias, 1e-2)[0]!,
      () => ops.transpose(ops.reshape(ops.reshape(pick(), [2, 8]), [4, 4]), [1, 0]),
      () =>
        ops.concat(
          [ops.slice(pick(), { axis: 0, start: 1, length: 2 }), ops.slice(pick(), { axis: 0, start: 0, length: 2 })],
          0,
        ),
    ];
    for (let i = 0; i < 14; i++) pool.push(steps[stream.integer(steps.length)]!());
    const loss = ops.mean(
      pool.slice(-4).reduce((total, part) => ops.add(total, part)),
      { axes: [0, 1], keepDims: false },
    );
    const feeds: Record<string, Value> = { bias: normals(stream, [4]) };
    for (const name of names) feeds[name] = normals(stream, [4, 4]);
    return { outputs: [loss, ...grad(loss, [...leaves, bias])], feeds };
  }

  it.each([1, 2, 3, 4, 5, 6])('leaves the numbers of random graph %i and its gradients as they are', async (seed) => {
    const { outputs, feeds } = randomGraph(seed);
    const optimized = optimize(outputs);
    expect(nodesInOrder(optimized).length).toBeLessThan(nodesInOrder(outputs).length);
    const expected = await nodeByNode(outputs, feeds);
    const got = await evaluate<string>(Object.fromEntries(outputs.map((tensor, i) => [`${i}`, tensor])), feeds);
    for (const [i, { data }] of expected.entries()) {
      expectClose(`output ${i}`, got[i]!.data, data, { relative: 1e-4, floor: 1e-5 });
    }
  });

  it('keeps the number, types and shapes of the outputs', () => {
    const { outputs } = randomGraph(1);
    const type = ({ dtype, shape }: Tensor) => ({ dtype, shape });
    expect(optimize(outputs).map(type)).toEqual(outputs.map(type));
  });
});

describe('packTokens', () => {
  const [batch, seq, hidden] = [2, 3, 4];
  const places = { rows: input('rows', 'int64', ['tokens']), places: input('places', 'int64', ['batch', 'seq']) };
  const stream = randomStream(1, 'pack');
  const feeds = {
    x: normals(stream, [batch, seq, hidden]),
    w: normals(stream, [hidden, hidden]),
    scale: normals(stream, [hidden]),
    mask: floats([batch, seq, 1], [1, 1, 1, 1, 0, 0]),
    // The second sequence has one token.
    rows: int64s([4], [0, 1, 2, 3]),
    places: int64s([batch, seq], [0, 1, 2, 3, 4, 4]),
  };
  const mask = matrix('mask', 'batch', 'seq', 1);
  const [x, w, scale] = [matrix('x', 'batch', 'seq', hidden), matrix('w', hidden, hidden), matrix('scale', hidden)];

  /** As whole graphs: no node alone knows how many sequences there are. */
  async function expectSame(before: readonly Tensor[], after: readonly Tensor[]) {
    const named = (outputs: readonly Tensor[]) => Object.fromEntries(outputs.map((one, i) => [`${i}`, one]));
    const [expected, got] = [await evaluate(named(before), feeds), await evaluate(named(after), feeds)];
    for (const [name, { data }] of Object.entries(got)) {
      expectClose(`output ${name}`, data, expected[name]!.data, { relative: 1e-5, floor: 1e-5 });
    }
  }

  /** Rows, attention of each sequence's tokens to each other, rows again; padding is not seen. */
  function model(dropout: (x: Tensor) => Tensor = (y) => y): Tensor {
    const state = ops.reshape(x, ['batch*seq', hidden]);
    const normal = ops.layerNorm(dropout(ops.gelu(ops.matmul(state, w))), scale, scale, 1e-5)[0]!;
    const sequences = ops.reshape(normal, ['batch', 'seq', hidden]);
    const seen = ops.mul(sequences, mask);
    const mixed = ops.matmul(ops.matmul(seen, seen, { transB: true }), seen);
    const again = ops.add(ops.matmul(ops.reshape(mixed, ['batch*seq', hidden]), w), normal);
    const ends = ops.mul(ops.reshape(again, ['batch', 'seq', hidden]), mask);
    return ops.sum(ops.tanh(ends), { axes: [1], keepDims: false });
  }

  it('computes the same from rows of tokens alone', async () => {
    const [packed] = packTokens([model()], places);
    await expectSame([model()], [packed!]);
    expect(primitivesOf([packed!]).filter((one) => /pack/.test(one))).toEqual(['pack', 'unpack', 'pack', 'unpack']);
    for (const { primitive, outputs } of nodesInOrder([packed!])) {
      if (['gelu', 'layerNorm'].includes(primitive)) expect(outputs[0]!.shape).toEqual(['tokens', hidden]);
    }
  });

  it('has the same derivatives', async () => {
    const gradients = (of: Tensor) => grad(ops.sum(ops.mul(of, of), { axes: [0, 1], keepDims: false }), [w, scale, x]);
    await expectSame(gradients(model()), gradients(packTokens([model()], places)[0]!));
  });

  it('draws masks of dropout for the tokens alone', () => {
    const [pool, offsets] = [matrix('pool', 100), input('offsets', 'int64', [1])];
    const [packed] = packTokens([model((y) => ops.mul(y, ops.window(pool, offsets, 0, y.shape)))], places);
    const windows = nodesInOrder([packed!]).filter(({ primitive }) => primitive === 'window');
    expect(windows.map(({ outputs }) => outputs[0]!.shape)).toEqual([['tokens', hidden]]);
  });

  it('leaves alone what mixes rows', () => {
    const state = matrix('state', 'batch*seq', hidden);
    const mixing = [
      ops.matmul(state, state, { transA: true }),
      ops.matmul(state, state, { transB: true }),
      ops.sum(state, { axes: [0], keepDims: true }),
      ops.transpose(state, [1, 0]),
      ops.shift(state, { axis: 0, by: 1 }),
      ops.gather(state, input('indices', 'int64', ['some'])),
    ];
    expect(packTokens(mixing, places)).toEqual(mixing);
  });
});
