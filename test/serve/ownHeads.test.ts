import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningServer, serve } from '../../src/index.js';
import { predictWithModel } from '../../src/jobs/predictModel.js';
import { inputExample } from '../../src/tasks/inputExample.js';
import { temporaryFolder } from '../cli/run.js';
import { headedCopy, readOwnHeads } from '../tasks/ownHeadsOracle.js';
import { nearly, post } from './served.js';

const { sequences, entities, spans } = await readOwnHeads();
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

const named = { id2label: { 0: 'dull', 1: 'good', 2: 'great' } };
const texts = entities.map(({ text }) => ({ text, pair: undefined }));
const pairs = sequences.slice(0, 2).map(({ text, pair }) => ({ text, pair: pair ?? undefined }));
const questions = spans.map(({ question, passage }) => ({ text: question, pair: passage }));

// What predict gives is transformers' (test/tasks/ownHeads).
it.each<[checkpoint: string, config: object, rows: readonly { text: string; pair: string | undefined }[]]>([
  ['tiny-bert', named, [...texts, ...pairs]],
  ['tiny-bert', { ...named, problem_type: 'multi_label_classification' }, texts],
  ['own-heads/bert-one', {}, texts],
  ['own-heads/llama', {}, texts],
  ['own-heads/bert-tags', {}, texts],
  ['own-heads/bert-span', {}, questions],
])(
  "a model's own head, served without an adapter, answers as predict does: %s %j",
  async (checkpoint, config, rows) => {
    const model = await headedCopy(folder.path('model'), checkpoint, { ...config });
    await using server: RunningServer = await serve({ model, port: 0, threads: 1 });
    const isSpan = checkpoint.endsWith('span');
    const input = rows.map(({ text, pair }) => (isSpan ? { question: text, context: pair } : { text, pair }));
    const response = await post(server, '/v1/classify', { model: 'model', input });
    const body = (await response.json()) as { task: string; data: Record<string, unknown>[] };
    expect(response.status, JSON.stringify(body)).toBe(200);
    expect(body.task).toBe('model');
    const answers = body.data.map(({ index: _, truncated, ...answer }) => {
      expect(truncated).toBe(false);
      return answer;
    });
    const expected = await predictWithModel({
      model,
      threads: 1,
      examples: async (task) => rows.map((one, i) => inputExample(one, i, task)),
    });
    expect(answers).toEqual(nearly(expected));
    // Its states are those of any other model.
    expect((await post(server, '/v1/embeddings', { model: 'model', input: 'a film' })).status).toBe(200);
  },
);
