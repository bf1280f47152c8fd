import type { OnnxModel } from '../../graph/onnx/encode.js';
import type { WeightlessGraph } from './graph.js';

/** A width of weights: how a graph keeps and reads them. */
export interface Precision {
  /** End of the file's name, as transformers.js finds it: `model<suffix>.onnx`. */
  readonly suffix: string;
  /** @param wide names of weights that are to stay as they are: a head is small and decides everything */
  apply(graph: WeightlessGraph, wide: ReadonlySet<string>): OnnxModel;
}
