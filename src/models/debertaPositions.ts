import { constant, type Dim, ops, type Tensor } from '../graph/index.js';

/** How DeBERTa-v2 counts distances. */
export interface DistanceSettings {
  /** Number of buckets to either side; 0 or less: distances are taken as they are. */
  readonly buckets: number;
  /** Distances beyond are treated as this one. */
  readonly maxDistance: number;
  /** Longest sequence. */
  readonly maxLength: number;
}

/** Half of the rows of the relative embeddings: row `span` stands for distance 0. */
export function spanOf({ buckets, maxDistance }: DistanceSettings): number {
  return buckets > 0 ? buckets : maxDistance;
}

/**
 * Row of the relative embeddings for a distance query − key: near distances have a row each, far ones share rows by
 * their logarithm (`make_log_bucket_position` of modeling_deberta_v2.py, with float32's roundings).
 */
export function relativeRow(distance: number, settings: DistanceSettings): number {
  const { buckets, maxDistance } = settings;
  const span = spanOf(settings);
  const bucket = buckets > 0 ? logBucket(distance, Math.floor(buckets / 2), maxDistance) : distance;
  return Math.min(Math.max(bucket + span, 0), 2 * span - 1);
}

function logBucket(distance: number, middle: number, maxDistance: number): number {
  const far = Math.abs(distance) < middle ? middle - 1 : Math.abs(distance);
  if (far <= middle) return distance;
  const { fround, log } = Math;
  const share = fround(fround(log(fround(far / middle))) / fround(log(fround((maxDistance - 1) / middle))));
  return Math.sign(distance) * (Math.ceil(fround(share * (middle - 1))) + middle);
}

/**
 * Rows of the relative embeddings for the distances that a sequence of `seq` tokens has, int64 [2·seq] each.
 *
 * - `falling`: seq − 1, seq − 2, …, −seq: what {@link ops.skew} turns into [query, key] from scores of queries
 * - `rising`: 1 − seq, …, seq: what it turns into [key, query] from scores of keys
 */
export function relativeRows(settings: DistanceSettings, seq: Dim): { falling: Tensor; rising: Tensor } {
  const { maxLength } = settings;
  const table = constant(
    Float32Array.from({ length: 2 * maxLength + 1 }, (_, i) => relativeRow(i - maxLength, settings)),
    [2 * maxLength + 1],
  );
  const count = ops.cast(ops.range(typeof seq === 'number' ? 2 * seq : `2*${seq}`), 'float32');
  const first = ops.sub(ops.size(seq), constant(1));
  const rows = (distances: Tensor) => {
    const places = ops.cast(ops.add(distances, constant(maxLength)), 'int64');
    return ops.cast(ops.gather(table, places), 'int64');
  };
  return { falling: rows(ops.sub(first, count)), rising: rows(ops.sub(count, first)) };
}

/** Rows for the distances from the first token to each of `seq` tokens: 0, −1, …: int64 [seq]. */
export function rowsFromFirst(settings: DistanceSettings, seq: Dim): Tensor {
  const { maxLength } = settings;
  const table = constant(
    Float32Array.from({ length: maxLength }, (_, i) => relativeRow(-i, settings)),
    [maxLength],
  );
  return ops.cast(ops.gather(table, ops.range(seq)), 'int64');
}
