import type * as z from 'zod';
import type { Fit, MakePlan } from './fit.js';
import type { MethodFormat } from './format.js';

/** All of a way to fine-tune; S are the settings that it reads. Its file in `methods/` exports one of these. */
export interface MethodOf<S> {
  readonly title: string;
  /** Where it comes from. */
  readonly source: string;
  /** What decides which modules it acts on: `targets` and a matrix, `targets` alone, or the method itself. */
  readonly places: 'selected' | 'targets' | 'itself';
  /** It trains something in every layer, whatever the settings say. */
  readonly trainsEveryLayer?: true;
  /** The settings that it reads, each with its range, its default and a description. */
  readonly settings: Readonly<Record<string, z.ZodType>>;
  /** Defaults that hang on the rank. */
  readonly defaults?: Readonly<Record<string, (rank: number) => number>>;
  /** What is taken where nothing is said. */
  readonly usual: { readonly lr: number; readonly rank?: number };
  /** @internal */
  readonly plan: MakePlan<S>;
  /**
   * The settings at which it has so many trainable numbers; left out where none of them decides that.
   * @internal
   */
  readonly fit?: Fit<S>;
  /** Settings beside `rank`, `ranks` and `alphas` that `fit` decides. */
  readonly solved?: readonly string[];
  /** @internal */
  readonly format: MethodFormat;
}
