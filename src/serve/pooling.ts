import { readSentenceFiles } from '../checkpoint/sentenceTransformers.js';
import { poolings, type VectorOptions } from '../models/pooling.js';
import { ApiError } from './apiError.js';

/** How sentence-transformers makes a vector of a text with a model. */
export interface SentenceSettings {
  /** Of length 1, as OpenAI's are. */
  readonly vectors: VectorOptions;
  /** Longest text in tokens, where it is said. */
  readonly maxLength: number | undefined;
}

/**
 * What a model's folder says; the mean of all tokens where it does not.
 * @throws ApiError (400) for a pooling that is not built
 */
export async function sentenceSettings(folder: string): Promise<SentenceSettings> {
  const { poolings: stated = ['mean'], maxLength } = await readSentenceFiles(folder);
  const found = stated.length === 1 ? poolings.find((one) => one === stated[0]) : undefined;
  if (found !== undefined) return { vectors: { pooling: found, normalize: true }, maxLength };
  const what = stated.join(' and ') || 'nothing';
  throw new ApiError(400, `The model pools by ${what}; ${poolings.join(', ')} are offered here.`);
}
