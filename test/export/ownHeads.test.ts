import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/jobs/export.js';
import { temporaryFolder } from '../cli/run.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { headedCopy, readOwnHeads } from '../tasks/ownHeadsOracle.js';
import { clientFolder, type TransformersJs, transformersJs } from './clients.js';

const here = clientFolder('transformers.js') !== undefined;
const folder = await temporaryFolder();
let client: TransformersJs;
let copies = 0;
beforeAll(async () => {
  if (here) client = await transformersJs();
});
afterAll(() => folder.remove());

const { sequences, entities, spans } = await readOwnHeads();
const tolerance = { relative: 1e-4, floor: 1e-5 };

/** A checkpoint of the oracle, exported with the head that it or its adapter has. */
async function exported(checkpoint: string, config: Readonly<Record<string, unknown>> = {}, adapter?: string) {
  const model = await headedCopy(folder.path(`${copies++}`), checkpoint, config);
  const output = folder.path(`${copies++}`);
  const { notes } = await exportModel({ model, adapter, format: 'onnx', output, dtypes: ['fp32'], scores: false });
  return { output, notes };
}

describe.skipIf(!here)("transformers.js answers as transformers' pipelines do", () => {
  const encoders = sequences.filter(({ checkpoint }) => !/llama|gpt2/.test(checkpoint));
  it.each(
    encoders.map((one) => {
      const { problem_type: type = 'no problem_type' } = one.config;
      const text = one.pair === null ? 'a text' : 'a pair';
      return [`${one.checkpoint}, ${one.adapter ?? 'its own head'}, ${type}, ${text}`, one] as const;
    }),
  )('%s', async (_, { checkpoint, config, adapter, text, pair, logits, pipeline }) => {
    const { output, notes } = await exported(checkpoint, config, adapter === null ? undefined : oraclePath(adapter));
    const classify = await client.pipeline('text-classification', output, { dtype: 'fp32' });
    const inputs = classify.tokenizer([text], { ...(pair === null ? {} : { text_pair: [pair] }) });
    expectClose('logits', (await classify.model(inputs)).logits!.data, logits, tolerance);
    const found = (await classify(text, { top_k: null })) as { label: string; score: number }[];
    const isScored = notes.some((note) => note.includes('makes probabilities of scores'));
    if (pair === null && !isScored) {
      const byScore = [...pipeline].sort((a, b) => b.score - a.score);
      expect(found.map(({ label }) => label)).toEqual(byScore.map(({ label }) => label));
      const [own, theirs] = [found, byScore].map((all) => all.map(({ score }) => score));
      expectClose('scores', own!, theirs!, tolerance);
    }
    // What the pipeline says of scores is nothing that was learned: the command says so.
    expect(isScored).toBe(
      config.problem_type === 'regression' || (logits.length === 1 && config.problem_type === undefined),
    );
    await classify.dispose();
  });

  it('finds the tags of entities', async () => {
    const { output } = await exported('own-heads/bert-tags');
    const tag = await client.pipeline('token-classification', output, { dtype: 'fp32' });
    for (const { text, pipeline } of entities) {
      const found = (await tag(text)) as { entity: string; score: number; word: string }[];
      expect(found.length).toBeGreaterThan(0);
      // transformers.js groups no tokens: each has its tag, of the group that transformers' has it in.
      const groups = new Set(pipeline.map(({ entity_group }) => entity_group));
      expect(new Set(found.map(({ entity }) => entity.replace(/^[BI]-/, '')))).toEqual(groups);
    }
    await tag.dispose();
  });

  it('finds answers in passages', async () => {
    const { output } = await exported('own-heads/bert-span');
    const answer = await client.pipeline('question-answering', output, { dtype: 'fp32' });
    for (const { question, passage, answer: wanted, outsideIsLikelier } of spans) {
      if (outsideIsLikelier) continue;
      const found = (await answer(question, passage)) as { answer: string };
      // Words that a span cuts keep WordPiece's mark: transformers.js decodes tokens, and has no places in the text.
      expect(found.answer.replace(/^##/, '')).toBe(wanted);
    }
    await answer.dispose();
  });
});

it.each(
  sequences.filter(({ checkpoint }) => /llama|gpt2/.test(checkpoint)).map((one) => [one.checkpoint, one] as const),
)(
  'a sequence classifier that transformers.js has no class for is refused: %s',
  async (_, { checkpoint, config, adapter }) => {
    await expect(exported(checkpoint, config, adapter === null ? undefined : oraclePath(adapter))).rejects.toThrow(
      /cannot be exported as onnx: transformers.js runs no \S+ model with a SEQ_CLS head/,
    );
  },
);
