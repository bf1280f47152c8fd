import type { ExportFormat } from './format.js';
import { gguf } from './gguf.js';
import { onnx } from './onnx.js';

/** Every format that models are exported in, by name: a line each. */
export const exportFormats = { onnx, gguf } as const satisfies Readonly<Record<string, ExportFormat>>;
/** Name of a format that models are exported in. */
export type ExportFormatName = keyof typeof exportFormats;
