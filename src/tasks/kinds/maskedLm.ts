import * as z from 'zod';
import { noAdapters } from '../../adapters/plan.js';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError } from '../../errors.js';
import { type Candidate, openMaskFiller } from '../../infer/fillMasks.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import { ownKeys } from '../ownKeys.js';
import { documentsOf, documentsShape, refuseNothing, textRows } from '../pretraining/documents.js';
import { maskedSequences, maskTokenOf, remasked } from '../pretraining/masking.js';
import { readingScorer } from '../pretraining/reading.js';
import {
  type AnswerOptions,
  defineKind,
  type EncodeOptions,
  headSettings,
  type KindFacts,
  type TaskAsked,
} from './kind.js';
import { languageObjective } from './language.js';
import { isClass, type OwnHead } from './ownHead.js';
import { refuseLossChanges } from './perRow.js';

declare module './kind.js' {
  interface KindTerms {
    /** Masked tokens: the share that is masked. */
    readonly maskProbability?: number | undefined;
    /** Masked tokens: those of a word are masked together. */
    readonly wholeWords?: boolean | undefined;
  }
  interface KindFacts {
    /** How texts are masked. */
    readonly masking?: MaskingFacts | undefined;
  }
  interface Predictions {
    readonly filled: FilledPrediction;
  }
}

/** How the texts of a task are masked; task.json keeps it. */
export interface MaskingFacts {
  /** Share of tokens, or words, that is masked. */
  readonly probability: number;
  /** Tokens of a word are masked together. */
  readonly wholeWords: boolean;
}

/** A text whose masks are filled. */
export interface FilledPrediction {
  /** The text with the likeliest token in the place of each mask. */
  readonly text: string;
  /** For each mask the likeliest tokens, with their probabilities. */
  readonly masks: readonly (readonly FilledToken[])[];
}

/** A token that may stand in the place of a mask. */
export interface FilledToken {
  readonly token: string;
  readonly id: number;
  /** Its probability. */
  readonly score: number;
}

/** As BERT (arXiv 1810.04805) and transformers' collator. */
const usualMasking: MaskingFacts = { probability: 0.15, wholeWords: false };

/** Cross-entropy of the tokens at masked places, which are drawn anew in every step. */
export const maskedObjective: Objective = { ...languageObjective, redraw: remasked };

/** Plain texts: a model of masked tokens goes on with its pretraining. */
export const maskedLm = defineKind<FilledPrediction>({
  ...textRows,
  name: 'masked-lm',
  keys: ['documents', 'maskProbability', 'wholeWords'],
  terms: ownKeys(
    z.object({
      ...documentsShape,
      maskProbability: z.number().gt(0).max(1).optional(),
      wholeWords: z.boolean().optional(),
    }),
  ),
  facts: ownKeys(
    z.object({
      ...documentsShape,
      masking: z.strictObject({ probability: z.number().gt(0).max(1), wholeWords: z.boolean() }).optional(),
    }),
  ),
  ownFacts: ['masking'],
  factsOf: (terms, table) => ({
    ...documentsOf(terms, table),
    masking: {
      probability: terms.maskProbability ?? usualMasking.probability,
      wholeWords: terms.wholeWords ?? usualMasking.wholeWords,
    },
  }),
  /** Of a task that was described without them. */
  factsOfModel: (task) => ({ masking: maskingOf(task) }),
  maxLength: 256,
  metrics: () => ({ usual: ['loss', 'perplexity'], further: ['log_likelihood'], onRequest: ['log_likelihood'] }),

  taskType: 'MASKED_LM',
  outputs: () => 0,
  settings: headSettings,
  objective(changes) {
    refuseLossChanges(changes);
    return maskedObjective;
  },
  encode,
  /** The mask is the same at every scoring, whatever the seed of a run. */
  scorer: async (opened, task, examples, options) =>
    readingScorer(task, examples, await encode(opened, task, examples, options)),
  async answerer(adapted, { threads }) {
    const filler = await openMaskFiller(adapted, { threads });
    return {
      answer: (_task, examples, options) => fill(adapted.opened, filler.each, examples, options),
      release: filler.release,
    };
  },

  ownHead: savedMaskedHead(),

  line: ({ text }) => text,
  describe: () => ['answers', 'tokens in the place of masks'],
  card: () => ({
    pipeline: 'fill-mask',
    model: 'AutoModelForMaskedLM',
    line: [
      'inputs = tokenizer(f"a {tokenizer.mask_token} text", return_tensors="pt")',
      'ids = model(**inputs).logits[inputs["input_ids"] == tokenizer.mask_token_id].argmax(-1)',
      'tokens = tokenizer.convert_ids_to_tokens(ids)',
    ].join('\n'),
  }),
  headConfig: () => ({}),
  fromHead: ({ taskType }) =>
    taskType !== 'MASKED_LM'
      ? undefined
      : {
          labels: [],
          columns: { text: 'text', label: 'label' },
          metrics: ['loss', 'perplexity'],
          masking: usualMasking,
        },
});

async function encode(
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { maxLength, signal }: EncodeOptions,
): Promise<EncodedExample[]> {
  const sequences = await maskedSequences(opened, examples, { ...maskingOf(task), maxLength, signal });
  refuseNothing(task, sequences.length);
  return sequences;
}

function maskingOf({ masking }: KindFacts): MaskingFacts {
  return masking ?? usualMasking;
}

/** The head of checkpoints that were saved as models of masked tokens. */
function savedMaskedHead(): OwnHead {
  return {
    fits: ({ config }) => isClass(config, /ForMaskedLM$/),
    taskType: 'MASKED_LM',
    async open(opened, { threads }) {
      const filler = await openMaskFiller({ opened, plan: noAdapters, parameters: [] }, { threads });
      return {
        answer: (examples, options) => fill(opened, filler.each, examples, options),
        release: filler.release,
      };
    },
  };
}

/** Fills the masks of texts. @throws DiffoError for a text without a mask, or one that is cut off */
async function fill(
  opened: OpenedModel,
  each: Awaited<ReturnType<typeof openMaskFiller>>['each'],
  examples: readonly Example[],
  { signal, onDone, ...encoding }: AnswerOptions,
): Promise<FilledPrediction[]> {
  const { tokenizer } = opened;
  const { token, id } = maskTokenOf(opened);
  for (const { id: row, text } of examples) {
    if (!text.includes(token)) {
      throw new DiffoError(`Text ${row} has no ${token}, in whose place a token could stand. Write one into it.`);
    }
  }
  const encoded = await encodeSplit(tokenizer, examples, { ...encoding, signal }, 'texts');
  const found = await each(encoded, id, { signal, onBatch: onDone });
  return found.map((masks, i): FilledPrediction => {
    const { text, id: row } = examples[i]!;
    const parts = text.split(token);
    if (masks.length !== parts.length - 1) {
      throw new DiffoError(`Text ${row} loses a ${token} where it is cut. Shorten it, or raise --max-length.`);
    }
    const named = masks.map((candidates) => candidates.map((one) => namedToken(one, opened)));
    const filled = parts.map((part, place) => `${part}${named[place]?.[0]?.token ?? ''}`).join('');
    return { text: filled, masks: named };
  });
}

function namedToken({ id, score }: Candidate, { tokenizer }: Pick<OpenedModel, 'tokenizer'>): FilledToken {
  return { token: tokenizer.decode([id]).trim(), id, score };
}
