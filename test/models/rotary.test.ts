import { describe, expect, it } from 'vitest';
import { input, ops } from '../../src/graph/index.js';
import { rotaryOf } from '../../src/models/rotary.js';
import { openSession } from '../../src/runtime/session.js';
import { configOnly } from './configOnly.js';

const checkpoint = configOnly({});
const headSize = 8;

/** cos of positions 0…9. */
async function cosines(config: Parameters<typeof rotaryOf>[0]): Promise<number[]> {
  const rotary = rotaryOf(config, headSize, checkpoint);
  const { cos } = rotary.tables(input('positions', 'int64', ['seq']), ops.size('seq'));
  const session = await openSession({ cos }, { threads: 1 });
  const positions = BigInt64Array.from({ length: 10 }, (_, i) => BigInt(i));
  const result = await session.run({ positions: { data: positions, shape: [10] } });
  await session.release();
  return Array.from(result.cos!.data, Number);
}

describe('rotary settings', () => {
  it('mean the same in the old spelling and in the new', async () => {
    const old = { rope_theta: 100, rope_scaling: { type: 'linear', factor: 2 }, max_position_embeddings: 20 };
    const now = {
      rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 100 },
      max_position_embeddings: 20,
    };
    expect(await cosines(old)).toEqual(await cosines(now));
  });

  it('without scaling are cos(position / θ^(2i/d))', async () => {
    const found = await cosines({ rope_theta: 100, max_position_embeddings: 20 });
    const expected = Array.from({ length: 40 }, (_, k) => Math.cos(Math.floor(k / 4) / 100 ** ((2 * (k % 4)) / 8)));
    for (const [k, value] of expected.entries()) expect(found[k]).toBeCloseTo(value, 5);
  });

  it.each([
    [{ rope_type: 'spiral' }, 'rope type "spiral" is not known; known are default, linear'],
    [{ rope_type: 'linear' }, 'rope type "linear" needs "factor"'],
    [{ rope_type: 'longrope', short_factor: [1], long_factor: [1] }, 'needs "short_factor"'],
    [{ rope_type: 'linear', factor: 2, partial_rotary_factor: 0.5 }, 'partial_rotary_factor 0.5 is not supported'],
    [{ full_attention: { rope_theta: 100 } }, 'rope_parameters.full_attention: layers with positions of their own'],
  ])('are refused by key: %j', (rope_parameters, message) => {
    const config = { rope_parameters, max_position_embeddings: 20 };
    expect(() => rotaryOf(config, headSize, checkpoint)).toThrow(message);
  });
});
