import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DiffoError } from '../errors.js';
import { makeFolders, writeFileAtomic } from '../files/atomic.js';
import { readJsonObject, readSettingsText } from '../files/json.js';
import { isJsonObject, parseJson } from '../files/jsonText.js';

/** The list of what a sentence-transformers model is made of. */
export const MODULES_FILE = 'modules.json';

/**
 * The folder of a sentence-transformers model that holds the transformer, where that is a folder of its own, such as
 * `0_Transformer`; undefined where it is the model's folder itself.
 * @throws DiffoError where modules.json names no transformer, or leads out of the folder
 */
export async function transformerFolder(folder: string): Promise<string | undefined> {
  const path = join(folder, MODULES_FILE);
  const all = await modulesIn(path);
  const found = all.find(({ type }) => isOfType(type, 'Transformer'));
  if (found === undefined) {
    const types = all.map(typeName).join(', ');
    throw new DiffoError(`${path} names no transformer among its modules (${types}). Take another model.`);
  }
  if (found.path === '') return undefined;
  if (typeof found.path !== 'string' || !/^\w[\w.-]*$/.test(found.path)) {
    throw new DiffoError(`${path}: the path ${JSON.stringify(found.path)} of the transformer is no folder beside it.`);
  }
  return join(folder, found.path);
}

/** Those of a repository's files that {@link readSentenceFiles} reads, or sentence-transformers does beside a tokenizer. */
export function sentenceFilesAmong(files: readonly string[]): string[] {
  const own = [MODULES_FILE, 'sentence_bert_config.json', 'config_sentence_transformers.json'];
  return files.filter((file) => own.includes(file) || /^[\w.-]*Pooling\/config\.json$/.test(file));
}

/** What a folder says of how sentence-transformers makes a vector of a text. */
export interface SentenceFiles {
  /** Poolings by sentence-transformers' names, of which it joins several; undefined where the folder does not say. */
  readonly poolings: readonly string[] | undefined;
  /** Whether vectors are scaled to length 1; undefined where the folder does not say. */
  readonly normalize: boolean | undefined;
  /** Longest text in tokens, where it is said. */
  readonly maxLength: number | undefined;
  /** Modules that do something else, by their types. */
  readonly others: readonly string[];
}

/** Reads modules.json, the pooling's config.json and sentence_bert_config.json of a model's folder, as far as they are there. */
export async function readSentenceFiles(folder: string): Promise<SentenceFiles> {
  const path = join(folder, MODULES_FILE);
  const modules = existsSync(path) ? await modulesIn(path) : undefined;
  const place = modules?.find(({ type }) => isOfType(type, 'Pooling'))?.path;
  const [pooling, sentence] = [
    join(folder, typeof place === 'string' && /^\w[\w.-]*$/.test(place) ? place : '1_Pooling', 'config.json'),
    join(folder, 'sentence_bert_config.json'),
  ];
  const length = existsSync(sentence) ? (await readJsonObject(sentence)).max_seq_length : undefined;
  const known = ['Transformer', 'Pooling', 'Normalize'];
  return {
    poolings: existsSync(pooling) ? poolingsOf(await readJsonObject(pooling)) : undefined,
    normalize: modules?.some(({ type }) => isOfType(type, 'Normalize')),
    maxLength: typeof length === 'number' ? length : undefined,
    others: (modules ?? []).map(typeName).filter((type) => !known.includes(type)),
  };
}

/** `mean` of `pooling_mode_mean_tokens: true`, as files had it before version 6, and of `pooling_mode: mean`. */
function poolingsOf(config: Readonly<Record<string, unknown>>): readonly string[] {
  const { pooling_mode: stated } = config;
  if (typeof stated === 'string') return [stated];
  if (Array.isArray(stated)) return stated.map(String);
  const modes = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true);
  return modes.map((key) => key.slice('pooling_mode_'.length).replace(/^(mean|max|cls|weightedmean)_tokens?$/, '$1'));
}

async function modulesIn(path: string): Promise<Record<string, unknown>[]> {
  const modules = parseJson(await readSettingsText(path), (reason) => `${path} is not valid JSON (${reason}).`);
  return Array.isArray(modules) ? modules.filter(isJsonObject) : [];
}

const typeName = ({ type }: Readonly<Record<string, unknown>>) => String(type).split('.').at(-1)!;

function isOfType(type: unknown, name: string): boolean {
  return typeof type === 'string' && typeName({ type }) === name;
}

/** How a written folder makes vectors of texts. */
export interface SentenceModel {
  /** By sentence-transformers' name. */
  readonly pooling: string;
  readonly normalize: boolean;
  /** Numbers of a vector. */
  readonly width: number;
  /** Longest text in tokens. */
  readonly maxLength: number;
  /** What stands before a text, by what it is. */
  readonly prompts: { readonly query: string; readonly document: string };
}

/** Writes beside a model or an adapter what sentence-transformers (versions 2 to 6) needs to make vectors with it. */
export async function writeSentenceFiles(folder: string, model: SentenceModel): Promise<void> {
  const { pooling, normalize, width, maxLength, prompts } = model;
  const modules = ['', '1_Pooling', ...(normalize ? ['2_Normalize'] : [])].map((path, idx) => ({
    idx,
    name: String(idx),
    path,
    type: `sentence_transformers.models.${['Transformer', 'Pooling', 'Normalize'][idx]}`,
  }));
  const write = (name: string, value: unknown) =>
    writeFileAtomic(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await makeFolders(join(folder, '1_Pooling'));
  await write(MODULES_FILE, modules);
  await write('1_Pooling/config.json', {
    word_embedding_dimension: width,
    pooling_mode_cls_token: pooling === 'cls',
    pooling_mode_mean_tokens: pooling === 'mean',
    pooling_mode_max_tokens: false,
    pooling_mode_mean_sqrt_len_tokens: false,
    pooling_mode_weightedmean_tokens: false,
    pooling_mode_lasttoken: pooling === 'lasttoken',
    include_prompt: true,
  });
  await write('sentence_bert_config.json', { max_seq_length: maxLength, do_lower_case: false });
  await write('config_sentence_transformers.json', {
    prompts,
    default_prompt_name: null,
    similarity_fn_name: 'cosine',
  });
}
