import * as z from 'zod';
import { cellOf, placeOf } from '../../data/readers/table.js';
import type { EncodedExample } from '../../engine/batch.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import { DiffoError } from '../../errors.js';
import type { ChatMessage } from '../../infer/chat.js';
import { openDecoder } from '../../infer/decoder.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { MetricName } from '../../metrics/names.js';
import { trim } from '../../metrics/text/whiteSpace.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { chatFormat } from '../chat/chatFormat.js';
import { chatLengths, chatSequences } from '../chat/chatSequences.js';
import { type Conversation, isAssistant, isPlain, type PlainText, textOfTurns } from '../chat/conversation.js';
import { formOf, formsNote, holdsChats } from '../chat/forms.js';
import { namedTemplate } from '../chat/namedTemplates.js';
import { writeReplies } from '../chat/replies.js';
import {
  chatFactsSchema,
  ownTemplate,
  promptsOf,
  replyAnswerer,
  talkingCard,
  talkOf,
  usualNewTokens,
  warnOfUsual,
} from '../chat/talking.js';
import { newTokensShape } from '../newTokens.js';
import { ownKeys } from '../ownKeys.js';
import { defineKind, type TaskAsked } from './kind.js';
import { languageObjective } from './language.js';
import { refuseLossChanges } from './perRow.js';
import { inRounds } from './rounds.js';
import { scoredSums } from './scoredSums.js';
import type { WrittenPrediction } from './writtenAnswer.js';
import { endTokenId, writtenStatistics } from './writtenTexts.js';

/** Metrics that come of reading the answers; the others need them to be written. */
const readMetrics: readonly MetricName[] = ['loss', 'perplexity', 'log_likelihood'];

