// An optional peer: what is not installed has no types of its own.
declare module 'onnxruntime-web/wasm' {
  export { InferenceSession, Tensor } from 'onnxruntime-node';
}
declare module 'onnxruntime-web/webgpu' {
  export { InferenceSession, Tensor } from 'onnxruntime-node';
}
