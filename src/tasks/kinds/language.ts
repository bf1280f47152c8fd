import type { Example } from '../../data/types.js';
import { labelledRows } from '../../engine/labels.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError } from '../../errors.js';
import { input, ops } from '../../graph/index.js';
import { choiceLikelihoods } from '../../infer/choices.js';
import { type Decoder, openDecoder } from '../../infer/decoder.js';
import { generate } from '../../infer/generate.js';
import { labelledLikelihoods } from '../../infer/likelihood.js';
import { stopIds } from '../../infer/stopIds.js';
import type { MetricName } from '../../metrics/names.js';
import { corpusMetric } from '../../metrics/text/index.js';
import { scoreOfSums, sumsOf } from '../../metrics/text/sums.js';
import type { OpenedModel } from '../../models/loading/openedModel.js';
import { mapInTurns } from '../../turns.js';
import { encodePrompt, promptSequences } from '../encoding/prompts.js';
import type { Generation } from '../task.js';
import type { Adapted, EncodeOptions, KindRules, Scored, ScoreOptions, TaskAsked, WrittenPrediction } from './kind.js';
import { writtenAnswer } from './writtenAnswer.js';

/** How a metric of texts comes about. */
const ways: Readonly<Partial<Record<MetricName, 'choose' | 'write' | 'read'>>> = {
  accuracy: 'choose',
  generated_accuracy: 'write',
  exact_match: 'write',
  bleu: 'write',
  nist: 'write',
  rouge_l: 'write',
  log_likelihood: 'read',
  perplexity: 'read',
};

/** Cross-entropy of the next token at the labelled positions, whose logits alone are computed. */
export const languageObjective: Objective = {
  labels: labelledRows,
  reads: 'rows',
  parts: 'apart',
  weight: ({ labels }) => labels!.rows!.length,
  loss: (logits) =>
    ops.mean(ops.crossEntropy(logits, input('labels', 'int64', ['rows'])), { axes: [0], keepDims: false }),
};

/** Texts that a causal model writes. */
export const languageKind: KindRules = {
  taskType: 'CAUSAL_LM',
  outputs: () => 0,
  objective: () => languageObjective,
  encode: async (opened, task, examples, options) =>
    promptSequences(opened.tokenizer, examples, {
      ...options,
      generation: generationOf(task),
      endTokenId: await endTokenId(opened),
    }),
  async scorer(opened, task, examples, encoding) {
    const needs = new Set(task.metrics.map((name) => ways[name]));
    const sequences = needs.has('read') ? await languageKind.encode(opened, task, examples, encoding) : [];
    const questions = needs.has('choose') ? await questionsOf(opened, task, examples, encoding) : [];
    const prompts = needs.has('write') ? await promptsOf(opened, task, examples, encoding) : [];
    const references = needs.has('write') ? referencesOf(examples) : [];
    return async (adapted, options) => {
      const rounds = inRounds(needs.size, examples.length, options);
      const each = { ...options, onDone: rounds.onDone };
      const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
      if (needs.has('read')) {
        const { model } = adapted.opened;
        const scores = await labelledLikelihoods(model, adapted, sequences, { ...each, onBatch: each.onDone });
        found.log_likelihood = scores.map(({ logLikelihood, tokens }) => [logLikelihood, tokens]);
        found.perplexity = found.log_likelihood;
        rounds.next();
      }
      if (needs.has('choose') || needs.has('write')) {
        await withDecoder(adapted, options, async (decoder) => {
          if (needs.has('choose')) {
            found.accuracy = await chosenRight(decoder, questions, each);
            rounds.next();
          }
          if (needs.has('write')) {
            const written = await writeAll(decoder, adapted.opened, task, prompts, each);
            Object.assign(found, writtenStatistics(task, references, written));
          }
        });
      }
      const scores: Scored['scores'] = {};
      for (const name of task.metrics) {
        const added = found[name];
        if (added === undefined) throw new Error(`${name} is no metric of texts`);
        scores[name] = scoreOfSums(name, sumsOf(added), added.length);
      }
      return { scores, statistics: found[task.metrics[0]!]! };
    };
  },
  async answerer({ opened, plan, parameters }, { threads }) {
    const decoder = await openDecoder(opened.model, { plan, parameters, threads });
    return {
      async answer(task, examples, options) {
        const { answer } = generationOf(task);
        const prompts = await promptsOf(opened, task, examples, options);
        const written = await writeAll(decoder, opened, task, prompts, options);
        return written.map(
          (text): WrittenPrediction =>
            answer === undefined ? { text: text.trim() } : { text: text.trim(), answer: writtenAnswer(text, answer) },
        );
      },
      release: decoder.release,
    };
  },
};

function generationOf({ name, generation }: TaskAsked): Generation {
  if (generation === undefined) throw new DiffoError(`The task ${name} does not say how a text is asked for.`);
  return generation;
}

async function withDecoder<T>(
  { opened, plan, parameters }: Adapted,
  { threads }: ScoreOptions,
  use: (decoder: Decoder) => Promise<T>,
): Promise<T> {
  const decoder = await openDecoder(opened.model, { plan, parameters, threads });
  try {
    return await use(decoder);
  } finally {
    await decoder.release();
  }
}

