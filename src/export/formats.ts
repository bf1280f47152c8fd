import type { ExportFormat } from './format.js';
import { onnx } from './onnx.js';

/** Every format that models are exported in, by name: a line each. */
export const exportFormats = { onnx } as const satisfies Readonly<Record<string, ExportFormat>>;
export type ExportFormatName = keyof typeof exportFormats;
