import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import { readJsonObject } from '../../files/json.js';
import { gpt2Tokenizer, readMerges, robertaTokenizer, type Vocabulary } from './byteLevelBpe.js';
import type { Settings, TokenizerDescription } from './description.js';
import {
  albertTokenizer,
  debertaTokenizer,
  llamaTokenizer,
  t5Tokenizer,
  xlmRobertaTokenizer,
} from './sentencePiece.js';
import { parseSentencePiece, type SentencePieceModel } from './sentencePieceModel.js';
import { wordPieceTokenizer } from './wordPiece.js';

type Kind = 'bert' | 'gpt2' | 'roberta' | 'deberta' | 'albert' | 'xlm-roberta' | 'llama' | 't5';

/** Kinds by `model_type` of config.json, and by what `tokenizer_class` starts with, capitals aside. */
const kindByName: Readonly<Record<string, Kind>> = {
  bert: 'bert',
  distilbert: 'bert',
  electra: 'bert',
  gpt2: 'gpt2',
  roberta: 'roberta',
  'deberta-v2': 'deberta',
  debertav2: 'deberta',
  albert: 'albert',
  'xlm-roberta': 'xlm-roberta',
  xlmroberta: 'xlm-roberta',
  llama: 'llama',
  mistral: 'llama',
  t5: 't5',
  mt5: 't5',
  umt5: 't5',
};

/** Files of each kind: the first names that are all there are read. */
const filesOfKind: Readonly<Record<Kind, readonly (readonly string[])[]>> = {
  bert: [['vocab.txt']],
  gpt2: [
    ['vocab.json', 'merges.txt'],
    ['vocab.json', 'vocab.bpe'],
  ],
  roberta: [
    ['vocab.json', 'merges.txt'],
    ['vocab.json', 'vocab.bpe'],
  ],
  deberta: [['spm.model'], ['spiece.model']],
  albert: [['spiece.model']],
  'xlm-roberta': [['sentencepiece.bpe.model'], ['tokenizer.model']],
  llama: [['tokenizer.model']],
  t5: [['spiece.model']],
};

/** Larger than any vocabulary; a limit so that a wrong file cannot fill the memory. */
const largestFile = 64 * 1024 * 1024;

/**
 * Makes the tokenizer.json that a folder does not have out of the files it has: vocab.txt (WordPiece), vocab.json with
 * merges.txt (byte-level BPE), or a SentencePiece `.model`. What stands around a text and how it is normalised follow
 * `tokenizer_class` of tokenizer_config.json, else `model_type` of config.json.
 *
 * @param settings tokenizer_config.json and special_tokens_map.json
 * @throws DiffoError when the folder has no such files, they are broken, or it cannot be told what they are for
 */
export async function convertedTokenizer(
  folder: string,
  settings: Settings,
  modelConfig: Readonly<Record<string, unknown>>,
): Promise<TokenizerDescription> {
  const kind = kindOf(settings, modelConfig);
  const has = (name: string) => existsSync(join(folder, name));
  if (kind === undefined) {
    const known = Object.values(filesOfKind).flat(2).filter(has);
    const found =
      known.length === 0
        ? ''
        : ` It has ${[...new Set(known)].join(', ')}, but neither tokenizer_class nor model_type says whose.`;
    throw new DiffoError(`${folder} has no tokenizer.json.${found} ${cure}`);
  }
  const names = filesOfKind[kind].find((files) => files.every(has));
  if (names === undefined) {
    const wanted = filesOfKind[kind].map((files) => files.join(' with ')).join(', or ');
    throw new DiffoError(`${folder} has no tokenizer.json, nor ${wanted}. ${cure}`);
  }
  const path = join(folder, names.at(-1)!);
  try {
    return await readers[kind](folder, names, settings);
  } catch (error) {
    if (error instanceof DiffoError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(`${path} is no vocabulary that can be used: ${reason}. Fetch the file again.`, {
      cause: error,
    });
  }
}

const cure =
  "Fetch it from the model's page, or make it in Python with AutoTokenizer.from_pretrained(model).save_pretrained(folder).";

function kindOf(settings: Settings, { model_type: modelType }: Readonly<Record<string, unknown>>): Kind | undefined {
  const named = settings.tokenizer_class;
  if (typeof named === 'string') {
    const start = named.replace(/Tokenizer(Fast)?$/, '').toLowerCase();
    const kind = Object.hasOwn(kindByName, start) ? kindByName[start] : undefined;
    if (kind !== undefined) return kind;
  }
  return typeof modelType === 'string' && Object.hasOwn(kindByName, modelType) ? kindByName[modelType] : undefined;
}

type Reader = (folder: string, names: readonly string[], settings: Settings) => Promise<TokenizerDescription>;

const bpe =
  (make: (vocab: Vocabulary, merges: readonly string[], settings: Settings) => TokenizerDescription): Reader =>
  async (folder, [vocab, merges], settings) => {
    const ids = await readJsonObject(join(folder, vocab!));
    const wrong = Object.entries(ids).find(([, id]) => !Number.isSafeInteger(id) || (id as number) < 0);
    if (wrong !== undefined) throw new DiffoError(`${join(folder, vocab!)}: the id of "${wrong[0]}" is no number.`);
    return make(ids as Vocabulary, readMerges(await readText(join(folder, merges!))), settings);
  };

const sentencePiece =
  (make: (model: SentencePieceModel, settings: Settings) => TokenizerDescription): Reader =>
  async (folder, [name], settings) =>
    make(parseSentencePiece(await readBytes(join(folder, name!))), settings);

const readers: Readonly<Record<Kind, Reader>> = {
  bert: async (folder, [name], settings) => wordPieceTokenizer(await readText(join(folder, name!)), settings),
  gpt2: bpe(gpt2Tokenizer),
  roberta: bpe(robertaTokenizer),
  deberta: sentencePiece(debertaTokenizer),
  albert: sentencePiece(albertTokenizer),
  'xlm-roberta': sentencePiece(xlmRobertaTokenizer),
  llama: sentencePiece(llamaTokenizer),
  t5: sentencePiece(t5Tokenizer),
};

async function readText(path: string): Promise<string> {
  return new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(path));
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > largestFile) throw new DiffoError(`${path} has ${size} bytes, too many for a vocabulary.`);
    return await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}
