import { type Dialect, operatorsWithout } from '../../graph/onnx/dialect.js';

/**
 * No kernel (`kernel not found in registries` in ONNX Runtime's log of 1.30), or one that leaves an output as it was: the
 * inverse root mean square of SimplifiedLayerNormalization. Cos and Sin of WGSL may be wrong by 2⁻¹¹, and by more outside of ±π, where
 * most angles of rotary positions are: float64 has no kernel there, so that these small tables are computed on the CPU.
 */
const missing = [
  'FusedMatMul',
  'LogSoftmax',
  'SimplifiedLayerNormalization statistics',
  'SoftmaxCrossEntropyLoss',
  'exact angles',
  'int64',
] as const;

/** What ONNX Runtime has on WebGPU, in a process of its own as in a browser. */
export const webgpuDialect: Dialect = { operators: operatorsWithout(missing), fewKernels: true };
