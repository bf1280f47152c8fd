import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AdapterMethodName, adapterMethods } from '../../src/adapters/registry.js';
import { saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { type GgufFile, readGguf } from '../../src/checkpoint/gguf.js';
import { dequantize } from '../../src/checkpoint/ggufQuants.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readSafetensorsHeader, readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { encode, type GgufEncoding } from '../../src/export/gguf/encodings.js';
import { type ExportOptions, exportModel } from '../../src/jobs/export.js';
import type { ModelOptions } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { type Reporter, silent } from '../../src/reporter.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { classification } from '../../src/tasks/kinds/classification.js';
import { language } from '../../src/tasks/kinds/language.js';
import { oraclePath, readOracle } from '../fixtures.js';
import { letterTokenizer, modelOf, tokens } from './models.js';

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-gguf-export-'));
  vi.stubEnv('DIFFORA_CACHE', join(scratch, 'cache'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(scratch, { recursive: true });
});
afterEach(() => vi.restoreAllMocks());

let count = 0;
const place = () => join(scratch, `${count++}`);

/** Exports, and reads the description of the first file. */
async function exported(options: Partial<ExportOptions>): Promise<GgufFile & { folder: string }> {
  const folder = place();
  const { files } = await exportModel({ format: 'gguf', output: folder, ...options });
  return { folder, ...(await readGguf(join(folder, files[0]!.file))) };
}

async function valuesOf({ file, tensors }: GgufFile, name: string): Promise<Float32Array> {
  const { offset, length, type } = tensors.find((one) => one.name === name)!;
  return dequantize(Uint8Array.from((await readFile(file)).subarray(offset, offset + length)), type);
}

describe('blocks of GGUF', async () => {
  const blocks = await readOracle<{ values: string; types: Record<string, string> }>('gguf-export/blocks');
  const { values, types } = blocks.description;
  it.each(Object.entries(types))('%s: are written as the Python package writes them, byte by byte', (type, key) => {
    const data = blocks.at(values).data as Float32Array;
    expect(encode(data, type as GgufEncoding)).toEqual(Uint8Array.from(blocks.at(key).data, Number));
  });

  it('F16: rounds to the nearest half and of two to the even one', () => {
    const halves = (...numbers: number[]) => [...new Uint16Array(encode(Float32Array.from(numbers), 'F16').buffer)];
    // IEEE 754: 1 + 2^-11 lies between 1 and 1 + 2^-10; 65,519 is the last below infinity; 2^-25 is half of the smallest.
    expect(halves(1, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -2, 65_519, 2 ** -24, 2 ** -25, -0)).toEqual([
      0x3c00, 0x3c00, 0x3c02, 0xc000, 0x7bff, 1, 0, 0x8000,
    ]);
  });
});

describe('an exported GGUF', () => {
  it.each<[family: string, config: object]>([
    ['llama', {}],
    ['llama-one-key-head', {}],
    ['llama-llama3', {}],
    ['llama-tied-biases', { hidden_act: 'silu' }],
    ['mistral', { sliding_window: null }],
    ['qwen2', { use_sliding_window: false, layer_types: null }],
  ])('is read back to the same tensors and settings: %s', async (family, config) => {
    const model = await modelOf(family, place(), { config });
    const { file } = await exported({ model, dtypes: ['f32'] });
    const [before, after] = [await openCheckpoint(model), await openCheckpoint(file)];
    const head = (one: string) => one.replace(/^(?!model\.|lm_head)/, 'model.');
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].map(head).sort());
    for (const [spelling, tensor] of before.tensors) {
      expect(await readTensor(after.tensors.get(head(spelling))!), spelling).toEqual(await readTensor(tensor));
    }
    const kept = ['hidden_size', 'num_attention_heads', 'num_key_value_heads', 'vocab_size', 'tie_word_embeddings'];
    for (const key of kept) expect(after.config[key], key).toEqual(before.config[key]);
  });

  it('holds weights in the numbers asked for, vectors in float32, and embeddings wider beside 4 bits', async () => {
    const model = await modelOf('gpt2', place());
    const types = async (dtype: string) => {
      const { tensors } = await exported({ model, dtypes: [dtype] });
      return Object.fromEntries(tensors.map(({ name, type }) => [name, type]));
    };
    expect(await types('f16')).toMatchObject({
      'token_embd.weight': 'F16',
      'position_embd.weight': 'F32',
      'blk.0.attn_qkv.weight': 'F16',
      'blk.0.attn_qkv.bias': 'F32',
      'output_norm.weight': 'F32',
    });
    // Rows of 16 are no blocks of 32; those of the feed-forward's 64 are.
    expect(await types('q4_0')).toMatchObject({ 'blk.0.ffn_down.weight': 'Q4_0', 'blk.0.ffn_up.weight': 'F16' });
    expect(await types('q8_0')).toMatchObject({ 'blk.0.ffn_down.weight': 'Q8_0' });
  });

  it('lays the weights of Conv1D as llama.cpp has them', async () => {
    const model = await modelOf('gpt2', place());
    const gguf = await exported({ model, dtypes: ['f32'] });
    const stored = (await openCheckpoint(model)).tensors;
    const tensor = stored.get('h.0.mlp.c_fc.weight') ?? stored.get('transformer.h.0.mlp.c_fc.weight')!;
    const [rows, columns] = tensor.shape as [number, number];
    const before = await readTensor(tensor);
    const after = await valuesOf(gguf, 'blk.0.ffn_up.weight');
    expect(after[3 * rows + 5]).toBe(before[5 * columns + 3]);
    expect(gguf.tensors.find(({ name }) => name === 'blk.0.ffn_up.weight')!.shape).toEqual([columns, rows]);
  });

  it('carries the tokenizer, its special tokens and its chat format', async () => {
    const added_tokens = [
      ...letterTokenizer.added_tokens,
      { ...letterTokenizer.added_tokens[0]!, id: 59, content: '<x>', special: false },
    ];
    const model = await modelOf('llama', place(), { tokenizer: { added_tokens } });
    const { metadata } = await exported({ model });
    const of = (key: string) => metadata.get(`tokenizer.ggml.${key}`);
    expect(of('model')).toBe('gpt2');
    expect(of('pre')).toBe('gpt-2');
    expect(of('tokens')).toEqual([...tokens.slice(0, 59), '<x>']);
    // 3 control, 1 normal, 4 user-defined.
    expect(of('token_type')).toEqual([3, 3, 3, ...Array.from({ length: 56 }, () => 1), 4]);
    expect([of('bos_token_id'), of('eos_token_id'), of('padding_token_id')]).toEqual([1, 2, 0]);
    expect([of('add_bos_token'), of('add_eos_token')]).toEqual([false, false]);
    expect(metadata.get('tokenizer.chat_template')).toBeUndefined();
  });

  it('says which tokens begin and end texts', async () => {
    const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
    const text = { Sequence: { id: 'A', type_id: 0 } };
    const tokensOf = Object.fromEntries(
      [1, 2].map((id) => [tokens[id]!, { id: tokens[id], ids: [id], tokens: [tokens[id]] }]),
    );
    const around = (single: object[]) => ({
      post_processor: { type: 'TemplateProcessing', single, pair: [...single, ...single], special_tokens: tokensOf },
    });
    const model = await modelOf('llama', place(), { tokenizer: around([special('<s>'), text, special('</s>')]) });
    const { metadata } = await exported({ model });
    expect(metadata.get('tokenizer.ggml.add_bos_token')).toBe(true);
    expect(metadata.get('tokenizer.ggml.add_eos_token')).toBe(true);
    const twice = await modelOf('llama', place(), { tokenizer: around([special('<s>'), special('<s>'), text]) });
    await expect(exported({ model: twice })).rejects.toThrow('between 2 and 0 special tokens');
  });

  it('has a Modelfile that Ollama reads', async () => {
    const { folder } = await exported({ model: await modelOf('llama', place()), dtypes: ['q8_0', 'f16'] });
    expect(await readFile(join(folder, 'Modelfile'), 'utf8')).toBe(
      'FROM ./model-q8_0.gguf\nTEMPLATE """{{ .Prompt }}"""\n',
    );
  });

  it('says a shorter context where llama.cpp knows no windows, and tells of it', async () => {
    const warn = vi.fn();
    const reporter: Reporter = { ...silent, warn };
    const { metadata } = await exported({ model: await modelOf('mistral', place()), reporter });
    expect(metadata.get('llama.context_length')).toBe(4);
    expect(warn.mock.calls.flat()).toEqual([expect.stringContaining('the context is 4 tokens and not 20')]);
  });
});

