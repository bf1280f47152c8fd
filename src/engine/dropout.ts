import { type Dim, input, ops, type Shape, type Tensor } from '../graph/index.js';
import { factorsOf } from '../graph/shape.js';
import { hash32, randomStream } from '../random.js';
import type { Value } from '../runtime/session.js';

/** Offsets are drawn from this many positions, so the pool is as much longer than the largest mask. */
const offsetRange = 1 << 20;

/** The dropout sites of one graph, in the order of computation, and the feeds that fill them. */
export interface DropoutSites {
  /** Masks x at the next site: elements are 0 with probability `rate`, else 1 / (1 − rate). */
  apply(x: Tensor, rate: number): Tensor;
  /** Makes the pools large enough for every batch up to these sizes. Call once, before the first step. */
  reserve(sizes: { readonly batch: number; readonly seq: number; readonly target?: number | undefined }): void;
  /** Sites so far. */
  readonly count: number;
  /** Feeds of a step. They are a function of (seed, step, site) alone. */
  feeds(step: number): Record<string, Value>;
}

/**
 * Dropout by stretches of a fixed seeded pool of masks, one pool for each rate, at an offset that is a hash of seed,
 * step and site: a resumed run repeats the same bits, and a step pays for a copy instead of a million random numbers.
 */
export function dropoutSites(seed: number): DropoutSites {
  const sites: { rate: number; shape: Shape }[] = [];
  const pools = new Map<number, { tensor: Tensor; values: Float32Array }>();
  const offsets = input('dropout_offsets', 'int64', ['dropout_sites']);
  return {
    apply(x, rate) {
      if (rate === 0) return x;
      let pool = pools.get(rate);
      if (pool === undefined) {
        const tensor = input(`dropout_pool_${rate}`, 'float32', [`dropout_pool_${pools.size}`]);
        pool = { tensor, values: new Float32Array(0) };
        pools.set(rate, pool);
      }
      sites.push({ rate, shape: x.shape });
      return ops.mul(x, ops.window(pool.tensor, offsets, sites.length - 1, x.shape));
    },
    reserve(sizes) {
      for (const [rate, pool] of pools) {
        const shapes = sites.filter((site) => site.rate === rate).map((site) => site.shape);
        const largest = Math.max(...shapes.map((shape) => elementsOf(shape, { ...sizes, target: sizes.target ?? 0 })));
        pool.values = maskPool(largest + offsetRange, rate, seed);
      }
    },
    get count() {
      return sites.length;
    },
    feeds(step) {
      if (sites.length === 0) return {};
      const drawn = BigInt64Array.from(sites, (_, site) =>
        BigInt(hash32(`${seed}/dropout/${step}/${site}`, 0) % offsetRange),
      );
      const feeds: Record<string, Value> = { dropout_offsets: { data: drawn, shape: [sites.length] } };
      for (const [rate, { values }] of pools) {
        feeds[`dropout_pool_${rate}`] = { data: values, shape: [values.length] };
      }
      return feeds;
    },
  };
}

function maskPool(length: number, rate: number, seed: number): Float32Array {
  const stream = randomStream(seed, 'dropout', rate);
  const threshold = rate * 2 ** 32;
  const kept = 1 / (1 - rate);
  return Float32Array.from({ length }, () => (stream.uint32() < threshold ? 0 : kept));
}

function elementsOf(shape: readonly Dim[], sizes: Readonly<Record<string, number>>): number {
  return shape.reduce<number>((product, dim) => {
    const { coefficient, symbols } = factorsOf(dim);
    return symbols.reduce((partial, symbol) => partial * sizes[symbol]!, product * coefficient);
  }, 1);
}
