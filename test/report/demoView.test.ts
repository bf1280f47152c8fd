import { describe, expect, it } from 'vitest';
import { demoView } from '../../src/report/demoView.js';

type Result = Parameters<typeof demoView>[0];

const dam = { layers: 1, modules: ['a', 'b'], gamma: [[1, 0]], values: [[0.6, 0.4]], select: 'diffora' };
const result = {
  rows: [
    { name: 'head only', parameters: 770, scores: { matthews: 0.7334, accuracy: 0.888, f1: 0.807 }, seconds: 66 },
    {
      name: 'LoRA on all modules, rank 5',
      parameters: 355_970,
      scores: { matthews: 0.938, accuracy: 0.974, f1: 0.957 },
      seconds: 120,
    },
  ],
  dam,
  seconds: 353,
  peakMemoryBytes: 1_040_000_000,
  output: 'diffora-demo',
} as unknown as Result;

describe('demoView', () => {
  it('puts the methods beside each other on a terminal of 80 columns', () => {
    const lines = demoView(result, { width: 80, colorLevel: 0 }).split('\n');
    expect(lines).toContain('method                       parameters  matthews  accuracy     f1        time');
    expect(lines).toContain('head only                           770     0.733     0.888  0.807  1 min 06 s');
    expect(lines).toContain('LoRA on all modules, rank 5     355,970     0.938     0.974  0.957  2 min 00 s');
  });

  it('ends with time, memory, folder and what to try next', () => {
    const text = demoView(result, { width: 80, colorLevel: 0 });
    expect(text).toContain('total time   5 min 53 s\npeak memory  1.04 GB\nwritten to   diffora-demo');
    expect(text).toContain('npx diffora predict --adapter diffora-demo --text');
  });
});
