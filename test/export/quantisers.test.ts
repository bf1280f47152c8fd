import { describe, expect, it } from 'vitest';
import { quantizeBlocks } from '../../src/export/onnx/q4.js';
import { quantizeChannels } from '../../src/export/onnx/q8.js';
import { randomStream } from '../../src/random.js';

const normal = (length: number) => {
  const stream = randomStream(0, 'weights');
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