describe('an adapter alone', () => {
  it('has the alpha that llama.cpp divides by the rank, and in B what differs from pair to pair', async () => {
    const model = await modelOf('llama', place());
    const adapter = oraclePath('gguf-export', 'lora-llama');
    const gguf = await exported({ model, adapter, anyBase: true, adapterAlone: true });
    expect(gguf.metadata.get('general.type')).toBe('adapter');
    expect(gguf.metadata.get('adapter.type')).toBe('lora');
    // rsLoRA: alpha / √rank of the first pair is 6 / √2, times its rank 2.
    const alpha = gguf.metadata.get('adapter.lora.alpha') as number;
    expect(alpha).toBeCloseTo(6 * Math.SQRT2, 5);
    const { tensors } = await readSafetensorsHeader(join(adapter, 'adapter_model.safetensors'));
    const stored = await readTensor(tensors.get('base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight')!);
    const written = await valuesOf(gguf, 'blk.1.attn_v.weight.lora_b');
    // v_proj has rank 3: alpha / 3 · B' is to be 6 / √3 · B.
    expect((alpha / 3) * written[4]!).toBeCloseTo((6 / Math.sqrt(3)) * stored[4]!, 5);
    expect(gguf.tensors.find(({ name }) => name === 'blk.1.attn_v.weight.lora_a')!.shape).toEqual([3, 16]);
  });
});

