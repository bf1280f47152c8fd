import { DiffoError } from '../errors.js';
import type { GgufTokenizerFields } from '../tokenize/convert/index.js';
import type { GgufFile, GgufValue } from './gguf.js';
import { type GgufConfig, type GgufFamily, ggufFamilies } from './ggufFamilies.js';
import { ggufRopeScaling, numberOf } from './ggufRope.js';
import { refuseOthers, refuseSettings } from './ggufSettings.js';

/** What a file says of its model. */
export interface GgufModel {
  readonly family: GgufFamily;
  readonly layers: number;
  /** config.json */
  readonly config: GgufConfig;
}

/**
 * config.json from the metadata.
 * @param ropeFactors divisors of the rotary frequencies, where the file has them
 * @throws DiffoError for an architecture that is not known, and for metadata that is missing or not known
 */
export function ggufModel(gguf: GgufFile, ropeFactors: Float32Array | undefined): GgufModel {
  const { metadata, tensors, file } = gguf;
  refuseOthers(gguf);
  const architecture = String(metadata.get('general.architecture'));
  const family = Object.hasOwn(ggufFamilies, architecture) ? ggufFamilies[architecture] : undefined;
  if (family === undefined) {
    const known = Object.keys(ggufFamilies).join(', ');
    throw new DiffoError(`${file} is of the architecture "${architecture}"; of GGUF files, diffora reads ${known}.`);
  }
  const setting = (key: string) => metadata.get(`${architecture}.${key}`);
  const find = (key: string) => {
    const value = setting(key);
    if (!Array.isArray(value)) return numberOf(value);
    throw new DiffoError(
      `${file}: "${architecture}.${key}" is a list with a number for each layer, which is not supported.`,
    );
  };
  const need = (key: string) => {
    const value = find(key);
    if (value === undefined) throw new DiffoError(`${file} lacks "${architecture}.${key}". Convert the model again.`);
    return value;
  };
  const vocabulary = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[0];
  if (vocabulary === undefined) throw new DiffoError(`${file} has no token embeddings. Download it again.`);
  const headSize = find('attention.key_length') ?? need('embedding_length') / need('attention.head_count');
  refuseSettings(gguf, architecture, { headSize, vocabulary, read: family.settings });
  const has = (pattern: RegExp) => tensors.some(({ name }) => pattern.test(name));
  const ropeScaling = (context: number) =>
    ggufRopeScaling({ file, context, setting: (key) => setting(`rope.${key}`), factors: ropeFactors });
  const config = {
    ...family.config({ find, need, has, vocabulary, ropeScaling }),
    bos_token_id: numberOf(metadata.get('tokenizer.ggml.bos_token_id')),
    eos_token_id: endIds(metadata),
    pad_token_id: numberOf(metadata.get('tokenizer.ggml.padding_token_id')),
    torch_dtype: 'float32',
  };
  return { family, layers: need('block_count'), config };
}

/** The tokens that end a text: llama.cpp ends one at the end of a turn or a message too, where the file names such a token. */
function endIds(metadata: GgufFile['metadata']): number | readonly number[] | undefined {
  const ids = ['eos', 'eot', 'eom'].flatMap((name) => numberOf(metadata.get(`tokenizer.ggml.${name}_token_id`)) ?? []);
  const all = [...new Set(ids)];
  return all.length > 1 ? all : all[0];
}

/** What the metadata says of the tokenizer. @throws DiffoError where it has none */
export function ggufTokenizerFields({ metadata, file }: GgufFile): GgufTokenizerFields {
  const of = (key: string) => metadata.get(`tokenizer.ggml.${key}`);
  const texts = (key: string) => listOf(of(key))?.map(String);
  const numbers = (key: string) => listOf(of(key))?.map(Number);
  const tokens = texts('tokens');
  if (tokens === undefined)
    throw new DiffoError(`${file} has no tokenizer. Convert the model again, with its tokenizer.`);
  const flag = (key: string) => (typeof of(key) === 'boolean' ? (of(key) as boolean) : undefined);
  const template = metadata.get('tokenizer.chat_template');
  return {
    model: String(of('model')),
    pre: of('pre') === undefined ? undefined : String(of('pre')),
    tokens,
    scores: numbers('scores'),
    tokenTypes: numbers('token_type'),
    merges: texts('merges'),
    bosTokenId: numberOf(of('bos_token_id')),
    eosTokenId: numberOf(of('eos_token_id')),
    unknownTokenId: numberOf(of('unknown_token_id')),
    paddingTokenId: numberOf(of('padding_token_id')),
    addBosToken: flag('add_bos_token'),
    addEosToken: flag('add_eos_token'),
    addSeparatorToken: flag('add_sep_token'),
    addSpacePrefix: flag('add_space_prefix'),
    chatTemplate: typeof template === 'string' ? template : undefined,
  };
}

function listOf(value: GgufValue | undefined): readonly GgufValue[] | undefined {
  return Array.isArray(value) ? (value as readonly GgufValue[]) : undefined;
}
