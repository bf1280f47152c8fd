import type { Work } from '../progress.js';
import type { Batch } from './batch.js';

/** Adds up what batches hold. */
export class WorkDone implements Work {
  examples = 0;
  tokens = 0;

  add({ indices, attentionMask }: Batch): void {
    this.examples += indices.length;
    for (const real of attentionMask) if (real === 1n) this.tokens++;
  }
}
