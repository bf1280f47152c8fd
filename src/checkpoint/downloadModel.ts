import { join } from 'node:path';
import { DiffoError } from '../errors.js';
import { readJsonObject } from '../files/json.js';
import { TOKENIZER_FILES } from '../files/tokenizerFiles.js';
import { fillSnapshot, type HubOptions, type RemoteSnapshot } from '../hub/download.js';
import { MODULES_FILE, sentenceFilesAmong } from './sentenceTransformers.js';
import type { Snapshot } from './snapshot.js';
import {
  CONFIG_FILE,
  GENERATION_FILE,
  isQuantisation,
  TORCH_FILE,
  TORCH_INDEX_FILE,
  WEIGHTS_FILE,
  WEIGHTS_INDEX_FILE,
  weightMap,
} from './weightFiles.js';

export interface ModelDownloadOptions extends HubOptions {
  /** Which GGUF file of the repository, such as `Q4_K_M`. */
  readonly quantisation?: string | undefined;
}

/**
 * Downloads what diffora needs of a model (config, weights, tokenizer, how vectors are made; or one GGUF file) into a Python-layout cache.
 *
 * @param id `org/name`
 * @throws HubUnreachable when the hub cannot be reached or the connection breaks; DiffoError for everything else
 */
export function downloadModel(id: string, revision: string, options: ModelDownloadOptions): Promise<Snapshot> {
  return fillSnapshot({ type: 'model', name: id }, revision, options, async (snapshot) => {
    const { commit, folder, files } = snapshot;
    const chosen = chooseWeights(id, files, options.quantisation);
    if ('gguf' in chosen) {
      await snapshot.fetch([chosen.gguf]);
      return { folder, commit, file: join(folder, chosen.gguf) };
    }
    const known = [CONFIG_FILE, GENERATION_FILE, ...TOKENIZER_FILES].filter((file) => files.includes(file));
    const small = [...known, ...sentenceFilesAmong(files)];
    const weights = 'file' in chosen ? [chosen.file] : await fetchIndex(chosen.index, snapshot);
    await snapshot.fetch([...small, ...weights]);
    if (!files.includes('tokenizer.json')) await snapshot.markAbsent('tokenizer.json');
    return { folder, commit };
  });
}

/** @returns the files that the index names */
async function fetchIndex(index: string, snapshot: RemoteSnapshot): Promise<string[]> {
  await snapshot.fetch([index]);
  const path = join(snapshot.folder, index);
  return [...new Set(weightMap(await readJsonObject(path), path).values())].sort();
}

type Weights = { readonly file: string } | { readonly index: string } | { readonly gguf: string };

/**
 * The best weights of a repository: safetensors, else PyTorch's, else its one GGUF file; with a quantisation, the GGUF
 * file of that name. The same weights in other formats are not fetched.
 */
function chooseWeights(id: string, files: readonly string[], quantisation: string | undefined): Weights {
  const ggufs = files.filter((file) => file.endsWith('.gguf'));
  if (quantisation !== undefined) {
    const found = ggufs.filter((file) => isQuantisation(file, quantisation));
    if (found.length === 1) return { gguf: found[0]! };
    const which = found.length === 0 ? `no GGUF file of "${quantisation}"` : `several: ${found.join(', ')}`;
    const there = ggufs.length === 0 ? 'It has no GGUF files at all.' : `It has ${ggufs.join(', ')}.`;
    throw new DiffoError(`${id} has ${which}. ${there}`);
  }
  if (files.includes(CONFIG_FILE)) {
    if (files.includes(WEIGHTS_FILE)) return { file: WEIGHTS_FILE };
    if (files.includes(WEIGHTS_INDEX_FILE)) return { index: WEIGHTS_INDEX_FILE };
    if (files.includes(TORCH_FILE)) return { file: TORCH_FILE };
    if (files.includes(TORCH_INDEX_FILE)) return { index: TORCH_INDEX_FILE };
  }
  if (ggufs.length === 1) return { gguf: ggufs[0]! };
  if (ggufs.length > 1) {
    throw new DiffoError(`${id} has several GGUF files: ${ggufs.join(', ')}. Choose one, as in ${id}:Q8_0.`);
  }
  const inner = files.find((file) => /^[\w.-]+_Transformer\/config\.json$/.test(file));
  if (!files.includes(CONFIG_FILE) && files.includes(MODULES_FILE) && inner !== undefined) {
    throw new DiffoError(
      `${id} is a sentence-transformers model whose transformer lies in a folder of its own (${inner.split('/')[0]}), which is not ` +
        'downloaded by itself. Download the repository (`hf download`), and give its folder.',
    );
  }
  if (!files.includes(CONFIG_FILE))
    throw new DiffoError(`${id} is not a transformers model: it has no ${CONFIG_FILE}.`);
  throw new DiffoError(`${id} has neither ${WEIGHTS_FILE} nor ${TORCH_FILE} nor a GGUF file. Choose another model.`);
}
