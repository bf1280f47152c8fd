import { writeFile } from 'node:fs/promises';
import type OpenAI from 'openai';
import { beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { batchFeeds, buildHooks } from '../../src/engine/modelGraph.js';
import { input } from '../../src/graph/index.js';
import { loadAdapter, loadModel, loadTask, type PredictionInput, taskFromExamples, train } from '../../src/index.js';
import { openModelByName } from '../../src/models/loading/openedModel.js';
import { silent } from '../../src/reporter.js';
import { openSession } from '../../src/runtime/session.js';
import { tinyModel } from '../cli/run.js';
import { quickTraining, reviews } from '../library/reviews.js';
import { clientOf, nearly, post, servedFor } from './served.js';

/** Sentences of letters with people in them, in CoNLL's form. */
const people = Array.from(
  { length: 12 },
  (_, i) => `it\tO\nwas\tO\n${i % 2 ? 'bad' : 'who'}\tB-PER\nman\tI-PER\nis\tO\n`,
);
const passages = Array.from({ length: 12 }, (_, i) => {
  const [good, context] = [`book ${i}`, `it was book ${i} on the mat`];
  return JSON.stringify({ question: 'what is good', context, answers: { text: [good], answer_start: [7] } });
});

const served = servedFor(async (path) => {
  const model = await loadModel(tinyModel);
  await writeFile(path('people.conll'), people.join('\n'));
  await writeFile(path('questions.jsonl'), passages.join('\n'));
  const tasks = {
    reviews: taskFromExamples(reviews),
    // The same rows the other way round, so that the adapters disagree.
    contrary: taskFromExamples(reviews.map(({ text, label }) => ({ text, label: label === 'bad' ? 'good' : 'bad' }))),
    people: await loadTask(path('people.conll')),
    questions: await loadTask(path('questions.jsonl')),
  };
  for (const [name, task] of Object.entries(tasks)) {
    const adapter = await train(model, task, { ...quickTraining, maxLength: 32, method: 'lora' });
    await adapter.save(path(name));
    await adapter.close();
  }
  return { adapters: Object.keys(tasks).map((name) => path(name)), model: tinyModel };
});
let client: OpenAI;
beforeAll(() => {
  client = clientOf(served.server);
});

async function classified(model: string, input: unknown) {
  const response = await post(served.server, '/v1/classify', { model, input });
  const body = await response.json();
  expect(response.status, JSON.stringify(body)).toBe(200);
  return body as { data: { index: number; truncated: boolean }[]; labels: string[]; usage: object };
}

/** What `diffora predict` gives for each text alone. */
async function predicted(name: string, inputs: readonly PredictionInput[]) {
  await using adapter = await loadAdapter(served.path(name), { threads: 1 });
  return Promise.all(inputs.map(async (one) => (await adapter.predict([one]))[0]));
}

const texts = ['no, thanks', 'the cat sat on the mat', 'who is good', 'it was bad man is good'];

describe('classification', () => {
  it.each(['reviews', 'contrary', 'people'])('gives what predict gives: %s', async (name) => {
    const { data } = await classified(name, texts);
    const expected = await predicted(name, texts);
    for (const [i, { index, truncated, ...answer }] of data.entries()) {
      expect([index, truncated]).toEqual([i, false]);
      expect(answer).toEqual(nearly(expected[i]));
    }
  });

  it('answers questions on passages', async () => {
    const [question, context] = ['what is good', 'it was book 3 on the mat'];
    const { data } = await classified('questions', { question, context });
    const [{ index: _, truncated, ...answer }] = data as [(typeof data)[0]];
    expect(truncated).toBe(false);
    expect(answer).toEqual(nearly((await predicted('questions', [{ text: question, pair: context }]))[0]));
  });

  it('reads long passages in windows, as predict does, beside short ones', async () => {
    const long = `${'the cat sat on the mat '.repeat(40)}it was book 3 on the mat`;
    const rows = [long, 'it was book 7', `book 1 ${long}`].map((context) => ({ question: 'what is good', context }));
    const { data } = await classified('questions', rows);
    const expected = await predicted(
      'questions',
      rows.map(({ question, context }) => ({ text: question, pair: context })),
    );
    for (const [i, { index, truncated, ...answer }] of data.entries()) {
      expect([index, truncated]).toEqual([i, false]);
      expect(answer).toEqual(nearly(expected[i]));
    }
  });

  it('names the labels, counts tokens, and says what was cut', async () => {
    const [short, long] = ['no', 'the cat sat on the mat '.repeat(20)];
    const { data, labels, usage } = await classified('reviews', [short, long]);
    const { tokenizer } = await loadModel(tinyModel);
    const tokens = [short, long].reduce((sum, text) => sum + tokenizer.encode(text).ids.length, 0);
    expect(labels).toEqual(['bad', 'good']);
    expect(data.map(({ truncated }) => truncated)).toEqual([false, true]);
    // Special tokens and all: nothing of the second is left out.
    expect(usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens });
  });

  it('gives rows of two adapters that come together the answers that each has alone', async () => {
    const all = Array.from({ length: 40 }, (_, i) => ({
      name: i % 2 ? 'reviews' : 'contrary',
      text: `${texts[i % 4]} ${i}`,
    }));
    const together = await Promise.all(all.map(async ({ name, text }) => (await classified(name, text)).data[0]));
    for (const [i, { name, text }] of all.entries()) {
      expect(together[i]).toEqual(nearly((await classified(name, text)).data[0]));
    }
    const metrics = await (await fetch(`${served.server.url}/metrics`)).text();
    const rows = Number(/^diffora_batch_rows_sum\{model="reviews",work="classify"\} (\d+)$/m.exec(metrics)?.[1]);
    const runs = Number(/^diffora_batch_rows_count\{model="reviews",work="classify"\} (\d+)$/m.exec(metrics)?.[1]);
    expect(runs).toBeLessThan(rows);
  });

  it('of a text with a pair that its task does not have is refused, and so is one by a model without answers', async () => {
    const pair = await post(served.server, '/v1/classify', { model: 'reviews', input: { text: 'a', pair: 'b' } });
    expect(pair.status).toBe(400);
    expect(await pair.json()).toMatchObject({ error: { message: expect.stringContaining('is about single texts') } });
    const base = await post(served.server, '/v1/classify', { model: 'tiny-bert-backbone', input: 'a' });
    expect(await base.json()).toMatchObject({ error: { message: expect.stringContaining('Ask /v1/embeddings') } });
  });
});

