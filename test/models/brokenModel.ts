import { cp, open } from 'node:fs/promises';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { tinyModel } from '../cli/run.js';

/** A copy of a model with `change` made to the values of one of its float32 tensors. */
export async function changedModel(
  folder: string,
  tensor: string,
  change: (values: Float32Array) => void,
  from = tinyModel,
): Promise<string> {
  await cp(from, folder, { recursive: true });
  const { file, offset, length } = (await openCheckpoint(folder)).tensors.get(tensor)!;
  const handle = await open(file, 'r+');
  const bytes = new Uint8Array(length);
  await handle.read(bytes, 0, length, offset);
  change(new Float32Array(bytes.buffer));
  await handle.write(bytes, 0, length, offset);
  await handle.close();
  return folder;
}

/** A token of the tiny model's vocabulary that no row has unless a test puts it there. */
export const rareWord = 'they';

/** The tiny model with an infinite embedding of {@link rareWord}: whatever holds it has a loss of NaN, and nothing else. */
export async function modelWithInfinity(folder: string): Promise<string> {
  const id = await rareId();
  return changedModel(folder, 'embeddings.word_embeddings.weight', (values) =>
    values.fill(Number.POSITIVE_INFINITY, 32 * id, 32 * (id + 1)),
  );
}

export async function rareId(): Promise<number> {
  return (await loadTokenizer(tinyModel)).encodePlain(rareWord)[0]!;
}
