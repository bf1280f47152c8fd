import * as z from 'zod';
import { cellOf, type Table } from '../../data/readers/index.js';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { DiffoError } from '../../errors.js';
import type { OpenedModel } from '../../models/loading/openedModel.js';
import { chatFormat } from '../chat/chatFormat.js';
import { answerSequences, chatLengths } from '../chat/chatSequences.js';
import { type Conversation, textOfTurns } from '../chat/conversation.js';
import { namedTemplate } from '../chat/namedTemplates.js';
import {
  chatFactsSchema,
  ownTemplate,
  replyAnswerer,
  talkingCard,
  talkOf,
  usualNewTokens,
  warnOfUsual,
} from '../chat/talking.js';
import { ownKeys } from '../ownKeys.js';
import { withReference } from '../preference/answers.js';
import { holdsPreferences, preferenceRow, preferencesNote, usualChosen, usualPrompts } from '../preference/forms.js';
import type { JudgedAnswers } from '../preference/judged.js';
import {
  type PreferenceLoss,
  type PreferenceLossName,
  preferenceLosses,
  preferenceLossNames,
} from '../preference/losses.js';
import { learnedWhole, preferenceObjective } from '../preference/objective.js';
import { pairScorer } from '../preference/score.js';
import { defineKind, type EncodeOptions, type FactSettings, type KindFacts, type TaskAsked } from './kind.js';
import type { WrittenPrediction } from './writtenAnswer.js';
import { endTokenId } from './writtenTexts.js';

declare module './kind.js' {
  interface KindFacts {
    /** What is learned of answers that were judged. */
    readonly preference?: PreferenceFacts | undefined;
  }
}

/** What is learned of answers that were judged; task.json keeps it. */
export interface PreferenceFacts {
  /** By TRL's name. */
  readonly loss: PreferenceLossName;
  /** How much a change of log-likelihood counts as reward. */
  readonly beta: number;
  /** SimPO's γ: by how much the chosen answer is to be worth more. */
  readonly simpoGamma?: number | undefined;
}

const factsShape = {
  chat: chatFactsSchema,
  preference: z
    .strictObject({
      loss: z.enum(preferenceLossNames),
      beta: z.number().positive(),
      simpoGamma: z.number().nonnegative().optional(),
    })
    .optional(),
};

const usualLoss: PreferenceLossName = 'sigmoid';

