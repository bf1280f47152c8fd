import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/export/onnx/file.js';
import { quantizeBlocks } from '../../src/export/onnx/q4.js';
import { q8, quantizeChannels } from '../../src/export/onnx/q8.js';
import { randomStream } from '../../src/random.js';
import { openModelFile } from '../../src/runtime/onnxNode.js';

const folder = mkdtempSync(join(tmpdir(), 'diffora-quantisers-'));
afterAll(() => rmSync(folder, { recursive: true }));

const normal = (length: number, name = 'weights') => {
  const stream = randomStream(0, name);
  return Float32Array.from({ length }, () => stream.normal());
};

describe('8 bits', () => {
  it('turns rows into columns, none further off than half of its own step', () => {
    const [rows, columns] = [5, 48];
    const weight = normal(rows * columns);
    weight.fill(0, 0, columns);
    const { values, scales } = quantizeChannels(weight, columns);
    for (let row = 0; row < rows; row++) {
      const channel = weight.slice(row * columns, (row + 1) * columns);
      const highest = Math.max(...channel.map(Math.abs));
      expect(scales[row]).toBeCloseTo(highest === 0 ? 1 : highest / 127, 6);
      for (let i = 0; i < columns; i++) {
        const back = (values[i * rows + row]! - 128) * scales[row]!;
        expect(Math.abs(back - channel[i]!)).toBeLessThanOrEqual(scales[row]! / 2 + 1e-6);
      }
    }
  });
});

describe('products in 8 bits', () => {
  it('have a scale for each row: one that is a thousand times as large takes no bits from the others', async () => {
    const [inFeatures, outFeatures] = [64, 8];
    const weight = normal(inFeatures * outFeatures);
    const node = { opType: 'Gemm', domain: '', inputs: ['x', 'w'], outputs: ['y'], attributes: { transB: { int: 1 } } };
    const graph = {
      nodes: [node],
      inputs: [{ name: 'x', dtype: 'float32', shape: ['rows', inFeatures] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['rows', outFeatures] }],
      initializers: [],
      weights: [{ name: 'w', shape: [outFeatures, inFeatures], read: async () => weight }],
    } as const;
    const path = join(folder, 'rows.onnx');
    await writeModel(path, q8.apply(graph, new Set()));
    const session = await openModelFile(path, { threads: 1 });
    const rows = Array.from({ length: 3 }, (_, row) => normal(inFeatures, `row ${row}`));
    rows[1]!.fill(0);
    const run = async (given: readonly Float32Array[]) => {
      const data = Float32Array.from(given.flatMap((row) => Array.from(row)));
      const { y } = await session.run({ x: { data, shape: [given.length, inFeatures] } });
      return given.map((_, row) =>
        Array.from(y!.data as Float32Array).slice(row * outFeatures, (row + 1) * outFeatures),
      );
    };
    const found = await run(rows);
    for (const [i, row] of rows.entries()) {
      const norm = Math.hypot(...row);
      for (let out = 0; out < outFeatures; out++) {
        const channel = weight.subarray(out * inFeatures, (out + 1) * inFeatures);
        const exact = row.reduce((sum, value, k) => sum + value * channel[k]!, 0);
        // Errors of a hundredth of a number each, which are as likely up as down.
        expect(Math.abs(found[i]![out]! - exact)).toBeLessThanOrEqual(0.03 * norm);
      }
    }
    expect(found[1]).toEqual(new Array(outFeatures).fill(0));
    const beside = await run([rows[0]!.map((value) => 1000 * value), rows[2]!]);
    expect(beside[1]).toEqual(found[2]);
    await session.release();
  });
});

describe('4 bits', () => {
  it('keeps the largest magnitude of a block exactly, at −8 steps', () => {
    const weight = normal(64);
    const { values, scales } = quantizeBlocks(weight, 64);
    for (const block of [0, 1]) {
      const part = Array.from(weight.slice(block * 32, block * 32 + 32));
      const extreme = part.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      expect(scales[block]).toBeCloseTo(extreme / -8, 6);
      const at = part.indexOf(extreme);
      const byte = values[block * 16 + (at >> 1)]!;
      expect(at % 2 === 0 ? byte & 15 : byte >> 4).toBe(0);
    }
  });

  it('fills the last block of a row with zeros', () => {
    const { values, scales } = quantizeBlocks(normal(2 * 40), 40);
    expect(scales).toHaveLength(4);
    expect(values).toHaveLength(64);
    // 8 stands for 0, in both halves of a byte.
    expect(Array.from(values.slice(16 + 4, 32))).toEqual(new Array(12).fill(0x88));
  });
});
