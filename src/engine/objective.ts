import { input, type Tensor } from '../graph/index.js';
import type { Batch, BatchLabels, EncodedExample } from './batch.js';

/** What is learned from a batch: its labels, its loss, and what the mean of the loss is over. Each kind of task has one. */
export interface Objective {
  /**
   * Labels of a padded batch.
   * @param whole the examples of the batch that these are a part of, where one is cut into parts; left out, they are all
   * @returns undefined where a row has none of this kind
   */
  labels(
    examples: readonly EncodedExample[],
    sequenceLength: number,
    whole?: readonly EncodedExample[],
  ): BatchLabels | undefined;
  /** The positions whose logits the loss reads: all, or those of the batch's `labels.rows` alone. */
  readonly reads: 'all' | 'rows';
  /**
   * An example as it is learned in a step, where that changes from step to step: other tokens are masked. It has as many tokens, and
   * follows from the seed, the step and the example alone. Left out: an example stays as it is.
   */
  readonly redraw?: (example: EncodedExample, at: { readonly seed: number; readonly step: number }) => EncodedExample;
  /** Mean loss of a batch, a scalar, from a model's logits and the graph input `labels`. */
  loss(logits: Tensor): Tensor;
  /** What the mean over a batch is taken over: its examples, their weights, or its labelled tokens. */
  weight(batch: Batch): number;
  /**
   * How a batch may be cut into parts whose losses, weighted, are that of the whole: each padded for itself, all padded
   * alike (padding stands in the loss), or not at all (rows stand in each other's loss, as in contrastive losses: of such a
   * batch the model runs in parts, and the loss is that of the whole).
   */
  readonly parts: 'apart' | 'alike' | 'never';
}

/**
 * Whether `accumulate` may cut batches: of losses in which all rows stand, rows of outputs can be kept until all are there, the logits
 * of tokens cannot.
 */
export function canBeCut({ parts, reads }: Pick<Objective, 'parts' | 'reads'>): boolean {
  return parts !== 'never' || reads !== 'rows';
}

/** The positions that an objective reads, as a graph input int64 [rows]; undefined where it reads all. */
export function objectiveRows({ reads }: Pick<Objective, 'reads'>): Tensor | undefined {
  return reads === 'rows' ? input('rows', 'int64', ['rows']) : undefined;
}

/**
 * The sizes of an objective that weighs texts against each other: `examples` of a batch, and `candidates`, the rows that are
 * not the examples' first texts.
 */
export function textSizes(rows: number, examples: number): { readonly examples: number; readonly candidates: number } {
  return { examples, candidates: Math.max(1, rows - examples) };
}
