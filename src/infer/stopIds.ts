import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../files/json.js';
import type { OpenedModel } from '../models/loading/withHead.js';

/** Ids that end a text: of generation_config.json, of config.json, and the tokenizer's own. */
export async function stopIds({ model, tokenizer }: Pick<OpenedModel, 'model' | 'tokenizer'>): Promise<number[]> {
  const path = join(model.checkpoint.folder, 'generation_config.json');
  const generation = existsSync(path) ? await readJsonObject(path) : {};
  const stated = generation.eos_token_id ?? model.checkpoint.config.eos_token_id ?? tokenizer.eosTokenId;
  return [stated].flat().filter((id) => typeof id === 'number');
}
