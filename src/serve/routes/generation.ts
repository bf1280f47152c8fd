import { randomInt } from 'node:crypto';
import * as z from 'zod';
import { badRequest } from '../apiError.js';
import { only, withoutEffect } from '../readBody.js';
import type { ServedModel, Writing } from '../servedModel.js';
import type { WriteOptions } from '../writeText.js';

const stopWord = z.string().min(1);

/** What requests for texts have in common: OpenAI's fields, and top_k and repetition_penalty as other servers have them. */
export const generationShape = {
  model: z.string(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional(), include_obfuscation: only(false) }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().positive().nullish(),
  repetition_penalty: z.number().positive().nullish(),
  seed: z.int().nullish(),
  stop: z.union([stopWord, z.array(stopWord).max(16)]).nullish(),
  max_tokens: z.int().positive().nullish(),
  n: only(1),
  frequency_penalty: only(0),
  presence_penalty: only(0),
  logit_bias: only({}),
  ...withoutEffect,
};

const generationSchema = z.object(generationShape);
export type GenerationBody = z.output<typeof generationSchema>;

/** Seeds that are drawn where a request names none. */
const seeds = 2 ** 31;

/** How a request asks for texts to be written. @param maxNewTokens where it does not say */
export function writeOptions(
  body: GenerationBody,
  maxNewTokens: number,
  ends: { readonly stopTokenIds: readonly number[]; readonly stopWords?: readonly string[] },
): WriteOptions {
  const { temperature, top_p: topP, top_k: topK, repetition_penalty: repetitionPenalty, seed, stop } = body;
  return {
    temperature: temperature ?? 1,
    topP: topP ?? undefined,
    topK: topK ?? undefined,
    repetitionPenalty: repetitionPenalty ?? undefined,
    seed: seed ?? randomInt(seeds),
    stop: [...[stop ?? []].flat(), ...(ends.stopWords ?? [])],
    stopTokenIds: ends.stopTokenIds,
    maxNewTokens: body.max_tokens ?? maxNewTokens,
  };
}

/** @throws ApiError (400) for a model that writes no texts */
export async function writingOf({ name, writing }: ServedModel): Promise<Writing> {
  if (writing !== undefined) return writing();
  throw badRequest(`The model ${name} writes no texts. Ask /v1/classify or /v1/embeddings for what it gives.`, 'model');
}

/** @throws ApiError (400) for a prompt that has no tokens, or leaves no room for an answer */
export function checkPrompt(
  prompt: readonly number[],
  { maxLength }: Writing,
  { name }: ServedModel,
  param: string,
): void {
  if (prompt.length === 0) throw badRequest('The prompt has no tokens. Give a text to continue.', param);
  if (prompt.length < maxLength) return;
  throw badRequest(`The prompt has ${prompt.length} tokens; ${name} takes ${maxLength} with the answer.`, param);
}

export function usageOf(promptTokens: number, completionTokens: number) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** Seconds since 1970, as OpenAI's objects have them. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
