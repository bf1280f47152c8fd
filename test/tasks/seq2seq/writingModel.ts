import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../../src/checkpoint/safetensors-write.js';
import { randomStream } from '../../../src/random.js';
import { writeLetterTokenizer } from '../letterTokenizer.js';

const special = ['<pad>', '</s>', '<unk>'];
const letters = [...' abcdefghijklmnopqrstuvwxyz.:'];
const [hidden, heads, headSize, inner, layers, buckets] = [24, 3, 8, 32, 2, 8];

/** Writes a T5 of two layers in each half, weights drawn by a seed, with a tokenizer whose tokens are letters. */
export async function writingModel(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const vocabulary = [...special, ...letters];
  const config = {
    architectures: ['T5ForConditionalGeneration'],
    model_type: 't5',
    vocab_size: vocabulary.length,
    d_model: hidden,
    d_kv: headSize,
    d_ff: inner,
    num_layers: layers,
    num_heads: heads,
    relative_attention_num_buckets: buckets,
    relative_attention_max_distance: 20,
    dropout_rate: 0,
    feed_forward_proj: 'relu',
    pad_token_id: 0,
    eos_token_id: 1,
    decoder_start_token_id: 0,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const linear = (name: string, rows: number, columns: number) => ({ name: `${name}.weight`, shape: [rows, columns] });
  const attention = (path: string) => [
    ...['q', 'k', 'v'].map((one) => linear(`${path}.${one}`, heads * headSize, hidden)),
    linear(`${path}.o`, hidden, heads * headSize),
  ];
  const block = (half: string, layer: number) => {
    const path = `${half}.block.${layer}.layer`;
    const last = half === 'decoder' ? 2 : 1;
    return [
      ...attention(`${path}.0.SelfAttention`),
      ...(layer === 0 ? [linear(`${path}.0.SelfAttention.relative_attention_bias`, buckets, heads)] : []),
      ...(last === 2 ? attention(`${path}.1.EncDecAttention`) : []),
      linear(`${path}.${last}.DenseReluDense.wi`, inner, hidden),
      linear(`${path}.${last}.DenseReluDense.wo`, hidden, inner),
      ...Array.from({ length: last + 1 }, (_, place) => ({
        name: `${path}.${place}.layer_norm.weight`,
        shape: [hidden],
      })),
    ];
  };
  const tensors = [
    linear('shared', vocabulary.length, hidden),
    ...['encoder', 'decoder'].flatMap((half) => [
      ...Array.from({ length: layers }, (_, layer) => block(half, layer)).flat(),
      { name: `${half}.final_layer_norm.weight`, shape: [hidden] },
    ]),
  ].map(({ name, shape }) => {
    const stream = randomStream(1, name);
    const length = shape.reduce((product, size) => product * size, 1);
    const value = () => (shape.length === 1 ? 1 : stream.normal() * (name === 'shared.weight' ? 1 : 0.15));
    return { name, shape, data: Float32Array.from({ length }, value) };
  });
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  await writeLetterTokenizer(folder, {
    special,
    letters,
    unknown: '<unk>',
    postProcessor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
  });
  const settings = { eos_token: '</s>', pad_token: '<pad>', unk_token: '<unk>', model_max_length: 60 };
  await writeFile(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', ...settings }),
  );
  return folder;
}
