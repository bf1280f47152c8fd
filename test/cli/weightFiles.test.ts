import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BYTES_PER_ELEMENT, elementCount } from '../../src/checkpoint/dtype.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { NamedTensor, TensorDType } from '../../src/checkpoint/types.js';
import { rawFile } from '../checkpoint/make.js';
import { oraclePath } from '../fixtures.js';
import { diffora, resultOf, temporaryFolder } from './run.js';

const plain = oraclePath('tiny-bert');
const text = 'the cat sat on the mat';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tensors: NamedTensor[];
let logits: readonly number[];
beforeAll(async () => {
  folder = await temporaryFolder();
  const checkpoint = await openCheckpoint(plain);
  tensors = await Promise.all(
    [...checkpoint.tensors.values()].map(async (one) => ({
      name: one.name,
      shape: one.shape,
      data: await readTensor(one),
    })),
  );
  logits = await logitsOf(plain);
});
afterAll(() => folder.remove());

const predict = (model: string, words = text) =>
  diffora('predict', '--model', model, '--text', words, '--threads', '1', '--json');

async function logitsOf(model: string): Promise<readonly number[]> {
  const { code, stdout, stderr } = await predict(model);
  expect(code, stderr).toBe(0);
  return resultOf(stdout).logits;
}

/** What a command tells, its records of `--json` apart. */
const told = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'warning')
    .map(({ message }) => message as string);

/** A safetensors file as another program writes it, of another type or with a header of its own. */
function fileOf(
  all: readonly NamedTensor[],
  dtype: TensorDType,
  encode: (values: Float32Array) => Uint8Array,
  more: Readonly<Record<string, unknown>> = {},
): Buffer {
  let end = 0;
  const entries = all.map(({ name, shape }) => {
    const start = end;
    end += elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    return [name, { dtype, shape, data_offsets: [start, end] }];
  });
  const data = Buffer.concat(all.map((one) => encode(one.data)));
  return rawFile(JSON.stringify({ ...more, ...Object.fromEntries(entries) }), data);
}

const bytes = (values: Float32Array | Float64Array) => new Uint8Array(values.buffer);
const weights = (model: string) => join(model, 'model.safetensors');
const renamed = (prefix: string) => tensors.map((one) => ({ ...one, name: prefix + one.name }));

async function inShards(model: string): Promise<Record<string, string>> {
  const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  await rm(weights(model));
  await writeSafetensors(join(model, first), tensors.slice(0, 9));
  await writeSafetensors(join(model, second), tensors.slice(9));
  const map = Object.fromEntries(tensors.map(({ name }, i) => [name, i < 9 ? first : second]));
  await writeIndex(model, map);
  return map;
}

const writeIndex = (model: string, weight_map: object) =>
  writeFile(join(model, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));

