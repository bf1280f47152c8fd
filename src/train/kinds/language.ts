import { encodePrompt, promptSequences } from '../../data/prompts.js';
import { corpusMetric } from '../../data/textMetrics/index.js';
import { scoreOfSums, sumsOf } from '../../data/textMetrics/sums.js';
import type { Example, Generation, MetricName } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { choiceLikelihoods } from '../../generate/choices.js';
import { type Decoder, openDecoder } from '../../generate/decoder.js';
import { generate } from '../../generate/generate.js';
import type { OpenedModel } from '../context.js';
import { stopIds } from '../generateText.js';
import { labelledLikelihoods } from '../likelihood.js';
import type { Adapted, AnswerOptions, KindRules, Scored, TaskAsked, WrittenPrediction } from './kind.js';
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

/** Texts that a causal model writes. */
export const languageKind: KindRules = {
  taskType: 'CAUSAL_LM',
  outputs: () => 0,
  encode: async (opened, task, examples, options) =>
    promptSequences(opened.tokenizer, examples, {
      ...options,
      generation: generationOf(task),
      endTokenId: await endTokenId(opened),
    }),
  async score(adapted, task, examples, options) {
    const needs = new Set(task.metrics.map((name) => ways[name]));
    const rounds = needs.size;
    let round = 0;
    const rest: AnswerOptions = {
      ...options,
      onDone: (done) => options.onDone?.(Math.floor((round * examples.length + done) / rounds)),
    };
    const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
    if (needs.has('read')) {
      const sequences = await languageKind.encode(adapted.opened, task, examples, options);
      const scores = await labelledLikelihoods(adapted.opened.model, adapted, sequences, {
        ...rest,
        onBatch: rest.onDone,
      });
      found.log_likelihood = scores.map(({ logLikelihood, tokens }) => [logLikelihood, tokens]);
      found.perplexity = found.log_likelihood;
      round++;
    }
    if (needs.has('choose') || needs.has('write')) {
      await withDecoder(adapted, options, async (decoder) => {
        if (needs.has('choose')) {
          found.accuracy = await chosenRight(decoder, adapted.opened, task, examples, rest);
          round++;
        }
        if (needs.has('write')) {
          const written = await writeAll(decoder, adapted.opened, task, examples, rest);
          Object.assign(found, writtenStatistics(task, examples, written));
        }
      });
    }
    const scores: Scored['scores'] = {};
    for (const name of task.metrics) {
      const each = found[name];
      if (each === undefined) throw new Error(`${name} is no metric of texts`);
      scores[name] = scoreOfSums(name, sumsOf(each), each.length);
    }
    return { scores, statistics: found[task.metrics[0]!]! };
  },
  async answer(adapted, task, examples, options) {
    const { answer } = generationOf(task);
    const written = await withDecoder(adapted, options, (decoder) =>
      writeAll(decoder, adapted.opened, task, examples, options),
    );
    return written.map(
      (text): WrittenPrediction =>
        answer === undefined ? { text: text.trim() } : { text: text.trim(), answer: writtenAnswer(text, answer) },
    );
  },
};

function generationOf({ name, generation }: TaskAsked): Generation {
  if (generation === undefined) throw new DiffoError(`The task ${name} does not say how a text is asked for.`);
  return generation;
}

async function withDecoder<T>(
  { opened, plan, parameters }: Adapted,
  { threads }: AnswerOptions,
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

/** 1 where the right choice is the likeliest, the first of equals. */
async function chosenRight(
  decoder: Decoder,
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { maxLength, signal, onDone }: AnswerOptions,
): Promise<number[][]> {
  const { tokenizer } = opened;
  const results: number[][] = [];
  for (const example of examples) {
    signal?.throwIfAborted();
    const { choices, label, id } = example;
    if (choices === undefined || label === undefined) {
      throw new DiffoError(`Row ${id} has no choices to score by. Score ${task.name} by another of its metrics.`);
    }
    const ids = choices.map((choice) => tokenizer.encodePlain(choice));
    const room = maxLength - Math.max(...ids.map(({ length }) => length));
    const likelihoods = await choiceLikelihoods(
      decoder,
      lastOf(encodePrompt(tokenizer, generationOf(task), example), room),
      ids,
    );
    results.push([likelihoods.indexOf(Math.max(...likelihoods)) === label ? 1 : 0]);
    onDone?.(results.length);
  }
  return results;
}

/** What the model writes for each example, greedily. */
async function writeAll(
  decoder: Decoder,
  opened: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { signal, onDone }: AnswerOptions,
): Promise<string[]> {
  const { tokenizer, model } = opened;
  const generation = generationOf(task);
  const stopTokenIds = [...new Set([await endTokenId(opened), ...(await stopIds(opened))])];
  const { maxNewTokens } = generation;
  const { maxLength } = model;
  const texts: string[] = [];
  for (const example of examples) {
    const prompt = lastOf(encodePrompt(tokenizer, generation, example), maxLength - 1);
    const options = { temperature: 0, maxNewTokens, stopTokenIds, maxLength, seed: 0, signal };
    const ids: number[] = [];
    for await (const id of generate(decoder, prompt, options)) ids.push(id);
    texts.push(tokenizer.decode(ids, { skipSpecialTokens: true }));
    onDone?.(texts.length);
  }
  return texts;
}

function lastOf(ids: readonly number[], count: number): readonly number[] {
  return ids.slice(Math.max(0, ids.length - count));
}

/** What each written text adds to each metric. */
function writtenStatistics(task: TaskAsked, examples: readonly Example[], written: readonly string[]) {
  const { answer } = generationOf(task);
  const references = examples.map(({ id, references }) => {
    if (references === undefined) throw new DiffoError(`Row ${id} has no text to score by. Add one or remove it.`);
    return references.map((text) => text.trim());
  });
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
