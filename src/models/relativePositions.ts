import { constant, type Dim, ops, type Tensor } from '../graph/index.js';

/** How distances from a query to a key are put into buckets (arXiv 1910.10683, section 2.1). */
export interface DistanceBuckets {
  readonly buckets: number;
  /** Distances from here on share a bucket. */
  readonly furthest: number;
  /** Half of the buckets are for keys behind the query; otherwise there are none such. */
  readonly bothWays: boolean;
}

/**
 * `_relative_position_bucket`: small distances have buckets of their own, larger ones share them by their logarithm.
 * @param distance position of the key less that of the query
 */
export function bucketOf(distance: number, { buckets, furthest, bothWays }: DistanceBuckets): number {
  const half = bothWays ? Math.floor(buckets / 2) : buckets;
  const exact = Math.floor(half / 2);
  const far = bothWays ? Math.abs(distance) : Math.max(0, -distance);
  const ratio = Math.fround(Math.fround(Math.log(Math.fround(far / exact))) / Math.fround(Math.log(furthest / exact)));
  const shared = exact + Math.trunc(Math.fround(ratio * (half - exact)));
  return (bothWays && distance > 0 ? half : 0) + (far < exact ? far : Math.min(shared, half - 1));
}

/**
 * What is added to scores by the distance from query to key.
 * @param table [buckets, heads]
 * @param distances float32, positions of keys less those of queries
 * @returns [...distances, heads]
 */
export function distanceValues(table: Tensor, distances: Tensor, of: DistanceBuckets): Tensor {
  const { furthest } = of;
  const rows = Float32Array.from({ length: 2 * furthest + 1 }, (_, i) => bucketOf(i - furthest, of));
  const bounded = clamped(distances, furthest);
  const places = ops.cast(ops.add(bounded, constant(furthest)), 'int64');
  const found = ops.cast(ops.gather(constant(rows, [rows.length]), places), 'int64');
  return ops.gather(table, found);
}

/**
 * The same between all tokens of a text: [1, heads, seq, seq].
 * @param table [buckets, heads]
 */
export function distanceBias(table: Tensor, seq: Dim, of: DistanceBuckets): Tensor {
  const places = ops.cast(ops.range(seq), 'float32');
  const distances = ops.sub(ops.reshape(places, [1, seq]), ops.reshape(places, [seq, 1]));
  const values = distanceValues(table, distances, of);
  return ops.reshape(ops.transpose(values, [2, 0, 1]), [1, table.shape[1]!, seq, seq]);
}

/** Beyond the furthest distance every one has the same bucket. */
function clamped(distances: Tensor, furthest: number): Tensor {
  const [least, most] = [constant(-furthest), constant(furthest)];
  const above = ops.where(ops.greater(distances, least), distances, least);
  return ops.where(ops.greater(most, above), above, most);
}
