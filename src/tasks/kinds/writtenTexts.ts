import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { choiceLikelihoods } from '../../infer/choices.js';
import type { Decoder } from '../../infer/decoder.js';
import { generate } from '../../infer/generate.js';
import { type Computing, sharedOut } from '../../infer/sharedOut.js';
import { stopIds } from '../../infer/stopIds.js';
import type { MetricName } from '../../metrics/names.js';
import { corpusMetric, isCorpusMetric } from '../../metrics/text/index.js';
import { trim } from '../../metrics/text/whiteSpace.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { mapInTurns } from '../../turns.js';
import { encodePrompt } from '../encoding/prompts.js';
import type { EncodeOptions, Generation, ScoreOptions, TaskAsked } from './kind.js';
import { writtenAnswer } from './writtenAnswer.js';

/** How a task asks for a text. @throws DiffoError where it does not say */
export function generationOf({ name, generation }: TaskAsked): Generation {
  if (generation === undefined) throw new DiffoError(`The task ${name} does not say how a text is asked for.`);
  return generation;
}

/** What ends a text that is learned. @throws DiffoError where neither model nor tokenizer names such a token */
export async function endTokenId(opened: OpenedModel): Promise<number> {
  const id = opened.tokenizer.eosTokenId ?? (await stopIds(opened))[0];
  if (id !== undefined) return id;
  throw new DiffoError(
    `${opened.model.checkpoint.folder} names no token that ends a text (eos_token). Add it to tokenizer_config.json.`,
  );
}

/** A prompt and what may follow it, in tokens. */
export interface Question {
  readonly prompt: readonly number[];
  readonly choices: readonly (readonly number[])[];
  /** Which of the choices is right. */
  readonly label: number;
}

export async function questionsOf(
  { tokenizer }: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { maxLength, signal, warn }: EncodeOptions,
): Promise<Question[]> {
  const cut = countingCuts();
  const encode = (example: Example): Question => {
    const { label, id } = example;
    if (example.choices === undefined || label === undefined) {
      throw new DiffoError(`Row ${id} has no choices to score by. Score ${task.name} by another of its metrics.`);
    }
    const choices = example.choices.map((choice) => tokenizer.encodePlain(choice));
    const room = maxLength - Math.max(...choices.map(({ length }) => length));
    return { prompt: cut.lastOf(encodePrompt(tokenizer, generationOf(task), example), room), choices, label };
  };
  const questions = await mapInTurns(examples, encode, signal);
  cut.tell(warn, `to leave room for their longest choice in ${maxLength} tokens`);
  return questions;
}

/** 1 where the right choice is the likeliest, the first of equals. */
export async function chosenRight(
  decoder: Decoder,
  questions: readonly Question[],
  { signal, onDone, ranks }: ScoreOptions & Pick<Computing, 'ranks'>,
): Promise<number[][]> {
  let tokens = 0;
  return sharedOut(questions, ranks, async ({ prompt, choices, label }, i) => {
    signal?.throwIfAborted();
    const likelihoods = await choiceLikelihoods(decoder, prompt, choices);
    tokens += choices.reduce((sum, { length }) => sum + length, prompt.length);
    onDone?.(i + 1, tokens);
    return [likelihoods.indexOf(Math.max(...likelihoods)) === label ? 1 : 0];
  });
}

/** Prompts in tokens, with room for an answer. */
export async function promptsOf(
  { tokenizer, model }: OpenedModel,
  task: TaskAsked,
  examples: readonly Example[],
  { signal, warn }: Pick<EncodeOptions, 'signal' | 'warn'>,
) {
  const generation = generationOf(task);
  const cut = countingCuts();
  const encode = (example: Example) => cut.lastOf(encodePrompt(tokenizer, generation, example), model.maxLength - 1);
  const prompts = await mapInTurns(examples, encode, signal);
  cut.tell(warn, `to fit the ${model.maxLength} tokens of ${model.checkpoint.name}`);
  return prompts;
}

/** What the model writes after each prompt, greedily. */
export async function writeAll(
  decoder: Decoder,
  opened: OpenedModel,
  task: TaskAsked,
  prompts: readonly (readonly number[])[],
  { signal, onDone, ranks }: Pick<ScoreOptions, 'signal' | 'onDone'> & Pick<Computing, 'ranks'>,
): Promise<string[]> {
  const { tokenizer, model } = opened;
  const stopTokenIds = [...new Set([await endTokenId(opened), ...(await stopIds(opened))])];
  const { maxNewTokens } = generationOf(task);
  const { maxLength } = model;
  let tokens = 0;
  return sharedOut(prompts, ranks, async (prompt, i) => {
    const options = { temperature: 0, maxNewTokens, stopTokenIds, maxLength, seed: 0, signal };
    const ids: number[] = [];
    for await (const id of generate(decoder, prompt, options)) ids.push(id);
    tokens += ids.length;
    onDone?.(i + 1, tokens);
    return tokenizer.decode(ids, { skipSpecialTokens: true });
  });
}

/** Keeps the ends of prompts, and tells how many were cut. */
function countingCuts() {
  let [cut, all] = [0, 0];
  return {
    lastOf(ids: readonly number[], count: number): readonly number[] {
      all++;
      if (ids.length > count) cut++;
      return ids.slice(Math.max(0, ids.length - count));
    },
    tell(warn: EncodeOptions['warn'], reason: string): void {
      if (cut > 0) warn(`${cut} of ${all} prompts have lost their beginning, ${reason}.`);
    },
  };
}

/** The texts that count as right of each example. */
export function referencesOf(examples: readonly Example[]): string[][] {
  return examples.map(({ id, references }) => {
    if (references === undefined) throw new DiffoError(`Row ${id} has no text to score by. Add one or remove it.`);
    return references.map(trim);
  });
}

/** What each written text adds to each metric that is of written texts. @param answer what of a text counts, see `writtenAnswer` */
export function writtenStatistics(
  metrics: readonly MetricName[],
  answer: string | undefined,
  references: readonly (readonly string[])[],
  written: readonly string[],
): Partial<Record<MetricName, readonly (readonly number[])[]>> {
  const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
  for (const name of metrics) {
    if (name === 'exact_match' || name === 'generated_accuracy') {
      found[name] = written.map((text, i) => {
        const given = writtenAnswer(text, answer);
        return [given !== undefined && references[i]!.some((one) => writtenAnswer(one, answer) === given) ? 1 : 0];
      });
    } else if (isCorpusMetric(name)) {
      const metric = corpusMetric(name, references);
      found[name] = written.map((text, i) => metric.statistics(trim(text), references[i]!));
    }
  }
  return found;
}
