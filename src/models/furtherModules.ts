import { type AdaptableModule, outsideLayers } from './model.js';
import type { ExpectedTensor } from './weights.js';

/**
 * The linear modules and embeddings among tensors that no layer has: embeddings, a pooler, an output over the vocabulary.
 * @param tied names of tensors that others stand for
 */
export function furtherModules(
  tensors: readonly ExpectedTensor[],
  adaptable: readonly AdaptableModule[],
  tied: ReadonlyMap<string, string>,
): AdaptableModule[] {
  const inLayers = new Set(adaptable.map(({ path }) => `${path}.weight`));
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const outputs = [...tied].map(([name, of]): ExpectedTensor => ({ name, shape: shapes.get(of)! }));
  return [...tensors, ...outputs].flatMap(({ name, shape, isEmbedding, isBare }): AdaptableModule[] => {
    if (shape.length !== 2 || !name.endsWith('.weight') || inLayers.has(name) || isBare === true) return [];
    const path = name.slice(0, -'.weight'.length);
    const [rows, columns] = shape as [number, number];
    const place = { path, layer: outsideLayers, module: path };
    return isEmbedding === true
      ? [{ ...place, inFeatures: rows, outFeatures: columns, transposed: true, isEmbedding }]
      : [{ ...place, inFeatures: columns, outFeatures: rows }];
  });
}
