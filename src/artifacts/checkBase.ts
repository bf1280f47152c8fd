import { weightsHash } from '../checkpoint/weightsHash.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import type { Reporter } from '../reporter.js';
import { type LoadedAdapter, mergedKey } from './adapterFolder.js';

/**
 * Holds an adapter to the base model that it was trained on, by the hash in its task.json.
 * @param anyBase take another one, with a warning
 * @throws DiffoError for another one
 */
export async function checkBase(
  { folder, task, sha256, baseModel }: Pick<LoadedAdapter, 'folder' | 'task' | 'sha256' | 'baseModel'>,
  { checkpoint }: Model,
  anyBase: boolean,
  { info, warn }: Pick<Reporter, 'info' | 'warn'>,
): Promise<void> {
  // A base that has the adapter folded in is told of where the adapter is placed.
  if (checkpoint.metadata[mergedKey] === sha256) return;
  if (task.baseSha256 === undefined) {
    info(`${folder} does not say which weights it was trained on, so ${checkpoint.folder} cannot be checked.`);
    return;
  }
  if (task.baseSha256 === (await weightsHash(checkpoint))) return;
  const fact = `The weights or the config.json in ${checkpoint.folder} are not those that ${folder} was trained on`;
  if (anyBase) {
    warn(`${fact}; taken all the same (--any-base).`);
    return;
  }
  throw new DiffoError(
    `${fact}. Give the right ${baseModel} by --model, or take --any-base where it is the same model in another form (float16, GGUF).`,
  );
}
