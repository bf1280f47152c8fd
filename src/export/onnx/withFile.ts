import { type CachedDecoder, decoderNames, type FileProgram, type Model, type ModelFile } from '../../models/model.js';
import { type HostTensor, host } from '../../runtime/deviceTensor.js';
import { type Bindings, openModelFile, type Session, type SessionOptions, type Value } from '../../runtime/session.js';

/** The model with an exported file in the place of its graph. */
export function withFile(model: Model, path: string): Model {
  const { cached } = model;
  return { ...model, file: cached === undefined ? encoderFile(model, path) : decoderFile(cached, path) };
}

type Results = Awaited<ReturnType<Session['run']>>;
const floats = (results: Results, name: string) => results[name]!.data as Float32Array;

function encoderFile({ taskType, numLabels }: Model, path: string): ModelFile {
  return {
    async logits(options) {
      const { run, release } = await openModelFile(path, options);
      return {
        async run(feeds) {
          const results = await run(feeds);
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
