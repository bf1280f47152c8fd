import { describe, expect, it } from 'vitest';
import { demoView } from '../../src/report/demoView.js';

type Result = Parameters<typeof demoView>[0];

/** Scores of the three seeds are 0.88, 0.90 and 0.92 of the first method, 0.01 more of the second: deviation 0.02. */
const runsOf = (method: string, more: number, of: Omit<Result['runs'][number], 'method' | 'seed' | 'scores'>) =>
  [1, 2, 3].map((seed) => ({
    method,
    seed,
    scores: { matthews: 0.86 + 0.02 * seed + more, accuracy: 0.9 + 0.02 * seed + more },
    ...of,
  }));
const result = {
  runs: [
    ...runsOf('DiffoRA', 0, {
      modules: 12,
      parameters: 277_634,
      seconds: { search: 12.4, training: 23.6 },
      peakMemoryBytes: 349_000_000,
      adapterBytes: 1_114_272,
    }),
    ...runsOf('LoRA on all', 0.01, {
      modules: 36,
      parameters: 480_386,
      seconds: { search: 0, training: 66 },
      peakMemoryBytes: 351_000_000,
      adapterBytes: 1_931_840,
    }),
  ],
  examples: { train: 200, dev: 300 },
  dam: { layers: 1, modules: ['a', 'b'], gamma: [[1, 0]], values: [[0.6, 0.4]], select: 'diffora' },
  seconds: 153,
  output: 'diffora-demo',
} as unknown as Result;

describe('demoView', () => {
  it('puts the methods beside each other on a terminal of 60 columns, all seeds and their mean', () => {
    const lines = demoView(result, { width: 60, colorLevel: 0 }).split('\n');
    for (const line of lines.filter((one) => !one.startsWith('Next'))) expect(line.length).toBeLessThanOrEqual(60);
    expect(lines).toContain('                        DiffoRA    LoRA on all');
    expect(lines).toContain('matthews, seed 1          0.880          0.890');
    expect(lines).toContain('matthews, seed 3          0.920          0.930');
    expect(lines).toContain('matthews          0.900 ± 0.020  0.910 ± 0.020');
    expect(lines).toContain('modules                      12             36');
    expect(lines).toContain('trained numbers         277,634        480,386');
    expect(lines).toContain('search                     12 s            0 s');
    expect(lines).toContain('training                   24 s     1 min 06 s');
    expect(lines).toContain('peak memory              349 MB         351 MB');
    expect(lines).toContain('adapter file            1.11 MB        1.93 MB');
  });

  it('says what was trained and scored, and ends with time, folder and what to try next', () => {
    const text = demoView(result, { width: 200, colorLevel: 0 });
    expect(text).toContain('Mean of 3 seeds, ± standard deviation; each trained on 200 examples and scored on 300.');
    expect(text).toContain('total time  2 min 33 s\nwritten to  diffora-demo (DiffoRA, seed 1)');
    expect(text).toContain('npx diffora predict --adapter diffora-demo --text');
  });
});
