import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bottleneckPlan } from '../../src/adapters/bottleneck.js';
import { parameter } from '../../src/engine/parameters.js';
import { writeModel } from '../../src/export/onnx/file.js';
import { fp16 } from '../../src/export/onnx/fp16.js';
import { fp32 } from '../../src/export/onnx/fp32.js';
import { inferenceGraph } from '../../src/export/onnx/graph.js';
import { q4 } from '../../src/export/onnx/q4.js';
import { q8 } from '../../src/export/onnx/q8.js';
import { withFile } from '../../src/export/onnx/withFile.js';
import { ops } from '../../src/graph/index.js';
import { predictEach } from '../../src/infer/predictLogits.js';
import { exportModel } from '../../src/jobs/export.js';
import { randomStream } from '../../src/random.js';
import { diffora, letterModel, temporaryFolder } from '../cli/run.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { familySource, readFamily, sourceOf } from './familySources.js';
import { headedModel } from './headedModel.js';

const folder = await temporaryFolder();
afterAll(() => folder.remove());

const tiny = oraclePath('tiny-bert');
const examples = [
  [2, 7, 9, 11, 3],
  [2, 30, 3],
].map((ids, index) => ({
  inputIds: Int32Array.from(ids),
  tokenTypeIds: new Int32Array(ids.length),
  label: undefined,
  index,
}));

