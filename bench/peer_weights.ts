import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../src/checkpoint/safetensors-write.js';
import { thisComputer } from '../src/checkpoint/thisComputer.js';
import type { NamedTensor } from '../src/checkpoint/types.js';
import { families } from '../src/models/registry.js';
import type { ExpectedTensor } from '../src/models/weights.js';
import { randomStream } from '../src/random.js';
import { type PeerShape, shapeSchema } from './peer_shape.js';

/**
 * A checkpoint with random weights. A process of its own (`peer_weights.ts FOLDER SHAPE DROPOUT`): on Linux a child
 * inherits its parent's peak of memory, and the parent of the two sides has to stay small.
 */
async function writeRandomCheckpoint(folder: string, shape: PeerShape, dropout: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const config = {
    model_type: shape.modelType,
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    intermediate_size: shape.intermediateSize,
    max_position_embeddings: shape.maxPositions,
    type_vocab_size: 2,
    hidden_dropout_prob: dropout,
    attention_probs_dropout_prob: dropout,
    ...shape.extra,
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const family = families.find(({ modelTypes }) => modelTypes.includes(shape.modelType))!;
  const nothing = { tensors: new Map(), metadata: {}, notes: [], machine: thisComputer };
  const architecture = family.describe({ name: folder, folder, config, ...nothing });
  // A pooler that is there stays frozen on both sides.
  const poolers = architecture.heads.SEQ_CLS!(2).modules.filter(({ role }) => role === 'pooler');
  const expected = [...architecture.tensors, ...poolers.flatMap(({ tensors }) => tensors)];
  await writeSafetensors(join(folder, 'model.safetensors'), randomTensors(expected));
}

/** Tensors are stretches of one pool of numbers: their values matter to no timing, and memory stays small. */
function randomTensors(expected: readonly ExpectedTensor[]): NamedTensor[] {
  const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
  const stream = randomStream(1, 'bench');
  const length = Math.max(...expected.map(({ shape }) => sizeOf(shape))) + 65_536;
  const pool = Float32Array.from({ length }, () => 0.02 * stream.normal());
  return expected.map(({ name, shape }) => {
    if (shape.length === 1)
      return { name, shape, data: new Float32Array(shape[0]!).fill(name.endsWith('weight') ? 1 : 0) };
    const start = stream.integer(65_536);
    return { name, shape, data: pool.subarray(start, start + sizeOf(shape)) };
  });
}

const [folder, shape, dropout] = process.argv.slice(2) as [string, string, string];
await writeRandomCheckpoint(folder, shapeSchema.parse(JSON.parse(shape)), Number(dropout));
