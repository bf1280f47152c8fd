import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { noAdapters } from '../../adapters/plan.js';
import type { EncodedExample } from '../../engine/batch.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { EncodeOptions } from '../kinds/kind.js';

/**
 * Sequences with what the model makes of them as it is, without an adapter: computed once, and kept for when the run is resumed.
 * @throws NotFiniteError that names the example where a model makes of it what is not finite
 */
export async function withReference(
  { model }: OpenedModel,
  sequences: readonly EncodedExample[],
  { threads = availableParallelism(), signal, phase, keep = (_, compute) => compute() }: EncodeOptions,
): Promise<EncodedExample[]> {
  const logps = await keep(`reference ${hashOf(sequences)}`, async () => {
    const told = phase?.('reference', sequences.length);
    const reader = await openLikelihoods(model, { plan: noAdapters, parameters: [] }, { threads });
    const onBatch = (done: number, tokens: number) => told?.update(done, { examples: done, tokens });
    const scores = await reader.each(numbered(sequences), { signal, onBatch }).finally(reader.release);
    told?.end();
    return Float32Array.from(scores, ({ logLikelihood }) => logLikelihood);
  });
  return sequences.map((one, i) => ({ ...one, reference: logps[i]! }));
}

/** Sequences by their own places, in which a reader gives what it finds. */
export function numbered(sequences: readonly EncodedExample[]): EncodedExample[] {
  return sequences.map((one, index) => ({ ...one, index }));
}

function hashOf(sequences: readonly EncodedExample[]): string {
  const hash = createHash('sha256');
  for (const { inputIds, tokenLabels } of sequences) {
    hash.update(`${inputIds.length} `);
    for (const { buffer, byteOffset, byteLength } of [inputIds, tokenLabels!]) {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
  return hash.digest('hex');
}
