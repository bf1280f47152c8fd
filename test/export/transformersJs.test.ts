import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { predictEach } from '../../src/infer/predictLogits.js';
import { exportModel } from '../../src/jobs/export.js';
import { generateText } from '../../src/jobs/generate.js';
import type { TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { letterModel, temporaryFolder } from '../cli/run.js';
import { expectClose } from '../fixtures.js';
import { parametersOf } from '../models/tinyBert.js';
import { type ClientTensor, clientFolder, type TransformersJs, transformersJs } from './clients.js';
import { headedModel } from './headedModel.js';

const here = clientFolder('transformers.js') !== undefined;
const folder = await temporaryFolder();
let client: TransformersJs;
beforeAll(async () => {
  if (here) client = await transformersJs();
});
afterAll(() => folder.remove());

let count = 0;
const encoders = ['bert', 'roberta', 'distilbert', 'deberta-v3', 'deberta-types'];
/** The oracle has no such heads of the others. */
const withTokenHeads = ['bert', 'roberta', 'distilbert', 'deberta-v3'];
const texts = ['a few letters', 'more of them', 'one'];
const tolerance = { relative: 0, floor: 1e-4 };

/** Our logits for texts, or for pairs of texts, in the order of the client's batch without its padding. */
async function ownLogits(model: string, taskType: TaskType, pairs: readonly (readonly [string, string?])[]) {
  const checkpoint = await openCheckpoint(model);
  const labels = Object.keys(checkpoint.config.id2label as object).length;
  const opened = openModel(checkpoint, { taskType, numLabels: labels, head: 'none' });
  const tokenizer = await loadTokenizer(model);
  const encoded = pairs.map(([text, pair], index) => {
    const { ids, tokenTypeIds } = tokenizer.encode(text, pair);
    // RoBERTa has one type of tokens, which BERT's tokenizer does not know.
    const types = checkpoint.config.type_vocab_size === 1 ? ids.map(() => 0) : tokenTypeIds;
    return { inputIds: Int32Array.from(ids), tokenTypeIds: Int32Array.from(types), label: undefined, index };
  });
  return predictEach(opened, noAdapters, [], encoded, { threads: 1 });
}

/** The rows of a padded batch without their padding. */
function unpadded({ data, dims }: ClientTensor, lengths: readonly number[]): Float32Array[] {
  const [, seq, width = 1] = dims as [number, number, number?];
  return lengths.map((length, row) => data.slice(row * seq * width, (row * seq + length) * width));
}

describe.skipIf(!here)('transformers.js', () => {
  it.each(encoders)('%s: classifies texts as diffora does', async (name) => {
    const model = await headedModel(folder.path(`${name}-headed-${count++}`), name, 'SEQ_CLS');
    const output = folder.path(`onnx-${name}-classes`);
    await exportModel({ model, format: 'onnx', output, dtypes: ['fp32'] });
    const classify = await client.pipeline('text-classification', output, { dtype: 'fp32' });
    const { logits } = await classify.model(classify.tokenizer(texts, { padding: true, truncation: true }));
    const own = await ownLogits(
      model,
      'SEQ_CLS',
      texts.map((text) => [text]),
    );
    expectClose(
      'logits',
      logits!.data,
      own.flatMap((row) => Array.from(row)),
      tolerance,
    );
    const answers = (await classify(texts)) as { label: string }[];
    const best = own.map((row) => `CLASS_${row.indexOf(Math.max(...row))}`);
    expect(answers.map(({ label }) => label)).toEqual(best);
    await classify.dispose();
  });

  it.each(withTokenHeads)('%s: tags tokens as diffora does', async (name) => {
    const model = await headedModel(folder.path(`${name}-headed-${count++}`), name, 'TOKEN_CLS');
    const output = folder.path(`onnx-${name}-tokens`);
    await exportModel({ model, format: 'onnx', output, dtypes: ['fp32'] });
    const tag = await client.pipeline('token-classification', output, { dtype: 'fp32' });
    const { logits } = await tag.model(tag.tokenizer(texts, { padding: true, truncation: true }));
    const own = await ownLogits(
      model,
      'TOKEN_CLS',
      texts.map((text) => [text]),
    );
    const lengths = own.map((row) => row.length / logits!.dims[2]!);
    for (const [i, row] of unpadded(logits!, lengths).entries()) expectClose(texts[i]!, row, own[i]!, tolerance);
    expect(await tag('a few letters', { ignore_labels: [] })).toHaveLength(lengths[0]! - 2);
    await tag.dispose();
  });

  it.each(withTokenHeads)('%s: finds answers as diffora does, token types of pairs included', async (name) => {
    const model = await headedModel(folder.path(`${name}-headed-${count++}`), name, 'QUESTION_ANS');
    const output = folder.path(`onnx-${name}-answers`);
    await exportModel({ model, format: 'onnx', output, dtypes: ['fp32'] });
    const answer = await client.pipeline('question-answering', output, { dtype: 'fp32' });
    const [question, passage] = ['who', 'it was me'];
    const inputs = answer.tokenizer([question], { text_pair: [passage], padding: true, truncation: true });
    const { start_logits: start, end_logits: end } = await answer.model(inputs);
    const [own] = await ownLogits(model, 'QUESTION_ANS', [[question, passage]]);
    const side = (offset: number) => own!.filter((_, i) => i % 2 === offset);
    expectClose('start', start!.data, side(0), tolerance);
    expectClose('end', end!.data, side(1), tolerance);
    expect(await answer(question, passage)).toHaveProperty('answer');
    await answer.dispose();
  });

  it.each(encoders)('%s: gives the hidden states of an encoder without a head', async (name) => {
    const model = await letterModel(name, folder.path(`${name}-bare`));
    const path = join(model, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...config, architectures: undefined }));
    const output = folder.path(`onnx-${name}-states`);
    await exportModel({ model, format: 'onnx', output, dtypes: ['fp32'] });
    const extract = await client.pipeline('feature-extraction', output, { dtype: 'fp32' });
    const states = (await extract(texts)) as ClientTensor;
    // A head of the unit matrix gives the states back.
    const checkpoint = await openCheckpoint(model);
    const width = states.dims[2]!;
    const opened = openModel(checkpoint, { taskType: 'TOKEN_CLS', numLabels: width });
    const head = opened.head.map(({ name: tensor, shape }) => ({
      name: tensor,
      values: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
        shape.length === 2 && i % (width + 1) === 0 ? 1 : 0,
      ),
      shape,
    }));
    const parameters = parametersOf(
      Object.fromEntries(head.map((one) => [one.name, { data: one.values, shape: one.shape }])),
    );
    const tokenizer = await loadTokenizer(model);
    const encoded = texts.map((text, index) => {
      const { ids, tokenTypeIds } = tokenizer.encode(text);
      return { inputIds: Int32Array.from(ids), tokenTypeIds: Int32Array.from(tokenTypeIds), label: undefined, index };
    });
    const own = await predictEach(opened, noAdapters, parameters, encoded, { threads: 1 });
    const lengths = own.map((row) => row.length / width);
    for (const [i, row] of unpadded(states, lengths).entries()) expectClose(texts[i]!, row, own[i]!, tolerance);
    await extract.dispose();
  });

  it.each(['llama', 'mistral', 'qwen2', 'gpt2'])('%s: continues a text as diffora does', async (name) => {
    const model = await letterModel(name, folder.path(`${name}-text`));
    const output = folder.path(`onnx-${name}-text`);
    await exportModel({ model, format: 'onnx', output, dtypes: ['fp32'] });
    const generate = await client.pipeline('text-generation', output, { dtype: 'fp32' });
    const prompts = ['abc', 'hello'];
    const own = await generateText({ model, prompts, maxNewTokens: 8, temperature: 0, seed: 0, threads: 1 });
    const options = { max_new_tokens: 8, do_sample: false, return_full_text: false };
    const one = async (prompt: string) => ((await generate(prompt, options)) as { generated_text: string }[])[0]!;
    for (const [i, prompt] of prompts.entries()) {
      // What joins the first word to the prompt, a space or WordPiece's mark, is the prompt's to say.
      expect((await one(prompt)).generated_text.trimStart()).toBe(own[i]!.text.replace(/^##/, ''));
    }
    await generate.dispose();
  });
});
