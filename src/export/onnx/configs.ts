import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../files/atomic.js';
import { readJsonObject } from '../../files/json.js';
import { configText, jsonAlike } from '../../files/jsonAlike.js';
import { stopIds } from '../../infer/stopIds.js';
import type { ExportSource } from '../source.js';

/** Writes config.json. @param external names of model files whose weights lie beside them */
export async function writeConfig(source: ExportSource, folder: string, external: readonly string[]): Promise<void> {
  const { model } = source.opened;
  // transformers.js makes empty caches from these; older configurations leave them out.
  const sizes = model.cached === undefined ? {} : cacheSizes(source.config, model.cached);
  const beside = Object.fromEntries(external.map((name) => [name, 1]));
  const config = {
    ...source.config,
    ...sizes,
    ...(external.length === 0 ? {} : { 'transformers.js_config': { use_external_data_format: beside } }),
  };
  const text = jsonAlike(config, await configText(model.checkpoint.folder));
  await writeFileAtomic(join(folder, 'config.json'), `${text}\n`);
}

function cacheSizes(
  config: Readonly<Record<string, unknown>>,
  { heads, headSize }: { readonly heads: number; readonly headSize: number },
): Record<string, unknown> {
  if (config.num_attention_heads === undefined) return {};
  return { num_key_value_heads: heads, head_dim: headSize };
}

/** Writes generation_config.json of a causal model: the base's own, and the ids that end a text. */
export async function writeGenerationConfig(source: ExportSource, folder: string): Promise<void> {
  const { model, tokenizer } = source.opened;
  if (model.outputsOf !== 'nextToken') return;
  const path = join(model.checkpoint.folder, 'generation_config.json');
  const stated = existsSync(path) ? await readJsonObject(path) : {};
  const ends = await stopIds({ model, tokenizer });
  const config = {
    ...stated,
    ...(tokenizer.bosTokenId === undefined ? {} : { bos_token_id: stated.bos_token_id ?? tokenizer.bosTokenId }),
    ...(ends.length === 0 ? {} : { eos_token_id: ends.length === 1 ? ends[0] : ends }),
    pad_token_id: stated.pad_token_id ?? tokenizer.padTokenId,
  };
  await writeFileAtomic(join(folder, 'generation_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
