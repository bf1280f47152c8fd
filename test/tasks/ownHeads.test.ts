import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predictWithAdapter } from '../../src/jobs/predict.js';
import { readPredictInput } from '../../src/jobs/predictInput.js';
import { predictWithModel } from '../../src/jobs/predictModel.js';
import type { EntitiesPrediction } from '../../src/tasks/kinds/entities.js';
import type { LabelPrediction } from '../../src/tasks/kinds/kind.js';
import type { LabelsPrediction } from '../../src/tasks/kinds/multiLabel.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { headedCopy, readOwnHeads } from './ownHeadsOracle.js';

const { sequences, entities, spans } = await readOwnHeads();
let folder: string;
let copies = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-heads-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of a checkpoint, its config.json changed. */
const checkpointWith = (name: string, changes: Readonly<Record<string, unknown>> = {}) =>
  headedCopy(join(folder, String(copies++)), name, changes);

async function ownAnswer(model: string, input: { text: string; pair?: string | undefined }) {
  const [found] = await predictWithModel({ model, threads: 1, examples: (task) => readPredictInput(input, task) });
  return found!;
}

async function adapterAnswer(adapter: string, model: string, input: { text: string; pair?: string | undefined }) {
  const examples = (task: Parameters<typeof readPredictInput>[1]) => readPredictInput(input, task);
  const [found] = await predictWithAdapter({ adapter: oraclePath(adapter), model, threads: 1, examples });
  return found!;
}

const named = sequences.map((one) => {
  const { problem_type: type = 'no problem_type' } = one.config;
  const text = one.pair === null ? 'a text' : 'a pair';
  return [`${one.checkpoint}, ${one.adapter ?? 'its own head'}, ${type}, ${text}`, one] as const;
});

describe("transformers' pipeline for text classification", () => {
  it.each(named)('gives the same as %s', async (_, { checkpoint, config, adapter, text, pair, logits, pipeline }) => {
    const model = await checkpointWith(checkpoint, config);
    const input = { text, pair: pair ?? undefined };
    const found = (adapter === null ? await ownAnswer(model, input) : await adapterAnswer(adapter, model, input)) as
      | LabelPrediction
      | LabelsPrediction;
    expectClose('logits', found.logits, logits, { relative: 1e-4, floor: 1e-5 });
    const tolerance = { relative: 1e-4, floor: 1e-5 };
    if ('labels' in found) {
      expect(Object.keys(found.scores)).toEqual(pipeline.map(({ label }) => label));
      expectClose(
        'scores',
        Object.values(found.scores),
        pipeline.map(({ score }) => score),
        tolerance,
      );
      expect(found.labels).toEqual(pipeline.filter(({ score }) => score >= 0.5).map(({ label }) => label));
      return;
    }
    const best = [...pipeline].sort((a, b) => b.score - a.score)[0]!;
    expectClose('score', [found.score], [best.score], tolerance);
    // A score has no label but itself.
    if (typeof found.label === 'string') expect(found.label).toBe(best.label);
    else expect([pipeline.length, config.problem_type]).toEqual([1, 'regression']);
  });
});

describe('a head of tags', () => {
  it.each(entities)('gives the entities that the pipeline finds by their first tokens: $text', async (one) => {
    const found = (await ownAnswer(await checkpointWith('own-heads/bert-tags'), {
      text: one.text,
    })) as EntitiesPrediction;
    expect(found.entities.map(({ type, start, end }) => [type, start, end])).toEqual(
      one.pipeline.map(({ entity_group: type, start, end }) => [type, start, end]),
    );
    expectClose(
      'scores',
      found.entities.map(({ score }) => score),
      one.pipeline.map(({ score }) => score),
      { relative: 1e-4, floor: 1e-5 },
    );
  });

  it('gives a class for each token where the classes are no tags', async () => {
    const id2label = { 0: 'NOUN', 1: 'VERB', 2: 'DET', 3: 'ADJ', 4: 'ADV' };
    const found = await ownAnswer(await checkpointWith('own-heads/bert-tags', { id2label }), { text: 'a good film' });
    expect(found).toMatchObject({
      tokens: [{ token: '[CLS]' }, { token: 'a' }, { token: 'good' }, { token: 'film' }, {}],
    });
  });
});

describe('a head for answers in passages', () => {
  it('answers from the passage, although other tokens are likelier', async () => {
    expect(spans.some(({ outsideIsLikelier }) => outsideIsLikelier)).toBe(true);
    const model = await checkpointWith('own-heads/bert-span');
    for (const { question, passage, answer, start, end, score } of spans) {
      const found = await ownAnswer(model, { text: question, pair: passage });
      expect(found).toMatchObject({ answer, start, end, score: expect.closeTo(score, 4) });
    }
  });

  it('asks for the passage', async () => {
    const model = await checkpointWith('own-heads/bert-span');
    await expect(ownAnswer(model, { text: 'why' })).rejects.toThrow('give the second ("context") with --pair');
  });
});

describe('rows for a head whose columns nobody names', () => {
  it('have the second text in the usual columns', async () => {
    const model = await checkpointWith('tiny-bert');
    const file = join(folder, 'pairs.jsonl');
    await writeFile(file, '{"sentence1": "a good film", "sentence2": "a dull book"}\n');
    const [ofRows] = await predictWithModel({
      model,
      threads: 1,
      examples: (task) => readPredictInput({ file }, task),
    });
    expect(ofRows).toEqual(await ownAnswer(model, { text: 'a good film', pair: 'a dull book' }));
  });
});

describe('a config.json that says what outputs are', () => {
  const refusal = async (changes: Readonly<Record<string, unknown>>) =>
    ownAnswer(await checkpointWith('tiny-bert', changes), { text: 'a' });

  it('is refused where transformers knows no such problem_type', async () => {
    await expect(refusal({ problem_type: 'ranking' })).rejects.toThrow(
      /config\.json: problem_type "ranking" is none of "regression", "single_label_classification", "multi_label/,
    );
  });

  it('is refused where its labels leave outputs without a name', async () => {
    await expect(refusal({ id2label: { 0: 'a', 1: 'b', 3: 'c' } })).rejects.toThrow(/id2label has to name the outputs/);
  });

  it('is refused where an adapter would give several scores, which no kind of task has', async () => {
    const model = await checkpointWith('tiny-bert', { problem_type: 'regression' });
    await expect(adapterAnswer('tiny-bert-adapter', model, { text: 'a' })).rejects.toThrow(
      'an adapter with a SEQ_CLS head of problem_type regression',
    );
  });
});
