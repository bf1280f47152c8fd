import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../src/checkpoint/safetensors-write.js';
import type { NamedTensor } from '../src/checkpoint/types.js';
import { randomStream } from '../src/random.js';
import { type PeerShape, shapeSchema } from './peer_shape.js';

/**
 * A BERT checkpoint with random weights. A process of its own (`peer_weights.ts FOLDER SHAPE DROPOUT`): on Linux a child
 * inherits its parent's peak of memory, and the parent of the two sides has to stay small.
 */
async function writeRandomBert(folder: string, shape: PeerShape, dropout: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const config = {
    model_type: 'bert',
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    intermediate_size: shape.intermediateSize,
    max_position_embeddings: shape.maxPositions,
    type_vocab_size: 2,
    hidden_dropout_prob: dropout,
    attention_probs_dropout_prob: dropout,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  await writeSafetensors(join(folder, 'model.safetensors'), randomTensors(shape));
}

/** Tensors are stretches of one pool of numbers: their values matter to no timing, and memory stays small. */
function randomTensors(shape: PeerShape): NamedTensor[] {
  const { hiddenSize: hidden, intermediateSize: wide, vocabSize, maxPositions } = shape;
  const largest = Math.max(vocabSize, wide, maxPositions) * hidden;
  const stream = randomStream(1, 'bench');
  const pool = Float32Array.from({ length: largest + 65_536 }, () => 0.02 * stream.normal());
  const random = (name: string, sizes: readonly number[]): NamedTensor => {
    const start = stream.integer(65_536);
    return { name, shape: sizes, data: pool.subarray(start, start + sizes.reduce((a, b) => a * b, 1)) };
  };
  const filled = (name: string, value: number, length = hidden): NamedTensor => ({
    name,
    shape: [length],
    data: new Float32Array(length).fill(value),
  });
  const linear = (path: string, rows: number, columns: number) => [
    random(`${path}.weight`, [rows, columns]),
    filled(`${path}.bias`, 0, rows),
  ];
  const norm = (path: string) => [filled(`${path}.weight`, 1), filled(`${path}.bias`, 0)];
  const layers = Array.from({ length: shape.layers }, (_, layer) => {
    const path = `bert.encoder.layer.${layer}`;
    return [
      ...['query', 'key', 'value'].flatMap((name) => linear(`${path}.attention.self.${name}`, hidden, hidden)),
      ...linear(`${path}.attention.output.dense`, hidden, hidden),
      ...norm(`${path}.attention.output.LayerNorm`),
      ...linear(`${path}.intermediate.dense`, wide, hidden),
      ...linear(`${path}.output.dense`, hidden, wide),
      ...norm(`${path}.output.LayerNorm`),
    ];
  });
  return [
    random('bert.embeddings.word_embeddings.weight', [vocabSize, hidden]),
    random('bert.embeddings.position_embeddings.weight', [maxPositions, hidden]),
    random('bert.embeddings.token_type_embeddings.weight', [2, hidden]),
    ...norm('bert.embeddings.LayerNorm'),
    ...layers.flat(),
    ...linear('bert.pooler.dense', hidden, hidden),
  ];
}

const [folder, shape, dropout] = process.argv.slice(2) as [string, string, string];
await writeRandomBert(folder, shapeSchema.parse(JSON.parse(shape)), Number(dropout));