/** Two answers to a prompt, of which one is preferred: a causal model learns to write such ones. */
export const preference = defineKind<WrittenPrediction>({
  name: 'preference',
  columns: { text: usualPrompts, label: [usualChosen], pair: [], inOtherForms: true },
  keys: ['maxNewTokens'],
  facts: ownKeys(z.object(factsShape)),
  ownFacts: Object.keys(factsShape) as (keyof typeof factsShape)[],
  factsOf: ({ maxNewTokens = usualNewTokens }) => ({
    chat: { trainOn: 'last', maxNewTokens },
    preference: learnedBy({}),
  }),
  async factsOfRun({ chatTemplate, loss, beta, simpoGamma }, task, before) {
    const template = chatTemplate === undefined ? before?.chat?.template : await namedTemplate(chatTemplate);
    return {
      chat: { ...talkOf(task), ...(template === undefined ? {} : { template }) },
      preference: learnedBy({ loss, beta, simpoGamma }),
    };
  },
  metrics: () => ({ usual: ['reward_accuracy', 'reward_margin', 'chosen_reward', 'rejected_reward', 'loss'] }),

  recognises: holdsPreferences,
  inColumns(table, { columns }) {
    const { text, label } = columns;
    const rows = table.rows.map((row) => {
      const { prompt, judged } = preferenceRow(table.path, row, columns);
      return { ...row, values: { [text]: prompt, ...(judged === undefined ? {} : { [label]: judged }) } };
    });
    const told: Table = { path: table.path, columns: rows.length === 0 ? [] : [text, label], rows };
    return { ...told, notes: [preferencesNote(told)] };
  },
  example({ columns }, row) {
    const conversation = cellOf(row, columns.text) as Conversation;
    const judged = cellOf(row, columns.label) as JudgedAnswers | undefined;
    const text = textOfTurns(conversation.messages);
    return { id: String(row.line), text, conversation, ...(judged === undefined ? {} : { judged }) };
  },
  isLabelled: ({ judged }) => judged !== undefined,
  unlabelled: `neither "${usualChosen}" nor "rejected" is there, so that there is nothing to learn. Add both, or remove the row`,
  labelCounts: () => ({}),

  taskType: 'CAUSAL_LM',
  outputs: () => 0,
  settings: ['chatTemplate', 'labelSmoothing', 'loss', 'beta', 'simpoGamma'],
  objective(changes, task) {
    const { loss, beta, simpoGamma = 0 } = learnedOf(task ?? {});
    return preferenceObjective(loss, { beta, simpoGamma, labelSmoothing: changes?.settings.labelSmoothing ?? 0 });
  },
  sequenceLengths: async (opened, task, examples, { signal }) =>
    chatLengths(opened.tokenizer, examples, { ...(await howOf(opened, task)), signal }, conversationsOf),
  async encode(opened, task, examples, options) {
    warnOfUsual(opened, task, options);
    const pairs = (await encodedPairs(opened, task, examples, options)).filter((pair) => pair !== undefined);
    const { learnsChosen }: PreferenceLoss = preferenceLosses[learnedOf(task).loss];
    if (pairs.length > 0) {
      return pairs.map(([chosen, rejected]) => ({
        ...(learnsChosen ? learnedWhole(chosen) : chosen),
        further: [rejected],
      }));
    }
    throw new DiffoError(`No answers of ${task.name} fit into ${options.maxLength} tokens. Raise --max-length.`);
  },
  async scorer(opened, task, examples, options) {
    const { loss, beta, simpoGamma = 0 } = learnedOf(task);
    const pairs = await encodedPairs(opened, task, examples, options);
    const learned = { beta, simpoGamma, labelSmoothing: 0 };
    return pairScorer(pairs, { loss: preferenceLosses[loss], options: learned, metrics: task.metrics });
  },
  answerer: replyAnswerer,

  line: ({ text }) => text,
  describe: () => ['answers', 'turns of an assistant, by what is preferred'],
  chatTemplate: ownTemplate,
  card: () => talkingCard,
  headConfig: () => ({}),
});

function learnedBy({ loss = usualLoss, ...asked }: Omit<FactSettings, 'trainOn' | 'chatTemplate'>): PreferenceFacts {
  const { usual }: PreferenceLoss = preferenceLosses[loss];
  const { beta = usual.beta, simpoGamma = usual.simpoGamma } = asked;
  return { loss, beta, ...(usual.simpoGamma === undefined ? {} : { simpoGamma }) };
}

function learnedOf({ preference: facts }: Pick<KindFacts, 'preference'>): PreferenceFacts {
  return facts ?? learnedBy({});
}

/** How answers of a task are written under a model: what is learned is the answer alone. */
async function howOf(opened: OpenedModel, task: TaskAsked) {
  const format = chatFormat(opened.tokenizer, task.chat);
  return { format, trainOn: 'last', endTokenId: await endTokenId(opened) } as const;
}

/** The prompt with each of its answers. */
function conversationsOf({ id, conversation, judged }: Example): readonly Conversation[] {
  if (conversation === undefined || !('messages' in conversation) || judged === undefined) {
    throw new DiffoError(`Row ${id} has no answers to learn from or to score by. Add them or remove it.`);
  }
  const { messages } = conversation;
  return [judged.chosen, judged.rejected].map((answer) => ({ ...conversation, messages: [...messages, answer] }));
}

/** The chosen and the rejected answer of each example, with their reference where the loss reads it. */
async function encodedPairs(
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  options: EncodeOptions,
): Promise<(readonly [EncodedExample, EncodedExample] | undefined)[]> {
  const { readsReference }: PreferenceLoss = preferenceLosses[learnedOf(task).loss];
  const how = await howOf(opened, task);
  const pairs = await answerSequences(opened.tokenizer, examples, conversationsOf, { ...how, ...options });
  const flat = pairs.flatMap((pair) => pair ?? []);
  const known = readsReference ? await withReference(opened, flat, options) : flat;
  let next = 0;
  return pairs.map((pair) => (pair === undefined ? undefined : [known[next++]!, known[next++]!]));
}
