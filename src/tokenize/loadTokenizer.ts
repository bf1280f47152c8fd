import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../files/errors.js';
import { readJsonObject } from '../files/json.js';
import { TOKENIZER_FILES } from '../files/tokenizerFiles.js';
import { configured } from './configured.js';
import { convertedTokenizer } from './convert/index.js';
import { type TokenizerFiles, tokenizerOf } from './tokenizerOf.js';
import type { Tokenizer } from './types.js';

/**
 * Opens the tokenizer of a Hugging Face folder: `tokenizer.json`, or the files that it can be made of, with
 * `tokenizer_config.json`, `special_tokens_map.json` and `config.json` where they exist. Gives the ids that Python's
 * `transformers` gives.
 *
 * @throws DiffoError when tokenizer.json is missing, broken or of a kind that is not supported
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  return tokenizerOf(await readTokenizer(folder));
}

/** Reads the tokenizer files of a folder. @throws DiffoError where there are none, or they are broken */
export async function readTokenizer(folder: string): Promise<TokenizerFiles> {
  const path = join(folder, 'tokenizer.json');
  const config = await readOptional(join(folder, 'tokenizer_config.json'));
  const specialTokens = await readOptional(join(folder, 'special_tokens_map.json'));
  const modelConfig = await readOptional(join(folder, 'config.json'));
  const settings = { ...specialTokens, ...config };
  const description = existsSync(path)
    ? configured(await readJsonObject(path), settings)
    : { ...(await convertedTokenizer(folder, settings, modelConfig)) };
  return {
    path,
    description,
    config,
    specialTokens,
    settings,
    modelConfig,
    chatTemplate: await readChatTemplate(folder),
    files: TOKENIZER_FILES.map((name) => join(folder, name)).filter((file) => existsSync(file)),
  };
}

async function readOptional(path: string): Promise<Record<string, unknown>> {
  return existsSync(path) ? readJsonObject(path) : {};
}

/** chat_template.jinja, where it is there. */
async function readChatTemplate(folder: string): Promise<string | undefined> {
  const path = join(folder, 'chat_template.jinja');
  if (!existsSync(path)) return undefined;
  return readFile(path, 'utf8').catch((error) => {
    throw fileError(error, path, 'read');
  });
}
