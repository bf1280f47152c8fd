import { describe, expect, it } from 'vitest';
import { nextToken } from '../../src/infer/sample.js';
import { randomStream } from '../../src/random.js';

/** Share of each token among many draws. */
function shares(logits: Float32Array, options: Parameters<typeof nextToken>[2], previous: number[] = []): number[] {
  const draws = 40_000;
  const stream = randomStream(3, 'draws');
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[nextToken(logits, previous, options, stream)]!++;
  return counts.map((count) => count / draws);
}

const probabilities = [0.5, 0.25, 0.15, 0.1];
const logits = Float32Array.from(probabilities, Math.log);
/** Percentages to within 1: four standard deviations of these draws. */
const near = (expected: number[]) => expected.map((share) => expect.closeTo(share, -0.3));

describe('nextToken', () => {
  it('takes the likeliest token at temperature 0, the lower id of two', () => {
    expect(nextToken(Float32Array.of(1, 3, 3, 2), [], { temperature: 0 }, randomStream(1))).toBe(1);
  });

  it('draws by softmax', () => {
    expect(shares(logits, { temperature: 1 }).map((share) => share * 100)).toEqual(near([50, 25, 15, 10]));
  });

  it('sharpens with a low temperature: p^(1/T), normalised', () => {
    const squared = probabilities.map((p) => p * p);
    const total = squared.reduce((sum, p) => sum + p, 0);
    expect(shares(logits, { temperature: 0.5 }).map((share) => share * 100)).toEqual(
      near(squared.map((p) => (100 * p) / total)),
    );
  });

  it('draws among the k likeliest', () => {
    expect(shares(logits, { temperature: 1, topK: 2 }).map((share) => share * 100)).toEqual(
      near([200 / 3, 100 / 3, 0, 0]),
    );
    expect(shares(logits, { temperature: 1, topK: 2 })[2]).toBe(0);
  });

  it('draws among the fewest tokens that reach p', () => {
    expect(shares(logits, { temperature: 1, topP: 0.7 }).map((share) => share * 100)).toEqual(
      near([200 / 3, 100 / 3, 0, 0]),
    );
    expect(shares(logits, { temperature: 1, topP: 0.01 })).toEqual([1, 0, 0, 0]);
    expect(shares(logits, { temperature: 1, topP: 1 }).every((share) => share > 0)).toBe(true);
  });

  it('penalises what occurred: positive logits divided, negative ones multiplied', () => {
    const stream = randomStream(1);
    const pick = (values: Float32Array, previous: number[]) =>
      nextToken(values, previous, { temperature: 0, repetitionPenalty: 2 }, stream);
    expect(pick(Float32Array.of(4, 3), [0])).toBe(1);
    expect(pick(Float32Array.of(-1, -1.5), [0])).toBe(1);
    expect(pick(Float32Array.of(4, 1.9), [0, 0])).toBe(0);
  });

  it('leaves the logits as they are', () => {
    const values = Float32Array.of(4, 3);
    nextToken(values, [0], { temperature: 0.7, repetitionPenalty: 2, topK: 1 }, randomStream(1));
    expect([...values]).toEqual([4, 3]);
  });

  it('gives the same tokens for the same seed', () => {
    const draw = (seed: number) => {
      const stream = randomStream(seed);
      return Array.from({ length: 50 }, () => nextToken(logits, [], { temperature: 1 }, stream));
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});
