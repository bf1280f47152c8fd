import type { Batch, EncodedExample, TaskKind } from './batch.js';
import { collate, trainingBatches } from './batching.js';

export interface BatchStreamOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly padTokenId: number;
  readonly kind: TaskKind;
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

  at(step: number): Batch {
    const { padTokenId, kind } = this.options;
    return collate(this.examplesAt(step), padTokenId, kind);
  }

  /**
   * The batch of a step in parts of at most `size` examples, each padded for itself; for answers in passages as the
   * whole, since padding stands in the softmax over the positions.
   */
  partsAt(step: number, size: number): Batch[] {
    const { padTokenId, kind } = this.options;
    const examples = this.examplesAt(step);
    const length = kind === 'span' ? Math.max(...examples.map(({ inputIds }) => inputIds.length)) : 0;
    return Array.from({ length: Math.ceil(examples.length / size) }, (_, i) =>
      collate(examples.slice(i * size, (i + 1) * size), padTokenId, kind, length),
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
