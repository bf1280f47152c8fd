import * as z from 'zod';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { newTokensShape } from '../newTokens.js';
import { ownKeys } from '../ownKeys.js';
import { textBlocks } from '../pretraining/blocks.js';
import { documentsOf, documentsShape, holdsTextsAlone, refuseNothing, textRows } from '../pretraining/documents.js';
import { readingScorer } from '../pretraining/reading.js';
import { defineKind, type EncodeOptions, type TaskAsked } from './kind.js';
import { generationFacts, language, languageObjective } from './language.js';
import { maskedLm } from './maskedLm.js';
import { refuseLossChanges } from './perRow.js';
import type { WrittenPrediction } from './writtenAnswer.js';
import { endTokenId } from './writtenTexts.js';

/** Tokens that are written where a task file does not say. */
const usualNewTokens = 64;

/** Plain texts: a causal model goes on with its pretraining, token by token. */
export const causalLm = defineKind<WrittenPrediction>({
  ...textRows,
  name: 'causal-lm',
  keys: ['documents', 'maxNewTokens'],
  terms: ownKeys(z.object({ ...documentsShape, ...newTokensShape })),
  facts: ownKeys(z.object({ ...documentsShape, generation: generationFacts })),
  factsOf: (terms, table) => ({
    ...documentsOf(terms, table),
    generation: { prompt: '{text}', maxNewTokens: terms.maxNewTokens ?? usualNewTokens },
  }),
  maxLength: 256,
  metrics: () => ({ usual: ['loss', 'perplexity'], further: ['log_likelihood'], onRequest: ['log_likelihood'] }),
  recognises: holdsTextsAlone,

  taskType: 'CAUSAL_LM',
  insteadFor: (heads) => (!heads.includes('CAUSAL_LM') && heads.includes('MASKED_LM') ? maskedLm : undefined),
  outputs: () => 0,
  objective(changes) {
    refuseLossChanges(changes);
    return languageObjective;
  },
  encode,
  scorer: async (opened, task, examples, options) =>
    readingScorer(task, examples, await encode(opened, task, examples, options)),
  answerer: language.answerer,

  line: ({ text }) => text,
  describe: () => ['answers', 'texts that go on'],
  card: language.card,
  headConfig: () => ({}),
});

async function encode(
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { maxLength, signal }: EncodeOptions,
): Promise<EncodedExample[]> {
  const blocks = await textBlocks(opened.tokenizer, examples, {
    maxLength,
    endTokenId: await endTokenId(opened),
    signal,
  });
  refuseNothing(task, blocks.length);
  return blocks;
}