describe('an adapter that GGUF cannot hold is refused before anything is written', () => {
  /** An adapter of a method as it starts, saved. */
  async function adapterOf(method: AdapterMethodName, head: ModelOptions): Promise<{ adapter: string; model: string }> {
    const [folder, adapter] = [await modelOf('llama', place()), place()];
    const model = openModel(await openCheckpoint(folder), head);
    const settings = parseTrainConfig({ task: 'x', method }, 'test').method;
    const plan = adapterMethods[method].plan(settings, { own: model.adaptable, shared: [] }, model);
    const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
    const kind = head.taskType === 'SEQ_CLS' ? classification : language;
    const task = {
      name: 'texts',
      kind,
      labels: head.taskType === 'SEQ_CLS' ? ['no', 'yes'] : [],
      metrics: [],
      columns: {},
    } as never;
    const tokenizer = { files: [] } as never;
    const options = { task, tokenizer, maxLength: 16, baseModel: folder, totalSteps: 1, paragraphs: [], scores: {} };
    await saveAdapter(adapter, model, plan, parameters, options);
    // As a folder of PEFT's, which says nothing of the task.
    await rm(join(adapter, 'task.json'));
    return { adapter, model: folder };
  }
  const causal = { taskType: 'CAUSAL_LM', numLabels: 0 } as const;

  it.each<[AdapterMethodName, ModelOptions, boolean, string]>([
    ['dora', causal, true, 'it is more than pairs A and B (lora_magnitude_vector)'],
    ['ia3', causal, true, 'it is more than pairs A and B'],
    ['pfeiffer', causal, true, 'Leave out --lora'],
    ['pfeiffer', causal, false, 'puts layers of its own into the model'],
    ['lora', { taskType: 'SEQ_CLS', numLabels: 2 }, false, "its head is LlamaForSequenceClassification's"],
  ])('%s on %j, alone %s', async (method, head, adapterAlone, reason) => {
    const output = place();
    const exporting = exportModel({ ...(await adapterOf(method, head)), format: 'gguf', output, adapterAlone });
    await expect(exporting).rejects.toThrow(reason);
    await expect(readFile(join(output, 'Modelfile'))).rejects.toThrow('ENOENT');
  });

  it.each<[AdapterMethodName]>([['dora'], ['ia3'], ['lora']])('but %s can be folded in', async (method) => {
    const { tensors } = await exported(await adapterOf(method, causal));
    expect(tensors).toHaveLength(2 * 9 + 3);
  });

  it('an encoder', async () => {
    const [adapter, model] = [oraclePath('tiny-bert-adapter'), oraclePath('tiny-bert-backbone')];
    const exporting = exportModel({ adapter, model, anyBase: true, format: 'gguf', output: place() });
    await expect(exporting).rejects.toThrow('BERT is none of the models that can be written for llama.cpp');
  });
});