/** What ends a text that is learned. @throws DiffoError where neither model nor tokenizer names such a token */
async function endTokenId(opened: OpenedModel): Promise<number> {
  const id = opened.tokenizer.eosTokenId ?? (await stopIds(opened))[0];
  if (id !== undefined) return id;
  throw new DiffoError(
    `${opened.model.checkpoint.folder} names no token that ends a text (eos_token). Add it to tokenizer_config.json.`,
  );
}

/** Several rounds over all examples told as one: each is an equal part of it, and tokens add up. */
function inRounds(rounds: number, examples: number, { onDone }: ScoreOptions) {
  let [round, before, latest] = [0, 0, 0];
  return {
    onDone(done: number, tokens: number): void {
      latest = before + tokens;
      onDone?.(Math.floor((round * examples + done) / rounds), latest);
    },
    next(): void {
      round++;
      before = latest;
    },
  };
}

/** A prompt and what may follow it, in tokens. */
interface Question {
  readonly prompt: readonly number[];
  readonly choices: readonly (readonly number[])[];
  /** Which of the choices is right. */
  readonly label: number;
}

function questionsOf(
  { tokenizer }: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { maxLength, signal }: Pick<EncodeOptions, 'maxLength' | 'signal'>,
): Promise<Question[]> {
  const encode = (example: Example): Question => {
    const { label, id } = example;
    if (example.choices === undefined || label === undefined) {
      throw new DiffoError(`Row ${id} has no choices to score by. Score ${task.name} by another of its metrics.`);
    }
    const choices = example.choices.map((choice) => tokenizer.encodePlain(choice));
    const room = maxLength - Math.max(...choices.map(({ length }) => length));
    return { prompt: lastOf(encodePrompt(tokenizer, generationOf(task), example), room), choices, label };
  };
  return mapInTurns(examples, encode, signal);
}

/** 1 where the right choice is the likeliest, the first of equals. */
async function chosenRight(
  decoder: Decoder,
  questions: readonly Question[],
  { signal, onDone }: ScoreOptions,
): Promise<number[][]> {
  const results: number[][] = [];
  let tokens = 0;
  for (const { prompt, choices, label } of questions) {
    signal?.throwIfAborted();
    const likelihoods = await choiceLikelihoods(decoder, prompt, choices);
    results.push([likelihoods.indexOf(Math.max(...likelihoods)) === label ? 1 : 0]);
    tokens += choices.reduce((sum, { length }) => sum + length, prompt.length);
    onDone?.(results.length, tokens);
  }
  return results;
}

/** Prompts in tokens, with room for an answer. */
function promptsOf(
  { tokenizer, model }: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { signal }: Pick<EncodeOptions, 'signal'>,
) {
  const generation = generationOf(task);
  const encode = (example: Example) => lastOf(encodePrompt(tokenizer, generation, example), model.maxLength - 1);
  return mapInTurns(examples, encode, signal);
}

/** What the model writes after each prompt, greedily. */
async function writeAll(
  decoder: Decoder,
  opened: OpenedModel,
  task: TaskAsked,
  prompts: readonly (readonly number[])[],
  { signal, onDone }: Pick<ScoreOptions, 'signal' | 'onDone'>,
): Promise<string[]> {
  const { tokenizer, model } = opened;
  const stopTokenIds = [...new Set([await endTokenId(opened), ...(await stopIds(opened))])];
  const { maxNewTokens } = generationOf(task);
  const { maxLength } = model;
  const texts: string[] = [];
  let tokens = 0;
  for (const prompt of prompts) {
    const options = { temperature: 0, maxNewTokens, stopTokenIds, maxLength, seed: 0, signal };
    const ids: number[] = [];
    for await (const id of generate(decoder, prompt, options)) ids.push(id);
    texts.push(tokenizer.decode(ids, { skipSpecialTokens: true }));
    tokens += ids.length;
    onDone?.(texts.length, tokens);
  }
  return texts;
}

function lastOf(ids: readonly number[], count: number): readonly number[] {
  return ids.slice(Math.max(0, ids.length - count));
}

/** The texts that count as right of each example. */
function referencesOf(examples: readonly Example[]): string[][] {
  return examples.map(({ id, references }) => {
    if (references === undefined) throw new DiffoError(`Row ${id} has no text to score by. Add one or remove it.`);
    return references.map((text) => text.trim());
  });
}

/** What each written text adds to each metric. */
function writtenStatistics(
  task: TaskAsked,
  references: readonly (readonly string[])[],
  written: readonly string[],
): Partial<Record<MetricName, readonly (readonly number[])[]>> {
  const { answer } = generationOf(task);
  const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
  for (const name of task.metrics) {
    if (name === 'exact_match' || name === 'generated_accuracy') {
      found[name] = written.map((text, i) => {
        const given = writtenAnswer(text, answer);
        return [given !== undefined && references[i]!.some((one) => writtenAnswer(one, answer) === given) ? 1 : 0];
      });
    } else if (name === 'bleu' || name === 'nist' || name === 'rouge_l') {
      const metric = corpusMetric(name, references);
      found[name] = written.map((text, i) => metric.statistics(text.trim(), references[i]!));
    }
  }
  return found;
}
