import type { Model } from '../../../models/model.js';
import type { GgufArchitecture } from './architecture.js';
import { gpt2 } from './gpt2.js';
import { llama, qwen2 } from './llama.js';

/** Every family that can be written: a word each. */
const architectures: readonly GgufArchitecture[] = [llama, qwen2, gpt2];

/** The architecture of a model; undefined where llama.cpp's has no place for it here. */
export function ggufArchitecture({ checkpoint }: Pick<Model, 'checkpoint'>): GgufArchitecture | undefined {
  return architectures.find(({ modelTypes }) => modelTypes.includes(String(checkpoint.config.model_type)));
}

/** What of `model_type` can be written. */
export const architectureNames: readonly string[] = architectures.flatMap(({ modelTypes }) => modelTypes);