/** Conversations: a causal model learns what the assistant says in them. */
export const chat = defineKind<WrittenPrediction>({
  name: 'chat',
  columns: { text: ['messages'], label: ['reply'], pair: [], inOtherForms: true },
  keys: ['maxNewTokens'],
  terms: ownKeys(z.object(newTokensShape)),
  facts: ownKeys(z.object({ chat: chatFactsSchema })),
  ownFacts: ['chat'],
  factsOf: ({ maxNewTokens = usualNewTokens }) => ({ chat: { trainOn: 'assistant', maxNewTokens } }),
  async factsOfRun({ trainOn, chatTemplate }, task, before) {
    const template = chatTemplate === undefined ? before?.chat?.template : await namedTemplate(chatTemplate);
    return { chat: { ...talkOf(task), trainOn, ...(template === undefined ? {} : { template }) } };
  },
  metrics: () => ({
    usual: ['loss', 'perplexity'],
    further: ['log_likelihood', 'rouge_l', 'exact_match', 'bleu', 'nist'],
    onRequest: ['log_likelihood', 'rouge_l', 'exact_match', 'bleu', 'nist'],
  }),

  recognises: holdsChats,
  /** Every form is told as turns up to the last answer, and that: the answer is not read where it is to be predicted. */
  inColumns(table, { columns }) {
    const { text, label } = columns;
    const found = table.rows.map((row) => {
      const where = placeOf(table.path, row);
      const form = formOf(row, columns, where);
      return { form, told: { ...row, values: inTwo(form.read(row, columns, where), columns) } };
    });
    return {
      path: table.path,
      columns: table.rows.length === 0 ? [] : [text, label],
      rows: found.map(({ told }) => told),
      notes: [
        formsNote(
          table,
          found.map(({ form }) => form),
        ),
      ],
    };
  },
  example({ columns }, row) {
    const conversation = cellOf(row, columns.text) as Conversation | PlainText;
    const reply = cellOf(row, columns.label) as ChatMessage | undefined;
    const id = String(row.line);
    if (isPlain(conversation)) return { id, text: conversation.plain, conversation };
    const messages = reply === undefined ? conversation.messages : [...conversation.messages, reply];
    return { id, text: textOfTurns(messages), conversation: { ...conversation, messages } };
  },
  isLabelled: ({ conversation }) =>
    conversation !== undefined && (isPlain(conversation) || conversation.messages.some(isAssistant)),
  unlabelled: 'no turn is of the assistant, so that there is nothing to learn. Add an answer or remove the row',
  labelCounts: () => ({}),

  taskType: 'CAUSAL_LM',
  outputs: () => 0,
  settings: ['trainOn', 'chatTemplate'],
  objective(changes) {
    refuseLossChanges(changes);
    return languageObjective;
  },
  sequenceLengths: async (opened, task, examples, { signal }) =>
    chatLengths(opened.tokenizer, examples, { ...(await howOf(opened, task)), signal }),
  async encode(opened, task, examples, options) {
    const how = await howOf(opened, task);
    warnOfUsual(opened, task, options);
    const sequences = await chatSequences(opened.tokenizer, examples, { ...how, ...options });
    const learned = sequences.filter(isLearned);
    if (learned.length > 0) return learned;
    throw new DiffoError(`No answer of ${task.name} fits into ${options.maxLength} tokens. Raise --max-length.`);
  },
  async scorer(opened, task, examples, options) {
    const reads = task.metrics.some((name) => readMetrics.includes(name));
    const writes = task.metrics.some((name) => !readMetrics.includes(name));
    const how = await howOf(opened, task);
    const sequences = reads ? await chatSequences(opened.tokenizer, examples, { ...how, ...options }) : [];
    const { maxNewTokens } = talkOf(task);
    const prompts = writes ? await promptsOf(opened, task, examples, true, options) : [];
    const references = writes ? examples.map(({ conversation }) => [answerOf(conversation)]) : [];
    return {
      async open({ opened, plan, parameters }, computing) {
        const { model } = opened;
        const reader = reads ? await openLikelihoods(model, { plan, parameters }, computing) : undefined;
        const decoder = writes ? await openDecoder(model, { plan, parameters, threads: computing.threads }) : undefined;
        return {
          async score(options) {
            const rounds = inRounds(Number(reads) + Number(writes), examples.length, options);
            const each = { ...options, onDone: rounds.onDone, ranks: computing.ranks };
            const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
            if (reader !== undefined) {
              // Answers that do not fit tell nothing.
              const added: number[][] = examples.map(() => [0, 0]);
              const learned = sequences.filter(isLearned);
              const scores = await reader.each(
                learned.map((one, index) => ({ ...one, index })),
                { ...each, onBatch: each.onDone },
              );
              for (const [i, { logLikelihood, tokens }] of scores.entries())
                added[learned[i]!.index] = [logLikelihood, tokens];
              for (const name of readMetrics) found[name] = added;
              rounds.next();
            }
            if (decoder !== undefined) {
              const { format } = how;
              const written = await writeReplies(decoder, opened, prompts, { ...each, format, maxNewTokens });
              Object.assign(found, writtenStatistics(task.metrics, undefined, references, written));
            }
            return scoredSums(task.metrics, found, 'chats');
          },
          async release() {
            await reader?.release();
            await decoder?.release();
          },
        };
      },
    };
  },
  answerer: replyAnswerer,

  line: ({ text }) => text,
  describe: () => ['answers', 'turns of an assistant'],
  chatTemplate: ownTemplate,
  card: () => talkingCard,
  headConfig: () => ({}),
});

/** A conversation as cells: its turns up to the last answer where it ends in one, and that. */
function inTwo(conversation: Conversation | PlainText, { text, label }: { text: string; label: string }) {
  if (isPlain(conversation)) return { [text]: conversation };
  const { messages } = conversation;
  const last = messages.at(-1)!;
  if (!isAssistant(last)) return { [text]: conversation };
  return { [text]: { ...conversation, messages: messages.slice(0, -1) }, [label]: last };
}

/** How conversations of a task are written and learned under a model. */
async function howOf(opened: OpenedModel, task: TaskAsked) {
  const format = chatFormat(opened.tokenizer, task.chat);
  const { trainOn } = talkOf(task);
  return { format, trainOn, endTokenId: await endTokenId(opened) };
}

function isLearned(sequence: EncodedExample | undefined): sequence is EncodedExample {
  return sequence?.tokenLabels?.some((label) => label !== IGNORED_LABEL) === true;
}

/** What is to be written: the last answer of a conversation. */
function answerOf(conversation: Conversation | PlainText | undefined): string {
  if (conversation === undefined || isPlain(conversation)) {
    throw new DiffoError('Plain texts have no answers to be written. Score them by loss and perplexity alone.');
  }
  return trim(conversation.messages.findLast(isAssistant)?.content ?? '');
}
