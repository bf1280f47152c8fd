export { grad, pullback } from './grad.js';
export { type EmittedGraph, emitGraph } from './onnx/emit.js';
export { ops } from './ops.js';
export { type Dim, multiplyDims, type Shape, showShape } from './shape.js';
export { constant, type DType, input, type StoredLocation, stored, type Tensor } from './tensor.js';
