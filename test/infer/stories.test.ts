import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { NamedTensor } from '../../src/checkpoint/types.js';
import { generateText } from '../../src/jobs/generate.js';
import { silent } from '../../src/reporter.js';
import { ggufTokenizer } from '../../src/tokenize/convert/index.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { hasShared, sharedDir } from '../shared.js';

const source = sharedDir('models/stories260K');

/** A llama2.c checkpoint (version 0) and its tokenizer as a Hugging Face folder. */
async function convert(folder: string): Promise<void> {
  const file = await readFile(join(source, 'stories260K.bin'));
  const bytes = new Uint8Array(file).buffer;
  const [dim, hidden, layers, heads, keyHeads, vocab, seq] = new Int32Array(bytes, 0, 7) as unknown as number[] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const values = new Float32Array(bytes, 28);
  let at = 0;
  const take = (
    name: (layer: number) => string,
    shape: readonly number[],
    count = layers,
    change = (x: Float32Array) => x,
  ) =>
    Array.from({ length: count }, (_, layer): NamedTensor => {
      const size = shape.reduce((product, one) => product * one, 1);
      at += size;
      return { name: name(layer), shape, data: change(values.slice(at - size, at)) };
    });
  /** llama2.c rotates neighbouring rows of a head, LLaMA its halves. */
  const halves = (count: number) => (weight: Float32Array) => {
    const rows = weight.length / dim;
    const pairs = rows / count / 2;
    const turned = new Float32Array(weight.length);
    for (let row = 0; row < rows; row++) {
      const [head, within] = [Math.floor(row / (2 * pairs)), row % (2 * pairs)];
      const from = head * 2 * pairs + 2 * (within % pairs) + Math.floor(within / pairs);
      turned.set(weight.subarray(from * dim, (from + 1) * dim), row * dim);
    }
    return turned;
  };
  const of = (path: string) => (layer: number) => `model.layers.${layer}.${path}.weight`;
  const keys = (dim / heads) * keyHeads;
  const tensors = [
    ...take(() => 'model.embed_tokens.weight', [vocab, dim], 1),
    ...take(of('input_layernorm'), [dim]),
    ...take(of('self_attn.q_proj'), [dim, dim], layers, halves(heads)),
    ...take(of('self_attn.k_proj'), [keys, dim], layers, halves(keyHeads)),
    ...take(of('self_attn.v_proj'), [keys, dim]),
    ...take(of('self_attn.o_proj'), [dim, dim]),
    ...take(of('post_attention_layernorm'), [dim]),
    ...take(of('mlp.gate_proj'), [hidden, dim]),
    ...take(of('mlp.down_proj'), [dim, hidden]),
    ...take(of('mlp.up_proj'), [hidden, dim]),
    ...take(() => 'model.norm.weight', [dim], 1),
  ];
  expect(tensors).toHaveLength(47);
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  const config = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: vocab,
    hidden_size: dim,
    intermediate_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyHeads,
    max_position_embeddings: seq,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    bos_token_id: 1,
  };
  const { tokenizer, config: tokenizerConfig } = await tokenizerOf(vocab);
  const write = (name: string, value: unknown) => writeFile(join(folder, name), JSON.stringify(value));
  await Promise.all([
    write('config.json', config),
    write('tokenizer.json', tokenizer),
    write('tokenizer_config.json', tokenizerConfig),
  ]);
}

/** llama2.c's tokenizer: longest token, then score, length and bytes of each. */
async function tokenizerOf(count: number) {
  const bytes = await readFile(join(source, 'tok512.bin'));
  let at = 4;
  const pieces = Array.from({ length: count }, () => {
    const [score, length] = [bytes.readFloatLE(at), bytes.readInt32LE(at + 4)];
    const text = bytes.subarray(at + 8, at + 8 + length).toString('utf8');
    at += 8 + length;
    return { score, text };
  });
  const names = pieces.map(({ text }, id) => (['<unk>', '<s>', '</s>'][id] ?? text).replaceAll(' ', '▁'));
  return ggufTokenizer({
    model: 'llama',
    tokens: names,
    scores: pieces.map(({ score }) => score),
    tokenTypes: names.map((name, id) => (id < 3 ? 3 : /^<0x[0-9A-F]{2}>$/.test(name) ? 6 : 1)),
    bosTokenId: 1,
    eosTokenId: 2,
    unknownTokenId: 0,
  });
}

describe.skipIf(!hasShared('models/stories260K'))('stories260K, a real LLaMA of llama2.c', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diffora-stories-'));
    await convert(folder);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('tells its story, token by token as transformers does', async () => {
    const path = join(import.meta.dirname, 'fixtures', 'stories260K.json');
    const { ids } = JSON.parse(await readFile(path, 'utf8')) as { ids: number[] };
    const common = { maxNewTokens: 200, temperature: 0, seed: 1, threads: 1, reporter: silent };
    const [story] = await generateText({ ...common, model: folder, prompts: [''] });
    const tokenizer = await loadTokenizer(folder);
    expect(story!.text.trim()).toMatch(/^Once upon a time, there was a little girl named Lily\./);
    expect(story!.text).toBe(tokenizer.decode(ids, { skipSpecialTokens: true }));
  });
});
