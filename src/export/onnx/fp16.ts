import { onnxTypes } from '../../graph/primitives/cast.js';
import { halved, widenedRows } from './float16.js';
import type { Precision } from './precision.js';
import { Rewriting, readersOf, takesRows } from './rewriting.js';

/**
 * Matrices and tables in half precision, computed with in float32: half of the download, and no device has to know
 * float16. Vectors stay as they are.
 */
export const fp16: Precision = {
  suffix: '_fp16',
  apply(graph, wide) {
    const { nodes, inputs, outputs, weights } = graph;
    const rewriting = new Rewriting(graph);
    const readers = readersOf(graph);
    const tables = new Map<string, string>();
    for (const weight of weights) {
      const { name, shape } = weight;
      if (shape.length < 2 || wide.has(name)) {
        rewriting.float32(weight);
        continue;
      }
      const half = halved(rewriting, weight);
      tables.set(name, half);
      if (readers.get(name)!.every((node) => takesRows(node, name))) continue;
      rewriting.node('Cast', [half], { outputs: [name], attributes: { to: { int: onnxTypes.float32 } } });
    }
    for (const node of nodes) {
      const table = tables.get(node.inputs[0]!);
      if (table !== undefined && takesRows(node, node.inputs[0]!)) widenedRows(rewriting, node, table);
      else rewriting.nodes.push(node);
    }
    return { nodes: rewriting.nodes, inputs, outputs, initializers: rewriting.initializers };
  },
};
