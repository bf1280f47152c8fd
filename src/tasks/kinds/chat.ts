import * as z from 'zod';
import { cellOf, placeOf } from '../../data/readers/index.js';
import type { EncodedExample } from '../../engine/batch.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import { DiffoError } from '../../errors.js';
import type { ChatMessage } from '../../infer/chat.js';
import { openDecoder } from '../../infer/decoder.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { MetricName } from '../../metrics/names.js';
import { trim } from '../../metrics/text/whiteSpace.js';
import type { OpenedModel } from '../../models/loading/openedModel.js';
import { type ChatFacts, chatFormat, trainedTurns } from '../chat/chatFormat.js';
import { chatLengths, chatSequences } from '../chat/chatSequences.js';
import { type Conversation, isAssistant, isPlain, type PlainText, textOfTurns } from '../chat/conversation.js';
import { formOf, formsNote, holdsChats } from '../chat/forms.js';
import { namedTemplate } from '../chat/namedTemplates.js';
import { chatPrompts, writeReplies } from '../chat/replies.js';
import { ownKeys } from '../ownKeys.js';
import { defineKind, type EncodeOptions, type KindFacts, type TaskAsked } from './kind.js';
import { languageObjective } from './language.js';
import { refuseLossChanges } from './perRow.js';
import { inRounds } from './rounds.js';
import type { WrittenPrediction } from './writtenAnswer.js';
import { endTokenId, scoredSums, writtenStatistics } from './writtenTexts.js';

declare module './kind.js' {
  interface KindFacts {
    /** How a model is talked to, and what of a conversation is learned. */
    readonly chat?: ChatFacts | undefined;
  }
}

/** Tokens of an answer where a task file does not say. */
const usualNewTokens = 256;

/** Metrics that come of reading the answers; the others need them to be written. */
const readMetrics: readonly MetricName[] = ['loss', 'perplexity', 'log_likelihood'];

/** Conversations: a causal model learns what the assistant says in them. */
export const chat = defineKind<WrittenPrediction>({
  name: 'chat',
  columns: { text: ['messages'], label: ['reply'], pair: [], inOtherForms: true },
  keys: ['maxNewTokens'],
  facts: ownKeys(
    z.object({
      chat: z
        .strictObject({
          template: z.string().optional(),
          trainOn: z.enum(trainedTurns),
          maxNewTokens: z.int().positive(),
        })
        .optional(),
    }),
  ),
  ownFacts: ['chat'],
  factsOf: ({ maxNewTokens = usualNewTokens }) => ({ chat: { trainOn: 'assistant', maxNewTokens } }),
  async factsOfRun({ trainOn, chatTemplate }, task, before) {
    const template = chatTemplate === undefined ? before?.chat?.template : await namedTemplate(chatTemplate);
    return { chat: { ...factsOf(task), trainOn, ...(template === undefined ? {} : { template }) } };
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
    if (how.format.source === 'usual') {
      options.warn('the model has no chat template, and gets ChatML; --chat-template names another.');
    }
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
    const { maxNewTokens } = factsOf(task);
    const prompts = writes ? await promptsOf(opened, task, examples, true, options) : [];
    const references = writes ? examples.map(({ conversation }) => [answerOf(conversation)]) : [];
    return {
      async open({ opened, plan, parameters }, { threads }) {
        const { model } = opened;
        const reader = reads ? await openLikelihoods(model, { plan, parameters }, { threads }) : undefined;
        const decoder = writes ? await openDecoder(model, { plan, parameters, threads }) : undefined;
        return {
          async score(options) {
            const rounds = inRounds(Number(reads) + Number(writes), examples.length, options);
            const each = { ...options, onDone: rounds.onDone };
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
  async answerer({ opened, plan, parameters }, { threads }) {
    const decoder = await openDecoder(opened.model, { plan, parameters, threads });
    return {
      async answer(task, examples, options) {
        const format = chatFormat(opened.tokenizer, task.chat);
        const { maxNewTokens } = factsOf(task);
        const prompts = await promptsOf(opened, task, examples, false, options);
        const written = await writeReplies(decoder, opened, prompts, { ...options, format, maxNewTokens });
        return written.map((text): WrittenPrediction => ({ text }));
      },
      release: decoder.release,
    };
  },

  line: ({ text }) => text,
  describe: () => ['answers', 'turns of an assistant'],
  chatTemplate({ chat: facts }, tokenizer) {
    const { template, source } = chatFormat(tokenizer, facts);
    return source === 'model' ? undefined : template;
  },
  card: () => ({
    pipeline: 'text-generation',
    model: 'AutoModelForCausalLM',
    line: [
      'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")',
      'messages = [{"role": "user", "content": "a question"}]',
      'asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)',
      'text = tokenizer.decode(model.generate(**asked, max_new_tokens=64)[0, asked["input_ids"].shape[1]:])',
    ].join('\n'),
  }),
  headConfig: () => ({}),
});

function factsOf({ chat: facts }: Pick<KindFacts, 'chat'>): ChatFacts {
  return facts ?? { trainOn: 'assistant', maxNewTokens: usualNewTokens };
}

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
  const { trainOn } = factsOf(task);
  return { format, trainOn, endTokenId: await endTokenId(opened) };
}

function isLearned(sequence: EncodedExample | undefined): sequence is EncodedExample {
  return sequence?.tokenLabels?.some((label) => label !== IGNORED_LABEL) === true;
}

function promptsOf(
  opened: OpenedModel,
  task: TaskAsked,
  examples: Parameters<typeof chatPrompts>[1],
  isAnswered: boolean,
  { warn, signal }: Pick<EncodeOptions, 'warn' | 'signal'>,
) {
  const { maxLength } = opened.model;
  const room = Math.max(1, Math.floor(maxLength / 2), maxLength - factsOf(task).maxNewTokens);
  const format = chatFormat(opened.tokenizer, task.chat);
  return chatPrompts(opened, examples, { format, room: Math.min(room, maxLength - 1), isAnswered, warn, signal });
}

/** What is to be written: the last answer of a conversation. */
function answerOf(conversation: Conversation | PlainText | undefined): string {
  if (conversation === undefined || isPlain(conversation)) {
    throw new DiffoError('Plain texts have no answers to be written. Score them by loss and perplexity alone.');
  }
  return trim(conversation.messages.findLast(isAssistant)?.content ?? '');
}