describe('embeddings', () => {
  const model = 'tiny-bert-backbone';

  it('are the mean of the last states over the tokens of each text, of length 1', async () => {
    const { data, usage } = await client.embeddings.create({ model, input: texts });
    const opened = await openModelByName(tinyModel, { numLabels: 2 }, silent);
    const options = { plan: noAdapters, parameters: new Map() };
    const tokens = (name: string) => input(name, 'int64', ['batch', 'seq']);
    const inputs = {
      inputIds: tokens('input_ids'),
      attentionMask: tokens('attention_mask'),
      tokenTypeIds: tokens('token_type_ids'),
    };
    const session = await openSession(
      { states: opened.model.states(inputs, buildHooks(opened.model, options)) },
      { threads: 1 },
    );
    let counted = 0;
    for (const [i, text] of texts.entries()) {
      const ids = BigInt64Array.from(opened.tokenizer.encode(text).ids, BigInt);
      counted += ids.length;
      const zeros = new BigInt64Array(ids.length);
      const batch = {
        batchSize: 1,
        sequenceLength: ids.length,
        inputIds: ids,
        attentionMask: zeros.map(() => 1n),
        tokenTypeIds: zeros,
      };
      const { states } = await session.run(batchFeeds({ ...batch, labels: undefined, indices: [0] }, false));
      const hidden = states!.data.length / ids.length;
      const sums = Array.from({ length: hidden }, (_, h) =>
        Array.from(ids, (_, t) => Number(states!.data[t * hidden + h])).reduce((sum, value) => sum + value, 0),
      );
      const norm = Math.hypot(...sums);
      for (const [h, value] of data[i]!.embedding.entries()) expect(value).toBeCloseTo(sums[h]! / norm, 5);
    }
    await session.release();
    expect(usage).toEqual({ prompt_tokens: counted, total_tokens: counted });
  });

  it('are the same numbers as floats and in base64, which the client asks for by itself', async () => {
    const floats = await client.embeddings.create({ model, input: 'the cat', encoding_format: 'float' });
    const decoded = await client.embeddings.create({ model, input: 'the cat' });
    expect(decoded.data[0]!.embedding).toEqual(floats.data[0]!.embedding.map(Math.fround));
    const response = await post(served.server, '/v1/embeddings', {
      model,
      input: 'the cat',
      encoding_format: 'base64',
    });
    expect(((await response.json()) as { data: { embedding: unknown }[] }).data[0]!.embedding).toBeTypeOf('string');
  });

  it('of an adapter are those of its adapted model', async () => {
    const [plain, adapted] = await Promise.all(
      [model, 'reviews'].map(
        async (name) => (await client.embeddings.create({ model: name, input: 'the cat' })).data[0]!,
      ),
    );
    expect(adapted!.embedding).toHaveLength(plain!.embedding.length);
    expect(adapted!.embedding).not.toEqual(plain!.embedding);
  });

  it.each([
    ['long texts', { input: 'a '.repeat(10_000) }, 'has 10002 tokens; tiny-bert-backbone takes 64'],
    ['no texts', { input: [] }, 'input is []'],
    ['other sizes', { input: 'a', dimensions: 5 }, 'the vectors of tiny-bert-backbone have 32'],
    ['other forms', { input: 'a', encoding_format: 'int8' }, 'one of float, base64'],
    ['ids that there are not', { input: [1, 1_000_000] }, 'has the id 1000000'],
  ])('are refused for %s', async (_, body, message) => {
    const response = await post(served.server, '/v1/embeddings', { model, ...body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining(message) } });
  });
});
