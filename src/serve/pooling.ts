import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../files/json.js';
import type { Pooling } from '../infer/embed.js';
import { ApiError } from './apiError.js';

/** How sentence-transformers makes a vector of a text with a model. */
export interface SentenceSettings {
  readonly pooling: Pooling;
  /** Longest text in tokens, where it is said. */
  readonly maxLength: number | undefined;
}

const known: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
};

/**
 * Reads 1_Pooling/config.json and sentence_bert_config.json of a model's folder; the mean of all tokens where they are not there.
 * @throws ApiError (400) for a pooling that is not built
 */
export async function sentenceSettings(folder: string): Promise<SentenceSettings> {
  const [pooling, sentence] = [join(folder, '1_Pooling', 'config.json'), join(folder, 'sentence_bert_config.json')];
  const length = existsSync(sentence) ? (await readJsonObject(sentence)).max_seq_length : undefined;
  const maxLength = typeof length === 'number' ? length : undefined;
  if (!existsSync(pooling)) return { pooling: 'mean', maxLength };
  const config = await readJsonObject(pooling);
  const modes = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true);
  const stated = typeof config.pooling_mode === 'string' ? [`pooling_mode_${config.pooling_mode}`] : modes;
  const found =
    stated.length === 1
      ? (known[stated[0]!] ?? known[`${stated[0]}_token`] ?? known[`${stated[0]}_tokens`])
      : undefined;
  if (found !== undefined) return { pooling: found, maxLength };
  throw new ApiError(400, `The model pools by ${stated.join(' and ') || 'nothing'}; mean and cls are offered here.`);
}
