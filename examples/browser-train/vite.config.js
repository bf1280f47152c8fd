// The worker loads onnxruntime-web when it opens a device.
export default { base: './', worker: { format: 'es' }, build: { target: 'esnext' } };
