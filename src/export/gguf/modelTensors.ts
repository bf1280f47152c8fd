import { permuted } from '../../checkpoint/ggufHeadRows.js';
import { transposed } from '../../checkpoint/transposed.js';
import { type ExportSource, foldedSource } from '../source.js';
import type { Described, GgufArchitecture, Place } from './architectures/architecture.js';
import { encodings, type GgufEncoding } from './encodings.js';
import { refuse } from './refusal.js';
import type { GgufOutput } from './writeGguf.js';

/** Numbers of the weights by `--dtype`; embeddings and output stay in 8 bits beside weights of 4, as in llama.cpp's own files. */
const weights: Readonly<Record<string, { readonly usual: GgufEncoding; readonly vocabulary: GgufEncoding }>> = {
  f32: { usual: 'F32', vocabulary: 'F32' },
  f16: { usual: 'F16', vocabulary: 'F16' },
  q8_0: { usual: 'Q8_0', vocabulary: 'Q8_0' },
  q4_0: { usual: 'Q4_0', vocabulary: 'Q8_0' },
};

const ofVocabulary = new Set(['token_embd.weight', 'output.weight']);

/** How a tensor is written. Vectors are never narrowed; rows that are no whole blocks are written in half precision. */
export function encodingOf({ name, exact }: Place, shape: readonly number[], dtype: string): GgufEncoding {
  if (shape.length < 2 || exact === true) return 'F32';
  const { usual, vocabulary } = weights[dtype]!;
  const wanted = ofVocabulary.has(name) ? vocabulary : usual;
  return shape.at(-1)! % encodings[wanted].elements === 0 ? wanted : 'F16';
}

/**
 * Every tensor of a model with its adapter folded in, under llama.cpp's names.
 * @throws Refusal for a tensor that has no place
 */
export function modelTensors(
  source: ExportSource,
  architecture: GgufArchitecture,
  { tensors: more }: Described,
  dtype: string,
): GgufOutput[] {
  const { model } = source.opened;
  const conv = new Set(model.adaptable.flatMap(({ path, transposed: turned }) => (turned ? [`${path}.weight`] : [])));
  const folded = foldedSource(source);
  const own = [...folded.shapes].map(([name, stored]): GgufOutput => {
    const place =
      architecture.place(name, model) ??
      refuse(`its tensor "${name}" has no place in llama.cpp's ${architecture.name}`);
    const shape = conv.has(name) ? stored.toReversed() : stored;
    return {
      name: place.name,
      shape,
      type: encodingOf(place, shape, dtype),
      values: async () => {
        const values = await folded.read(name);
        const [rows, columns] = [stored[0]!, stored[1] ?? 1];
        const laid = conv.has(name) ? transposed(values, rows, columns) : values;
        return place.heads === undefined ? laid : permuted(laid, rows, place.heads);
      },
    };
  });
  const added = Object.entries(more).map(
    ([name, values]): GgufOutput => ({ name, shape: [values.length], type: 'F32', values: async () => values }),
  );
  return [...own, ...added];
}