async function changeConfig(model: string, change: object): Promise<void> {
  const file = join(model, 'config.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...change }));
}

async function copied(name: string): Promise<string> {
  const model = folder.path(name.replaceAll(/\W/g, '-'));
  await cp(plain, model, { recursive: true });
  return model;
}

describe('a checkpoint predicts the same, and inspect says the same of it, with', () => {
  it.each<[string, (model: string) => Promise<unknown>, RegExp?]>([
    [
      'weights in float64',
      (model) =>
        writeFile(
          weights(model),
          fileOf(tensors, 'F64', (one) => bytes(Float64Array.from(one))),
        ),
    ],
    ['metadata of null', (model) => writeFile(weights(model), fileOf(tensors, 'F32', bytes, { __metadata__: null }))],
    [
      'the names of torch.compile',
      (model) => writeSafetensors(weights(model), renamed('_orig_mod.')),
      /torch\.compile \(_orig_mod\.\) saves them/,
    ],
    [
      'the names of DataParallel',
      (model) => writeSafetensors(weights(model), renamed('module.')),
      /DataParallel \(module\.\) saves them/,
    ],
    ['shards', inShards],
    [
      'an index that names a tensor nobody needs',
      async (model) =>
        writeIndex(model, { ...(await inShards(model)), 'nobody.weight': 'model-00001-of-00002.safetensors' }),
      /names 1 tensors that no shard holds: nobody\.weight in model-00001-of-00002\.safetensors/,
    ],
    [
      'a folder of its own below modules.json',
      async (model) => {
        await rename(model, `${model}-inner`);
        await mkdir(model);
        await rename(`${model}-inner`, join(model, '0_Transformer'));
        const modules = [
          { idx: 0, name: '0', path: '0_Transformer', type: 'sentence_transformers.models.Transformer' },
        ];
        await writeFile(join(model, 'modules.json'), JSON.stringify(modules));
      },
      /its transformer is opened alone/,
    ],
  ])('%s', async (name, change, note) => {
    const model = await copied(name);
    await change(model);
    const predicted = await predict(model);
    expect(predicted.code, predicted.stderr).toBe(0);
    expect(resultOf(predicted.stdout).logits).toEqual(logits);
    const inspected = await diffora('inspect', model, '--json');
    expect(inspected.code, inspected.stderr).toBe(0);
    const [byPredict, byInspect] = [told(predicted.stdout), told(inspected.stdout)];
    expect(byInspect).toEqual(byPredict);
    if (note === undefined) expect(byPredict).toEqual([]);
    else expect(byPredict).toEqual([expect.stringMatching(note)]);
  });
});

describe('a checkpoint is refused by predict and inspect in the same words for', () => {
  it.each<[string, (model: string) => Promise<unknown>, RegExp]>([
    [
      'a shard that is not there',
      async (model) => {
        await inShards(model);
        await rm(join(model, 'model-00002-of-00002.safetensors'));
      },
      /the shard model-00002-of-00002\.safetensors is not there, of the 2 that/,
    ],
    [
      'a tensor that is not there',
      (model) =>
        writeSafetensors(
          weights(model),
          tensors.filter(({ name }) => !name.endsWith('layer.1.output.dense.bias')),
        ),
      /bert\.encoder\.layer\.1\.output\.dense\.bias is missing/,
    ],
    // transformers: "You set `ignore_mismatched_sizes` to `False`, thus raising an error".
    [
      'more rows of embeddings than vocab_size',
      (model) =>
        writeSafetensors(
          weights(model),
          tensors.map((one) => (one.name.endsWith('word_embeddings.weight') ? withRow(one) : one)),
        ),
      /word_embeddings\.weight is \[\d+,32\], not \[\d+,32\]/,
    ],
    [
      'a tensor under two of its names',
      (model) =>
        writeSafetensors(weights(model), [
          ...tensors,
          { ...tensors.find(({ name }) => name === 'bert.pooler.dense.bias')!, name: 'pooler.dense.bias' },
        ]),
      /bert\.pooler\.dense\.bias is there twice, also as pooler\.dense\.bias/,
    ],
    [
      'GPTQ',
      (model) => changeConfig(model, { quantization_config: { quant_method: 'gptq', bits: 4 } }),
      /quantization_config says that the weights are quantised by GPTQ/,
    ],
    [
      'MLX',
      (model) => changeConfig(model, { quantization: { group_size: 64, bits: 4 } }),
      /quantization says that the weights are quantised by MLX/,
    ],
    [
      '8-bit floats',
      (model) =>
        writeFile(
          weights(model),
          rawFile('{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}', Buffer.alloc(4)),
        ),
      /tensor "w" has type "F8_E4M3", which diffora cannot read/,
    ],
  ])('%s', async (name, change, message) => {
    const model = await copied(name);
    await change(model);
    const [predicted, inspected] = [await predict(model), await diffora('inspect', model)];
    expect([predicted.code, inspected.code]).toEqual([1, 1]);
    expect(predicted.stderr).toMatch(message);
    const errorOf = (stderr: string) => stderr.trimEnd().split('\n').at(-1);
    expect(errorOf(inspected.stderr)).toBe(errorOf(predicted.stderr));
  });
});

function withRow({ name, shape: [rows, columns], data }: NamedTensor): NamedTensor {
  const grown = new Float32Array(data.length + columns!);
  grown.set(data);
  return { name, shape: [rows! + 1, columns!], data: grown };
}

// In Python too the tokenizer gives such ids, and only a text with one fails, in the embeddings.
describe('a token that was added to the tokenizer and not to the model', () => {
  let model: string;
  let rows: number;
  beforeAll(async () => {
    model = await copied('more tokens');
    rows = JSON.parse(await readFile(join(model, 'config.json'), 'utf8')).vocab_size;
    const file = join(model, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    const options = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
    tokenizer.added_tokens.push({ id: rows, content: '[NEW]', ...options });
    await writeFile(file, JSON.stringify(tokenizer));
  });

  it('changes nothing for texts without it', async () => {
    expect(await logitsOf(model)).toEqual(logits);
  });

  it('is refused by name in a text', async () => {
    const { code, stderr } = await predict(model, 'the [NEW] cat');
    expect(code).toBe(1);
    expect(stderr).toContain(`A text holds the token "[NEW]" of id ${rows}, and ${model} embeds ${rows} ids`);
  });
});
