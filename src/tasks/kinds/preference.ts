import * as z from 'zod';
import { cellOf } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { DiffoError, usageError } from '../../errors.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
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
import { newTokensShape } from '../newTokens.js';
import { ownKeys } from '../ownKeys.js';
import { withReference } from '../preference/answers.js';
import {
  holdsPreferences,
  preferenceRows,
  preferencesNote,
  usualJudgements,
  usualPrompts,
} from '../preference/forms.js';
import { isPair, type JudgedAnswer, type JudgedAnswers, type JudgedForm } from '../preference/judged.js';
import {
  type PreferenceLoss,
  type PreferenceLossName,
  type PreferenceOptions,
  preferenceLosses,
  preferenceLossNames,
} from '../preference/losses.js';
import { learnedWhole, preferenceObjective } from '../preference/objective.js';
import { answerScorer } from '../preference/score.js';
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
  /** KTO: what the loss of a good answer counts. */
  readonly desirableWeight?: number | undefined;
  /** KTO: what the loss of a bad answer counts. */
  readonly undesirableWeight?: number | undefined;
}

const factsShape = {
  chat: chatFactsSchema,
  preference: z
    .strictObject({
      loss: z.enum(preferenceLossNames),
      beta: z.number().positive(),
      simpoGamma: z.number().nonnegative().optional(),
      desirableWeight: z.number().positive().optional(),
      undesirableWeight: z.number().positive().optional(),
    })
    .optional(),
};

/** The loss of a form of rows, where nothing is said. */
const usualLosses = { pairs: 'sigmoid', labels: 'kto' } as const satisfies Readonly<
  Record<JudgedForm, PreferenceLossName>
>;

/** What rows of a form hold. */
const told: Readonly<Record<JudgedForm, string>> = {
  pairs: 'a chosen and a rejected answer',
  labels: 'an answer and its label',
};

/** Two answers to a prompt, of which one is preferred: a causal model learns to write such ones. */
export const preference = defineKind<WrittenPrediction>({
  name: 'preference',
  columns: { text: usualPrompts, label: usualJudgements, pair: [], inOtherForms: true },
  keys: ['maxNewTokens'],
  terms: ownKeys(z.object(newTokensShape)),
  facts: ownKeys(z.object(factsShape)),
  ownFacts: Object.keys(factsShape) as (keyof typeof factsShape)[],
  factsOf({ maxNewTokens = usualNewTokens }, { rows }, { label }) {
    const judged = rows.map((row) => cellOf(row, label) as JudgedAnswers | JudgedAnswer | undefined);
    const first = judged.find((one) => one !== undefined);
    const loss = usualLosses[first === undefined || isPair(first) ? 'pairs' : 'labels'];
    return { chat: { trainOn: 'last', maxNewTokens }, preference: learnedBy({ loss }) };
  },
  async factsOfRun({ trainOn: _, chatTemplate, loss: asked, ...options }, task, before) {
    const { loss: usual } = learnedOf(task);
    const loss = asked ?? usual;
    const [needed, there] = [preferenceLosses[loss].form, preferenceLosses[usual].form];
    if (needed !== there) {
      const fitting = preferenceLossNames.filter((name) => preferenceLosses[name].form === there);
      throw usageError(
        `loss ${loss} learns from rows of ${told[needed]}, and these are of ${told[there]}. Choose from ${fitting.join(', ')}, or give other rows.`,
      );
    }
    const { usual: read }: PreferenceLoss = preferenceLosses[loss];
    const idle = Object.entries(options).find(([key, value]) => value !== undefined && !Object.hasOwn(read, key));
    if (idle !== undefined) throw usageError(`${idle[0]} is not read with loss ${loss}. Leave it out.`);
    const template = chatTemplate === undefined ? before?.chat?.template : await namedTemplate(chatTemplate);
    return {
      chat: { ...talkOf(task), ...(template === undefined ? {} : { template }) },
      preference: learnedBy({ loss, ...options }),
    };
  },
  metrics(_, task) {
    const usual = ['reward_margin', 'chosen_reward', 'rejected_reward', 'loss'] as const;
    return {
      usual: preferenceLosses[learnedOf(task ?? {}).loss].form === 'pairs' ? ['reward_accuracy', ...usual] : usual,
    };
  },

  recognises: holdsPreferences,
  inColumns(table, { columns }) {
    const { text, label } = columns;
    const found = preferenceRows(table, columns);
    const rows = table.rows.map((row, i) => {
      const { prompt, judged } = found[i]!;
      return { ...row, values: { [text]: prompt, ...(judged === undefined ? {} : { [label]: judged }) } };
    });
    const path = table.path;
    return { path, columns: rows.length === 0 ? [] : [text, label], rows, notes: [preferencesNote(path, found)] };
  },
  example({ columns }, row) {
    const conversation = cellOf(row, columns.text) as Conversation;
    const judged = cellOf(row, columns.label) as JudgedAnswers | JudgedAnswer | undefined;
    const plain = { id: String(row.line), text: textOfTurns(conversation.messages), conversation };
    if (judged === undefined) return plain;
    return { ...plain, judged, ...(isPair(judged) ? {} : { label: judged.isDesirable ? 1 : 0 }) };
  },
  isLabelled: ({ judged }) => judged !== undefined,
  unlabelled:
    'neither "chosen" and "rejected" nor "completion" and "label" are there, so that there is nothing to learn. Add them, or remove the row',
  checkTraining(_, examples, { path }) {
    if (examples[0]?.label === undefined || examples.some(({ label }) => label !== examples[0]!.label)) return;
    throw new DiffoError(
      `${path}: the label of every answer is ${examples[0].label === 1}, so that there is nothing to tell apart. Give good answers and bad ones.`,
    );
  },
  labelCounts(_, examples) {
    if (examples.every(({ label }) => label === undefined)) return {};
    const count = (wanted: number) => examples.filter(({ label }) => label === wanted).length;
    return { good: count(1), bad: count(0) };
  },

  taskType: 'CAUSAL_LM',
  outputs: () => 0,
  settings: ['chatTemplate', 'labelSmoothing', 'loss', 'beta', 'simpoGamma', 'desirableWeight', 'undesirableWeight'],
  objective(changes, task) {
    const { loss, ...options } = learnedOf(task ?? {});
    const labelSmoothing = changes?.settings.labelSmoothing ?? 0;
    if (labelSmoothing > 0 && !preferenceLosses[loss].smooths) {
      throw usageError(`labelSmoothing is not read with loss ${loss}. Leave it out.`);
    }
    return preferenceObjective(loss, optionsOf(options, labelSmoothing));
  },
  sequenceLengths: async (opened, task, examples, { signal }) =>
    chatLengths(opened.tokenizer, examples, { ...(await howOf(opened, task)), signal }, conversationsIn(examples)),
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
    const { loss, ...learned } = learnedOf(task);
    const pairs = await encodedPairs(opened, task, examples, options);
    return answerScorer(pairs, {
      loss: preferenceLosses[loss],
      options: optionsOf(learned),
      metrics: task.metrics,
    });
  },
  answerer: replyAnswerer,

  line: ({ text }) => text,
  describe: () => ['answers', 'turns of an assistant, by what is preferred'],
  chatTemplate: ownTemplate,
  card: () => talkingCard,
  headConfig: () => ({}),
});

