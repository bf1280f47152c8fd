import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { inputExample, type PredictionInput } from '../../tasks/inputExample.js';
import { badRequest, readingRequest } from '../apiError.js';
import { readBody, withoutEffect } from '../readBody.js';
import type { Route } from '../route.js';
import { now } from './generation.js';

const row = z.union([
  z.string(),
  z.strictObject({ text: z.string(), pair: z.string().optional() }),
  z.strictObject({ question: z.string(), context: z.string() }),
]);
const schema = z.strictObject({
  model: z.string(),
  /** A text, one with its pair, a question with its passage, or several of them. */
  input: z.union([row, z.array(row).min(1)]),
  ...withoutEffect,
});

/** What an adapter was trained to answer: what `diffora predict` gives for each text. */
export const classify: Route = {
  path: '/v1/classify',
  async answer({ body, signal }, { model: find, metrics }) {
    const { model, input } = readBody(body, schema);
    const served = find(model);
    if (served.answering === undefined) {
      const what = served.writing === undefined ? '/v1/embeddings' : '/v1/completions or /v1/chat/completions';
      throw badRequest(`The model ${served.name} was trained for no answers. Ask ${what} for what it gives.`, 'model');
    }
    const { task, maxLength, rows } = await served.answering();
    const all = Array.isArray(input) ? input : [input];
    const examples = all.map((one, i) => readingRequest('input', () => inputExample(asInput(one), i, task)));
    const lengths = examples.map(
      ({ text, pair }) => readingRequest('input', () => served.tokenizer.encode(text, pair)).ids.length,
    );
    const predictions = await Promise.all(examples.map((example) => rows.run(example, signal)));
    const tokens = lengths.reduce((sum, length) => sum + length, 0);
    metrics.promptTokens.add({ model: served.name }, tokens);
    // Long passages are read in windows that overlap: nothing of them is cut.
    const cuts = task.kind.settings?.includes('stride') !== true;
    return {
      object: {
        id: `classify-${randomUUID()}`,
        object: 'list',
        created: now(),
        model: served.name,
        task: task.name,
        kind: task.kind,
        labels: task.labels,
        data: predictions.map((prediction, index) => ({
          index,
          ...prediction,
          truncated: cuts && lengths[index]! > maxLength,
        })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      },
    };
  },
};

function asInput(one: z.output<typeof row>): PredictionInput {
  return typeof one === 'object' && 'question' in one ? { text: one.question, pair: one.context } : one;
}
