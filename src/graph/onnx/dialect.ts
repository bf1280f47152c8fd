/**
 * What not every runtime has a kernel for. A primitive that would be written with it has another way to write itself, of
 * operators that all have. `int64`: comparisons of int64, and their results as numbers; `… statistics`: the second output;
 * `exact angles`: Cos and Sin to the last bits of float32, whatever their arguments.
 */
export const optionalOperators = [
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
] as const;
export type OptionalOperator = (typeof optionalOperators)[number];

/** The ONNX that a runtime takes: which of the optional operators it has. */
export type Dialect = ReadonlySet<OptionalOperator>;

/** ONNX Runtime's, operators of its own included. */
export const wholeDialect: Dialect = new Set(optionalOperators);

/** The ONNX standard alone: files for other runtimes, which fuse what they can themselves. */
export const standardDialect: Dialect = new Set(['LogSoftmax', 'SoftmaxCrossEntropyLoss', 'exact angles', 'int64']);

/** A dialect without some of its operators. */
export function dialectWithout(dialect: Dialect, missing: readonly OptionalOperator[]): Dialect {
  return new Set([...dialect].filter((one) => !missing.includes(one)));
}
