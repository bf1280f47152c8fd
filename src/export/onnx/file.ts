import { basename } from 'node:path';
import { writeAtomic, writeFully } from '../../files/atomic.js';
import { encodeParts, type LazyBytes, type OnnxInitializer, type OnnxModel } from '../../graph/onnx/encode.js';

/** Protobuf's readers take no message of 2 GiB or more; the graph itself needs some of it. */
export const largestFile = 2_000_000_000;
/** Of tensors in a file of their own, so that they can be mapped. */
const alignment = 64;
/** What is smaller stays in the model: runtimes want to see shapes and axes while they read it. */
const smallTensor = 1024;

/** What was written: bytes altogether, and whether weights lie beside the model. */
export interface WrittenModel {
  readonly bytes: number;
  readonly external: boolean;
}

/**
 * Writes a model, a weight at a time, each file whole or not at all. Weights lie inside the file unless that would pass
 * `limit` bytes: then in `<path>_data`, where transformers.js looks for them.
 */
export async function writeModel(
  path: string,
  model: OnnxModel,
  { signal, limit = largestFile }: { readonly signal?: AbortSignal | undefined; readonly limit?: number } = {},
): Promise<WrittenModel> {
  const inside = encodeParts(model);
  if (sizeOf(inside) <= limit) return { bytes: await writeParts(path, inside, signal), external: false };
  const { initializers, parts } = moveOut(model.initializers, `${path}_data`);
  const beside = await writeParts(`${path}_data`, parts, signal);
  const bytes = await writeParts(path, encodeParts({ ...model, initializers }), signal);
  return { bytes: bytes + beside, external: true };
}

type Part = Uint8Array | LazyBytes;

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

async function writeParts(path: string, parts: readonly Part[], signal?: AbortSignal): Promise<number> {
  await writeAtomic(path, async (file) => {
    for (const part of parts) {
      signal?.throwIfAborted();
      const bytes = part instanceof Uint8Array ? part : await part.read();
      if (bytes.byteLength !== part.byteLength) {
        throw new Error(`${basename(path)}: ${bytes.byteLength} bytes were made where ${part.byteLength} were said`);
      }
      await writeFully(file, bytes);
    }
  });
  return sizeOf(parts);
}

function moveOut(initializers: readonly OnnxInitializer[], file: string) {
  const parts: Part[] = [];
  let offset = 0;
  const moved = initializers.map((one): OnnxInitializer => {
    const { data } = one;
    if ('file' in data || data.byteLength < smallTensor) return one;
    const place = { file, offset, length: data.byteLength };
    const gap = (alignment - (data.byteLength % alignment)) % alignment;
    parts.push(data, new Uint8Array(gap));
    offset += data.byteLength + gap;
    return { ...one, data: place };
  });
  return { initializers: moved, parts };
}
