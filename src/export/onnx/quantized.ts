import { transposed } from '../../checkpoint/transposed.js';
import type { OnnxModel } from '../../graph/onnx/encode.js';
import { halved, widenedRows } from './float16.js';
import type { Weight, WeightlessGraph } from './graph.js';
import { type Product, productOf, Rewriting, readersOf, takesRows } from './rewriting.js';

/** A matrix that rows are multiplied by, to be quantised: its values as [out, in]. */
export interface Matrix {
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [out, in], alpha of its products in it. */
  read(): Promise<Float32Array>;
}

/** Writes x Wᵀ [rows, out] in a quantised form; returns its name. `first` is false where W has been written before. */
export type WriteProduct = (rewriting: Rewriting, x: string, matrix: Matrix, first: boolean) => string;

/**
 * A graph whose products with weights are quantised. Tables that rows are taken from (embeddings) are kept in half
 * precision; what is neither stays float32, and so do the weights in `wide`.
 */
export function quantizedGraph(graph: WeightlessGraph, wide: ReadonlySet<string>, write: WriteProduct): OnnxModel {
  const { nodes, inputs, outputs } = graph;
  const rewriting = new Rewriting(graph);
  const weights = new Map(graph.weights.map((weight) => [weight.name, weight]));
  const products = new Map(
    nodes.flatMap((node) => {
      const product = productOf(node, weights);
      return product === undefined || wide.has(product.weight) ? [] : [[node, product] as const];
    }),
  );
  const tables = new Map<string, string>();
  for (const [name, readers] of readersOf(graph)) {
    const weight = weights.get(name)!;
    const rest = readers.filter((node) => products.get(node)?.weight !== name);
    if (rest.length === 0) continue;
    const isTable = weight.shape.length === 2 && rest.every((node) => takesRows(node, name)) && !wide.has(name);
    if (isTable) tables.set(name, halved(rewriting, weight));
    else rewriting.float32(weight);
  }
  const written = new Set<string>();
  for (const node of nodes) {
    const product = products.get(node);
    const table = tables.get(node.inputs[0]!);
    if (product !== undefined) {
      const matrix = matrixOf(product, weights.get(product.weight)!);
      writeBiased(rewriting, product, write(rewriting, product.x, matrix, !written.has(matrix.name)));
      written.add(matrix.name);
    } else if (table !== undefined && takesRows(node, node.inputs[0]!)) widenedRows(rewriting, node, table);
    else rewriting.nodes.push(node);
  }
  return { nodes: rewriting.nodes, inputs, outputs, initializers: rewriting.initializers };
}

function writeBiased(rewriting: Rewriting, { bias, output }: Product, y: string): void {
  if (bias === undefined) rewriting.node('Identity', [y], { outputs: [output] });
  else rewriting.node('Add', [y, bias], { outputs: [output] });
}

function matrixOf({ transposed: isOutIn, alpha }: Product, weight: Weight): Matrix {
  const [rows, columns] = weight.shape as [number, number];
  const read = async () => {
    const values = await weight.read();
    const scaled = alpha === 1 ? values : values.map((value) => value * alpha);
    return isOutIn ? scaled : transposed(scaled, rows, columns);
  };
  const [outFeatures, inFeatures] = isOutIn ? [rows, columns] : [columns, rows];
  // The same weight may be read both ways round, or with a factor.
  const form = `${isOutIn ? '' : '.transposed'}${alpha === 1 ? '' : `.times${alpha}`}`;
  return { name: `${weight.name}${form}`, inFeatures, outFeatures, read };
}
