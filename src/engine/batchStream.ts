import type { Batch, EncodedExample } from './batch.js';
import { collate, trainingBatches } from './batching.js';
import type { Objective } from './objective.js';

export interface BatchStreamOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly padTokenId: number;
  readonly objective: Objective;
}

/** Training batches by step, epoch after epoch: the batch of a step depends on the seed and the step alone. */
export class BatchStream {
  readonly stepsPerEpoch: number;
  /** The largest batch that can come. */
  readonly largest: { readonly batch: number; readonly seq: number };
  private epoch = -1;
  private batches: EncodedExample[][] = [];

  constructor(
    private readonly examples: readonly EncodedExample[],
    private readonly options: BatchStreamOptions,
  ) {
    if (examples.length === 0) throw new Error('no examples to train on');
    this.stepsPerEpoch = Math.ceil(examples.length / options.batchSize);
    this.largest = {
      batch: Math.min(options.batchSize, examples.length),
      seq: examples.reduce((longest, { inputIds }) => Math.max(longest, inputIds.length), 0),
    };
  }

  /** @param length tokens of a row where the longest has fewer */
  at(step: number, length = 0): Batch {
    const { padTokenId, objective } = this.options;
    return collate(this.examplesAt(step), padTokenId, objective, length);
  }

  /** Tokens of the longest row of a step. */
  lengthAt(step: number): number {
    return Math.max(...this.examplesAt(step).map(({ inputIds }) => inputIds.length));
  }

  /**
   * The batch of a step in at most `parts` parts of about one size, padded as the objective wants them.
   * @throws Error for an objective whose batches cannot be cut
   */
  partsAt(step: number, parts: number): Batch[] {
    if (parts === 1) return [this.at(step)];
    const { padTokenId, objective } = this.options;
    if (objective.parts === 'never') throw new Error('a batch of this objective cannot be cut into parts');
    const examples = this.examplesAt(step);
    // By the size of a whole batch: the last and smaller batch of an epoch has fewer parts, none larger than the others'.
    const size = Math.ceil(this.options.batchSize / parts);
    const length = objective.parts === 'alike' ? Math.max(...examples.map(({ inputIds }) => inputIds.length)) : 0;
    return Array.from({ length: Math.ceil(examples.length / size) }, (_, i) =>
      collate(examples.slice(i * size, (i + 1) * size), padTokenId, objective, length),
    );
  }

  private examplesAt(step: number): EncodedExample[] {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.batches = trainingBatches(this.examples, { ...this.options, epoch });
    }
    return this.batches[step - epoch * this.stepsPerEpoch]!;
  }
}
