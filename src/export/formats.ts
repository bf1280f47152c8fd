import type { ExportFormat } from './format.js';
import { gguf } from './gguf.js';

/** Every format: a file and a word here. */
export const exportFormats: readonly ExportFormat[] = [gguf];
