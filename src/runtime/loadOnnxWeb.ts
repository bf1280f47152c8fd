import type { OnnxRuntimeWeb, WebDeviceName } from './onnxWeb.js';

/** onnxruntime-web, of the build that has the device. @throws Error where the package is not there */
export async function loadOnnxWeb(device: WebDeviceName): Promise<OnnxRuntimeWeb> {
  return device === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm');
}
