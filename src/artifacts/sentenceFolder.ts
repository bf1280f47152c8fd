import { writeSentenceFiles } from '../checkpoint/sentenceTransformers.js';
import type { Model } from '../models/model.js';
import type { LearnedTask } from '../tasks/task.js';

/** Writes beside an adapter or a merged model what sentence-transformers makes vectors by, where the model gives vectors. */
export async function writeSentenceFolder(
  folder: string,
  { vectors, numLabels: width }: Pick<Model, 'vectors' | 'numLabels'>,
  { vectors: asked, maxLength }: Pick<LearnedTask, 'vectors'> & { readonly maxLength: number },
): Promise<void> {
  if (vectors === undefined) return;
  const prompts = { query: asked?.queryPrompt ?? '', document: asked?.passagePrompt ?? '' };
  await writeSentenceFiles(folder, { ...vectors, width, maxLength, prompts });
}