describe('an exported folder', () => {
  it('has what transformers.js reads', async () => {
    const output = folder.path('tiny');
    const { files } = await exportModel({ model: tiny, format: 'onnx', output });
    expect(files.map(({ dtype, file }) => [dtype, file])).toEqual([
      ['fp32', 'onnx/model.onnx'],
      ['q8', 'onnx/model_quantized.onnx'],
    ]);
    expect((await readdir(output)).sort()).toEqual([
      'README.md',
      'config.json',
      'onnx',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    for (const { file, bytes } of files) expect((await readFile(join(output, file))).byteLength).toBe(bytes);
  });

  it('says how a causal model ends, pads and begins a text', async () => {
    const model = await letterModel('llama', folder.path('llama'));
    const output = folder.path('llama-onnx');
    await exportModel({ model, format: 'onnx', output, dtypes: ['fp32'] });
    const read = async (name: string) => JSON.parse(await readFile(join(output, name), 'utf8'));
    expect(await read('generation_config.json')).toEqual({ eos_token_id: 2, pad_token_id: 0 });
    // The letters' tokenizer puts [CLS] and [SEP] around a text; generation asks for that only where it is told.
    expect(await read('tokenizer_config.json')).toMatchObject({ add_bos_token: true, padding_side: 'left' });
  });

  it('is not there where a file could not be written', async () => {
    const model = await letterModel('bert', folder.path('far'));
    const output = folder.path('far-onnx');
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(exportModel({ model, format: 'onnx', output, signal })).rejects.toThrow('stopped');
    expect(existsSync(output)).toBe(false);
  });

  it('gives the numbers of the model with bottlenecks, which stay layers of their own', async () => {
    const oracle = await readFamily('bert');
    const task = oracle.description.tasks[0]!;
    const { opened, parameters } = await familySource('bert', oracle, task);
    const plan = bottleneckPlan({ reduction: 4 }, opened.model, {
      method: 'pfeiffer',
      subLayers: ['feedForward'],
      activation: 'relu',
      replaced: [],
      apply: (y, close, update) => ((x) => ops.add(x, update(x)))(close(y)),
    });
    const stream = randomStream(0, 'bottlenecks');
    const values = plan.tensors.map(({ name, shape }) =>
      parameter(
        name,
        shape,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.normal()),
      ),
    );
    const all = [...values, ...parameters];
    const path = folder.path('bottlenecks.onnx');
    await writeModel(path, fp32.apply(inferenceGraph(sourceOf(opened.model, plan, all)), new Set()));
    const own = await predictEach(opened.model, plan, all, examples, { threads: 1 });
    const got = await predictEach(withFile(opened.model, path), plan, all, examples, { threads: 1 });
    for (const [i, row] of got.entries()) expectClose(`example ${i}`, row, own[i]!, { relative: 1e-5, floor: 1e-5 });
  });
});

describe('widths of weights', () => {
  it.each([
    ['fp16', fp16, 0.02],
    ['q8', q8, 0.15],
    ['q4', q4, 1.5],
  ] as const)('%s: logits stay near those of float32', async (name, precision, distance) => {
    for (const family of ['bert', 'deberta-v3', 'distilbert', 'roberta']) {
      const oracle = await readFamily(family);
      const source = await familySource(family, oracle, oracle.description.tasks[0]!);
      const path = folder.path(`${family}-${name}.onnx`);
      const head = new Set(source.opened.model.head.map((one) => one.name));
      await writeModel(path, precision.apply(inferenceGraph(source), head));
      const { model } = source.opened;
      const own = await predictEach(model, source.plan, source.parameters, examples, { threads: 1 });
      const got = await predictEach(withFile(model, path), source.plan, [], examples, { threads: 1 });
      const scale = Math.max(...own.flatMap((row) => Array.from(row, Math.abs)));
      for (const [i, row] of got.entries()) {
        expectClose(`${family} ${i}`, row, own[i]!, { relative: 0, floor: distance * scale });
      }
    }
  });

  it('lie beside the model where they would pass the limit of a file', async () => {
    const oracle = await readFamily('bert');
    const source = await familySource('bert', oracle, oracle.description.tasks[0]!);
    const { model } = source.opened;
    const path = folder.path('beside.onnx');
    const written = await writeModel(path, fp32.apply(inferenceGraph(source), new Set()), { limit: 10_000 });
    expect(written.external).toBe(true);
    expect(existsSync(`${path}_data`)).toBe(true);
    const own = await predictEach(model, source.plan, source.parameters, examples, { threads: 1 });
    const got = await predictEach(withFile(model, path), source.plan, [], examples, { threads: 1 });
    for (const [i, row] of got.entries()) expectClose(`example ${i}`, row, own[i]!, { relative: 1e-5, floor: 1e-5 });
  });

  it('refuses a number that half precision does not reach, by its name', async () => {
    const oracle = await readFamily('bert');
    const source = await familySource('bert', oracle, oracle.description.tasks[0]!);
    const graph = inferenceGraph(source);
    const broken = graph.weights.map((weight) =>
      weight.shape.length < 2 ? weight : { ...weight, read: async () => (await weight.read()).fill(7e4, 0, 1) },
    );
    const path = folder.path('far.onnx');
    await expect(writeModel(path, fp16.apply({ ...graph, weights: broken }, new Set()))).rejects.toThrow(
      /has the value 70000, which float16 does not reach. Export --dtype fp32/,
    );
    expect(existsSync(path)).toBe(false);
  });
});

describe('diffora export', () => {
  it.each([
    [['--model', tiny, '--format', 'onnx', '--dtype', 'fp8'], 2, /onnx has no such dtype; it has: fp32, fp16, q8, q4/],
    [['--model', tiny, '--format', 'tflite'], 2, /--format/],
    [['--format', 'onnx'], 2, /--adapter with a folder, or --model with a model/],
    [['--adapter', tiny, '--format', 'onnx'], 1, /adapter/],
    [['--model', tiny, '--task', 'cola', '--format', 'onnx'], 2, /--task scores an adapter/],
  ] as const)('%s is told in a sentence, and leaves nothing', async (args, code, message) => {
    const output = folder.path('refused');
    const outcome = await diffora('export', ...args, '--output', output);
    expect(outcome).toMatchObject({ code, stderr: expect.stringMatching(message) });
    expect(existsSync(output)).toBe(false);
  });

  it('refuses a head that the client has no class for, and says what would work', async () => {
    const model = await headedModel(folder.path('gpt2'), 'gpt2', 'SEQ_CLS');
    const outcome = await diffora('export', '--model', model, '--format', 'onnx', '--output', folder.path('no'));
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(
      /transformers.js runs no GPT-2 model with a SEQ_CLS head, only for generation. Merge it/,
    );
  });

  it('tells each file with its size', async () => {
    const output = folder.path('shown');
    const { code, stdout } = await diffora('export', '--model', tiny, '--format', 'onnx', '--output', output);
    expect(code).toBe(0);
    expect(stdout).toMatch(/fp32 +onnx\/model.onnx +\d+ kB/);
    expect(stdout).toMatch(/q8 +onnx\/model_quantized.onnx/);
  });
});
