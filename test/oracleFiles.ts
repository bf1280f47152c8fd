import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSafetensorsHeader, readTensor, readTensorBytes } from '../src/checkpoint/safetensors.js';
import { type Parameter, parameter } from '../src/engine/parameters.js';
import type { Value } from '../src/runtime/session.js';
import { REPOSITORY } from './shared.js';

// Nothing of a test runner: benches read fixtures too.

/** Path below test/fixtures/oracle, whose files test/oracle/README.md describes. */
export const oraclePath = (...parts: string[]) => join(REPOSITORY, 'test', 'fixtures', 'oracle', ...parts);

/** Names of this project's tensors → keys of a fixture's safetensors file. */
export type TensorKeys = Readonly<Record<string, string>>;

export interface Oracle<Description> {
  readonly description: Description;
  /** The tensor of a key. */
  at(key: string): Value;
  /** The tensors of a map, under the same names. */
  all(keys: TensorKeys): Record<string, Value>;
}

/** Reads `<name>.json` and `<name>.safetensors`. Integers and booleans (0 or 1) come as int64. */
export async function readOracle<Description>(name: string): Promise<Oracle<Description>> {
  const description = JSON.parse(await readFile(oraclePath(`${name}.json`), 'utf8')) as Description;
  const { tensors } = await readSafetensorsHeader(oraclePath(`${name}.safetensors`));
  const values = new Map<string, Value>();
  for (const [key, tensor] of tensors) {
    const { dtype, shape } = tensor;
    if (dtype === 'F32') values.set(key, { data: await readTensor(tensor), shape });
    else {
      const bytes = await readTensorBytes(tensor);
      const data = dtype === 'BOOL' ? BigInt64Array.from(bytes, BigInt) : new BigInt64Array(bytes.buffer);
      values.set(key, { data, shape });
    }
  }
  const at = (key: string): Value => {
    const value = values.get(key);
    if (value === undefined) throw new Error(`${name}.safetensors has no tensor "${key}"`);
    return value;
  };
  const all = (keys: TensorKeys) => Object.fromEntries(Object.entries(keys).map(([one, key]) => [one, at(key)]));
  return { description, at, all };
}

/** Parameters with a copy of a fixture's values: they may be trained. */
export function parametersOf(values: Readonly<Record<string, Value>>): Parameter[] {
  return Object.entries(values).map(([name, { data, shape }]) =>
    parameter(name, shape, Float32Array.from(data, Number)),
  );
}
