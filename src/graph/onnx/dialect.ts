/**
 * What not every runtime has a kernel for. A primitive that would be written with it has another way to write itself, of
 * operators that all have. `int64`: comparisons of int64, and their results as numbers; `… statistics`: the second output;
 * `exact angles`: Cos and Sin to the last bits of float32, whatever their arguments.
 */
export type OptionalOperator =
  | 'FusedMatMul'
  | 'Gelu'
  | 'LogSoftmax'
  | 'QuickGelu'
  | 'RotaryEmbedding'
  | 'SimplifiedLayerNormalization'
  | 'SimplifiedLayerNormalization statistics'
  | 'SoftmaxCrossEntropyLoss'
  | 'exact angles'
  | 'int64';

const optionalOperators: readonly OptionalOperator[] = [
  'FusedMatMul',
  'Gelu',
  'LogSoftmax',
  'QuickGelu',
  'RotaryEmbedding',
  'SimplifiedLayerNormalization',
  'SimplifiedLayerNormalization statistics',
  'SoftmaxCrossEntropyLoss',
  'exact angles',
  'int64',
];

/** The ONNX that a runtime takes, and takes well. */
export interface Dialect {
  /** Which of the optional operators it has. */
  readonly operators: ReadonlySet<OptionalOperator>;
  /** A kernel costs time of its own, whatever it computes (6 µs on CUDA, 60 µs on WebGPU): fewer are better. */
  readonly fewKernels: boolean;
  /** Weights are handed over one by one, each under a name of its own, in the place of their files. */
  readonly weightsApart?: true;
}

/** What a graph calls the weight at place `index` of its `stored`, where weights are handed over one by one. */
export const weightName = (index: number) => `w${index}`;

/** ONNX Runtime's, operators of its own included, for the CPU. */
export const wholeDialect: Dialect = { operators: new Set(optionalOperators), fewKernels: false };

/** The ONNX standard alone: files for other runtimes, which fuse what they can themselves. */
export const standardDialect: Dialect = {
  operators: new Set(['LogSoftmax', 'SoftmaxCrossEntropyLoss', 'exact angles', 'int64']),
  fewKernels: false,
};

/** The operators of ONNX Runtime without some. */
export function operatorsWithout(missing: readonly OptionalOperator[]): ReadonlySet<OptionalOperator> {
  return new Set(optionalOperators.filter((one) => !missing.includes(one)));
}
