import { type CachedDecoder, decoderNames, type FileProgram, type Model, type ModelFile } from '../../models/model.js';
import type { VectorOptions } from '../../models/pooling.js';
import { type HostTensor, host } from '../../runtime/deviceTensor.js';
import { openModelFile } from '../../runtime/onnxNode.js';
import type { Bindings, Session, SessionOptions, Value } from '../../runtime/session.js';

/** The model with an exported file in the place of its graph. */
export function withFile(model: Model, path: string): Model {
  const { cached } = model;
  return { ...model, file: cached === undefined ? encoderFile(model, path) : decoderFile(cached, path) };
}

type Results = Awaited<ReturnType<Session['run']>>;
const floats = (results: Results, name: string) => results[name]!.data as Float32Array;

function encoderFile({ taskType, numLabels, vectors }: Model, path: string): ModelFile {
  return {
    async logits(options) {
      const { run, release } = await openModelFile(path, options);
      return {
        async run(feeds) {
          const results = await run(feeds);
          if (vectors !== undefined) {
            const mask = (feeds as Readonly<Record<string, Value>>).attention_mask!;
            const rows = hostVectors(floats(results, 'last_hidden_state'), mask, numLabels, vectors);
            return { logits: host.tensor(rows, [rows.length / numLabels, numLabels]) };
          }
          const { rows } = feeds as Readonly<Record<string, Value>>;
          if (rows !== undefined) return { logits: rowsOf(results.logits as HostTensor<Float32Array>, rows.data) };
          const isSpan = taskType === 'QUESTION_ANS';
          const data = isSpan
            ? paired(floats(results, 'start_logits'), floats(results, 'end_logits'))
            : floats(results, 'logits');
          return { logits: host.tensor(data, [data.length / numLabels, numLabels]) };
        },
        release,
      };
    },
  };
}

/** The vectors that `textVectors` makes in a graph. @param states [batch, seq, width] */
function hostVectors(
  states: Float32Array,
  { data: mask, shape }: Value,
  width: number,
  { pooling, normalize }: VectorOptions,
): Float32Array {
  const [batch, seq] = shape as [number, number];
  const all = new Float32Array(batch * width);
  for (let row = 0; row < batch; row++) {
    const length = Array.from(mask.subarray(row * seq, (row + 1) * seq), Number).reduce((sum, one) => sum + one, 0);
    const [first, last] = { mean: [0, length], cls: [0, 1], lasttoken: [length - 1, length] }[pooling] as [
      number,
      number,
    ];
    const vector = all.subarray(row * width, (row + 1) * width);
    for (let token = first; token < last; token++) {
      const at = (row * seq + token) * width;
      for (let i = 0; i < width; i++) vector[i]! += states[at + i]! / (last - first);
    }
    const norm = normalize ? Math.max(Math.hypot(...vector), 1e-12) : 1;
    for (let i = 0; i < width; i++) vector[i]! /= norm;
  }
  return all;
}

/** Start and end of each token beside each other. */
function paired(start: Float32Array, end: Float32Array): Float32Array {
  const both = new Float32Array(2 * start.length);
  for (let i = 0; i < start.length; i++) both.set([start[i]!, end[i]!], 2 * i);
  return both;
}

function decoderFile(cached: CachedDecoder, path: string): ModelFile {
  return {
    async logits(options) {
      const { run, release } = await openModelFile(path, options);
      return {
        async run(feeds) {
          const { input_ids, attention_mask, rows } = feeds as Readonly<Record<string, Value>>;
          const [batch, seq] = input_ids!.shape as [number, number];
          const positions = BigInt64Array.from({ length: batch * seq }, (_, i) => BigInt(i % seq));
          const position_ids = { data: positions, shape: [batch, seq] };
          const results = await run({
            input_ids: input_ids!,
            attention_mask: attention_mask!,
            position_ids,
            ...emptyCaches(cached, batch),
          });
          return { logits: rowsOf(results.logits as HostTensor<Float32Array>, rows!.data) };
        },
        release,
      };
    },
    next: (options) => openStep(cached, path, options),
  };
}

function emptyCaches({ layers, heads, headSize }: CachedDecoder, batch: number): Bindings {
  const empty = host.zeros([batch, heads, 0, headSize]);
  return Object.fromEntries(
    Array.from({ length: layers }, (_, layer) =>
      ['key', 'value'].map((part) => [`past_key_values.${layer}.${part}`, empty] as const),
    ).flat(),
  );
}

/** Rows of logits [batch, seq, vocab], counted over the whole batch. */
function rowsOf({ data, shape }: HostTensor<Float32Array>, rows: ArrayLike<number | bigint>): HostTensor<Float32Array> {
  const vocabulary = shape[2]!;
  const picked = new Float32Array(rows.length * vocabulary);
  for (let i = 0; i < rows.length; i++) {
    const start = Number(rows[i]) * vocabulary;
    picked.set(data.subarray(start, start + vocabulary), i * vocabulary);
  }
  return host.tensor(picked, [rows.length, vocabulary]);
}

async function openStep(
  { layers }: CachedDecoder,
  path: string,
  options: SessionOptions,
): Promise<FileProgram<'logits' | `next ${string}`>> {
  const { run, release } = await openModelFile(path, options);
  const names = Array.from({ length: layers }, (_, layer) => {
    const [key, value] = decoderNames(layer);
    return [[key, `${layer}.key`] as const, [value, `${layer}.value`] as const];
  }).flat();
  return {
    async run(feeds) {
      const { input_ids, positions, key_positions } = feeds as Readonly<Record<string, Value>>;
      const [seq, total] = [positions!.data.length, key_positions!.data.length];
      const results = await run({
        ...Object.fromEntries(names.map(([own, name]) => [`past_key_values.${name}`, feeds[own]!])),
        input_ids: input_ids!,
        position_ids: { data: positions!.data, shape: [1, seq] },
        attention_mask: { data: new BigInt64Array(total).fill(1n), shape: [1, total] },
      });
      const caches = names.map(([own, name]) => [`next ${own}`, results[`present.${name}`]!] as const);
      const logits = rowsOf(results.logits as HostTensor<Float32Array>, [seq - 1]);
      return { logits, ...Object.fromEntries(caches) } as Record<'logits' | `next ${string}`, HostTensor<Float32Array>>;
    },
    release,
  };
}
