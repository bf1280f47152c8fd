import { bytesAs } from '../../checkpoint/floatTypes.js';
import { DiffoError } from '../../errors.js';
import type { OnnxNode } from '../../graph/onnx/encode.js';
import { onnxTypes } from '../../graph/primitives/cast.js';
import type { Weight } from './graph.js';
import { type Rewriting, sizeOf } from './rewriting.js';

/** Largest number of binary16. */
const largest = 65_504;

/** Adds a weight in half precision. @throws DiffoError when it is written, for a number beyond binary16 */
export function halved(rewriting: Rewriting, weight: Weight): string {
  const { name, shape } = weight;
  const read = async () => {
    const values = await weight.read();
    const beyond = values.find((value) => Math.abs(value) > largest);
    if (beyond === undefined) return bytesAs(values, 'float16');
    throw new DiffoError(`${name} has the value ${beyond}, which float16 does not reach. Export --dtype fp32.`);
  };
  return rewriting.initializer({
    name: `${name}.float16`,
    dtype: 'float16',
    dims: shape,
    data: { byteLength: 2 * sizeOf(weight), read },
  });
}

/** A node that takes rows of a table, with the table in half precision and its rows widened. */
export function widenedRows(rewriting: Rewriting, node: OnnxNode, table: string): void {
  const [, ...rest] = node.inputs;
  const { opType, attributes, outputs } = node;
  const rows = rewriting.node(opType, [table, ...rest], { attributes });
  rewriting.node('Cast', rows, { outputs, attributes: { to: { int: onnxTypes.float32 } } });
}
