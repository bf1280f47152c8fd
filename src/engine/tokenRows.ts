import { input, packTokens, type Tensor, type TokenPlaces } from '../graph/index.js';
import type { Value } from '../runtime/session.js';
import type { Batch } from './batch.js';

/** The same tensor, computed without rows of padding (see `packTokens`); its graph is fed {@link tokenFeeds}, too. */
export function onTokens(tensor: Tensor): Tensor {
  return packTokens([tensor], tokenPlaces)[0]!;
}

/** Inputs that say where the tokens of a batch stand. */
const tokenPlaces: TokenPlaces = {
  rows: input('token_rows', 'int64', ['tokens']),
  places: input('token_places', 'int64', ['batch', 'seq']),
};

/** What {@link tokenPlaces} are in a batch. */
export function tokenFeeds({ attentionMask, batchSize, sequenceLength }: Batch): Record<string, Value> {
  const rows: bigint[] = [];
  const places = new BigInt64Array(attentionMask.length);
  for (let i = 0; i < places.length; i++) {
    if (attentionMask[i] === 0n) continue;
    places[i] = BigInt(rows.length);
    rows.push(BigInt(i));
  }
  const tokens = BigInt(rows.length);
  for (let i = 0; i < places.length; i++) if (attentionMask[i] === 0n) places[i] = tokens;
  return {
    token_rows: { data: BigInt64Array.from(rows), shape: [rows.length] },
    token_places: { data: places, shape: [batchSize, sequenceLength] },
  };
}