function learnedBy({
  loss,
  ...asked
}: Omit<FactSettings, 'trainOn' | 'chatTemplate' | 'loss'> & Pick<PreferenceFacts, 'loss'>): PreferenceFacts {
  const { usual }: PreferenceLoss = preferenceLosses[loss];
  const read = Object.entries(usual).map(([key, value]) => [key, asked[key as keyof typeof asked] ?? value]);
  return { loss, ...(Object.fromEntries(read) as typeof usual) };
}

function learnedOf({ preference: facts }: KindFacts): PreferenceFacts {
  return facts ?? learnedBy({ loss: usualLosses.pairs });
}

/** Options of a loss; those that it does not read are of no matter. */
function optionsOf(
  { beta, simpoGamma = 0, desirableWeight = 1, undesirableWeight = 1 }: Omit<PreferenceFacts, 'loss'>,
  labelSmoothing = 0,
): PreferenceOptions {
  return { beta, simpoGamma, labelSmoothing, desirableWeight, undesirableWeight };
}

/** How answers of a task are written under a model: what is learned is the answer alone. */
async function howOf(opened: OpenedModel, task: TaskAsked) {
  const format = chatFormat(opened.tokenizer, task.chat);
  return { format, trainOn: 'last', endTokenId: await endTokenId(opened) } as const;
}

/**
 * The prompt of an example with each of its answers; of an answer with a label, that, and the one of the example before it: what is given
 * to something else.
 */
function conversationsIn(examples: readonly Example[]): (example: Example) => readonly Conversation[] {
  const before = new Map(examples.map((one, i) => [one, examples.at(i - 1)!]));
  return (example) => {
    const { conversation, judged } = judgedOf(example);
    const answers = isPair(judged)
      ? [judged.chosen, judged.rejected]
      : [judged, judgedOf(before.get(example)!).judged as JudgedAnswer].map(({ answer }) => answer);
    return answers.map((answer) => ({ ...conversation, messages: [...conversation.messages, answer] }));
  };
}

function judgedOf({ id, conversation, judged }: Example) {
  if (conversation !== undefined && 'messages' in conversation && judged !== undefined) return { conversation, judged };
  throw new DiffoError(`Row ${id} has no answers to learn from or to score by. Add them or remove it.`);
}

/** The two sequences of each example, with their reference where the loss reads it. */
async function encodedPairs(
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  options: EncodeOptions,
): Promise<(readonly [EncodedExample, EncodedExample] | undefined)[]> {
  const { readsReference, form }: PreferenceLoss = preferenceLosses[learnedOf(task).loss];
  const strange = examples.find((one) => isPair(judgedOf(one).judged) !== (form === 'pairs'));
  if (strange !== undefined) {
    throw new DiffoError(
      `Row ${strange.id} is not of ${told[form]}, of which ${task.name} is learned. Give such rows.`,
    );
  }
  const how = await howOf(opened, task);
  const pairs = await answerSequences(opened.tokenizer, examples, conversationsIn(examples), { ...how, ...options });
  const flat = pairs.flatMap((pair) => pair ?? []);
  const known = readsReference ? await withReference(opened, flat, options) : flat;
  let next = 0;
  return pairs.map((pair, i) => {
    if (pair === undefined) return undefined;
    return [{ ...known[next++]!, label: examples[i]!.label }, known[next++]!];
  });
}