describe('what GGUF cannot hold is refused before anything is written', () => {
  it.each<[what: string, family: string, config: object, reason: string]>([
    ['another activation', 'llama', { hidden_act: 'gelu' }, 'hidden_act of its config.json is gelu'],
    ['another GELU', 'gpt2', { activation_function: 'gelu' }, 'activation_function of its config.json is gelu'],
    ['scores by layer', 'gpt2', { scale_attn_by_inverse_layer_idx: true }, 'scale_attn_by_inverse_layer_idx'],
    ['no end of texts', 'llama', { eos_token_id: [] }, 'no token ends its texts'],
  ])('%s', async (_, family, config, reason) => {
    const output = place();
    const model = await modelOf(family, place(), { config });
    const exporting = exportModel({ model, format: 'gguf', output });
    await expect(exporting).rejects.toThrow(reason);
    await expect(readFile(join(output, 'Modelfile'))).rejects.toThrow('ENOENT');
  });

  const bpe = letterTokenizer.model;
  it.each<[what: string, tokenizer: object, reason: string]>([
    ['a pre-tokenizer of its own', { pre_tokenizer: { type: 'Whitespace' } }, 'is of the type "Whitespace"'],
    ['a prefix space', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }, 'add_prefix_space'],
    [
      'a pattern that is not known',
      { pre_tokenizer: { type: 'Split', pattern: { Regex: 'x+' }, behavior: 'Isolated', invert: false } },
      'is none that llama.cpp is known to have',
    ],
    ['ignore_merges', { model: { ...bpe, ignore_merges: true } }, 'ignore_merges'],
    ['a normalizer', { normalizer: { type: 'Lowercase' } }, 'its normalizer is'],
    [
      'an added token that takes spaces',
      { added_tokens: [{ ...letterTokenizer.added_tokens[0]!, lstrip: true }] },
      'has lstrip',
    ],
    ['bytes that become the unknown', { model: { ...bpe, unk_token: '<pad>' } }, 'has no token for the byte 0'],
    ['another kind', { model: { type: 'WordLevel', vocab: bpe.vocab, unk_token: '<pad>' } }, 'of the kind WordLevel'],
  ])('a tokenizer with %s', async (_, tokenizer, reason) => {
    const model = await modelOf('llama', place(), { tokenizer });
    await expect(exportModel({ model, format: 'gguf', output: place() })).rejects.toThrow(reason);
  });

  it('a value that half precision cannot hold', async () => {
    const model = await modelOf('llama', place());
    const { tensors } = await openCheckpoint(model);
    const changed = await Promise.all(
      [...tensors.values()].map(async ({ name, shape }) => {
        const data = await readTensor(tensors.get(name)!);
        if (name.endsWith('layers.1.mlp.up_proj.weight')) data[7] = 70_000;
        return { name, shape, data: Float32Array.from(data) };
      }),
    );
    await writeSafetensors(join(model, 'model.safetensors'), changed);
    const output = place();
    await expect(exportModel({ model, format: 'gguf', output })).rejects.toThrow(
      '"blk.1.ffn_up.weight" has the value 70000, which F16 cannot hold. Take --dtype f32',
    );
    await expect(readFile(join(output, 'Modelfile'))).rejects.toThrow('ENOENT');
    await exportModel({ model, format: 'gguf', output, dtypes: ['f32'] });
  });

  it.each<[Partial<ExportOptions>, string]>([
    [{ format: 'onxx' as never }, '--format onxx: there is no such format; there are: onnx, gguf'],
    [{ dtypes: ['q4'] }, '--dtype q4: gguf has no such dtype; it has: f32, f16, q8_0, q4_0'],
    [{ dtypes: [] }, '--dtype'],
    [{ adapterAlone: true }, '--lora goes with --adapter'],
    [{ adapterAlone: true, adapter: 'x', dtypes: ['q8_0'] }, 'an adapter in gguf has no such dtype; it has: f32, f16'],
    [{ model: undefined }, 'Name what is to be exported'],
  ])('wrong usage: %j', async (options, message) => {
    const exporting = exportModel({
      model: oraclePath('families', 'llama'),
      format: 'gguf',
      output: place(),
      ...options,
    });
    await expect(exporting).rejects.toMatchObject({ message: expect.stringContaining(message), exitCode: 2 });
  });
});
