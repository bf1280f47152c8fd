import type { Batch, EncodedExample } from './batch.js';
import { type BatchesApart, batchesApart } from './batchesApart.js';
import { collate, furtherOf, lengthOf, longestTarget, trainingBatches } from './batching.js';
import type { Objective } from './objective.js';

export interface BatchStreamOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly padTokenId: number;
  readonly objective: Objective;
}

type Drawing = Pick<BatchStreamOptions, 'batchSize' | 'seed'>;

/** How many batches an epoch has, and which. */
function epochsOf(examples: readonly EncodedExample[], drawing: Drawing): BatchesApart {
  if (examples.some(({ keys = [] }) => keys.length > 0)) return batchesApart(examples, drawing);
  const count = Math.ceil(examples.length / drawing.batchSize);
  return { count, of: (epoch) => trainingBatches(examples, { ...drawing, epoch }) };
}

/** Steps of an epoch: more than the examples fill where some may not stand in one batch. */
export function stepsPerEpochOf(examples: readonly EncodedExample[], drawing: Drawing): number {
  return epochsOf(examples, drawing).count;
}

/** Training batches by step, epoch after epoch: the batch of a step depends on the seed and the step alone. */
export class BatchStream {
  readonly stepsPerEpoch: number;
  /** The largest batch that can come: its rows, its tokens, those that are written, and the examples that the rows are of. */
  readonly largest: {
    readonly batch: number;
    readonly seq: number;
    readonly target: number;
    readonly examples: number;
  };
  private readonly batchesOf: (epoch: number) => EncodedExample[][];
  private epoch = -1;
  private batches: EncodedExample[][] = [];

  constructor(
    examples: readonly EncodedExample[],
    private readonly options: BatchStreamOptions,
  ) {
    if (examples.length === 0) throw new Error('no examples to train on');
    const { batchSize, seed } = options;
    const { count, of } = epochsOf(examples, { batchSize, seed });
    this.batchesOf = of;
    this.stepsPerEpoch = count;
    const most = Math.min(batchSize, examples.length);
    this.largest = {
      batch: most * (1 + furtherOf(examples)),
      seq: examples.reduce((longest, example) => Math.max(longest, lengthOf(example)), 0),
      target: longestTarget(examples),
      examples: most,
    };
  }

  /** @param length tokens of a row where the longest has fewer */
  at(step: number, length = 0): Batch {
    const { padTokenId, objective } = this.options;
    return collate(this.drawnAt(step), padTokenId, objective, length);
  }

  /** Tokens of the longest row of a step. */
  lengthAt(step: number): number {
    return Math.max(...this.examplesAt(step).map(lengthOf));
  }

  /**
   * The batch of a step in at most `parts` parts of about one size, padded as the objective wants them.
   * @throws Error for an objective whose batches cannot be cut
   */
  partsAt(step: number, parts: number): Batch[] {
    if (parts === 1) return [this.at(step)];
    const { padTokenId, objective } = this.options;
    if (objective.parts === 'never') throw new Error('a batch of this objective cannot be cut into parts');
    const examples = this.drawnAt(step);
    // By the size of a whole batch: the last and smaller batch of an epoch has fewer parts, none larger than the others'.
    const size = Math.ceil(this.options.batchSize / parts);
    const length = objective.parts === 'alike' ? Math.max(...examples.map(lengthOf)) : 0;
    return Array.from({ length: Math.ceil(examples.length / size) }, (_, i) =>
      collate(examples.slice(i * size, (i + 1) * size), padTokenId, objective, length, examples),
    );
  }

  private examplesAt(step: number): EncodedExample[] {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (epoch !== this.epoch) {
      this.epoch = epoch;
      this.batches = this.batchesOf(epoch);
    }
    return this.batches[step - epoch * this.stepsPerEpoch]!;
  }

  /** The examples of a step as they are learned in it. */
  private drawnAt(step: number): EncodedExample[] {
    const { objective, seed } = this.options;
    const { redraw } = objective;
    const examples = this.examplesAt(step);
    return redraw === undefined ? examples : examples.map((example) => redraw(example, { seed, step }));
  }
}
