import { describe, expect, it } from 'vitest';
import { input, ops } from '../../src/graph/index.js';
import { cpu } from '../../src/runtime/devices/cpu.js';
import { webgpu } from '../../src/runtime/devices/webgpu.js';
import { host } from '../../src/runtime/deviceTensor.js';
import { placeOn } from '../../src/runtime/placed.js';
import { openSession } from '../../src/runtime/session.js';
import { hasWebgpu } from '../webgpu.js';

const weight = host.tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
const bias = host.tensor(Float32Array.of(10, 20, 30), [3]);

describe('placeOn', () => {
  it('gives a device that keeps no results the tensors as they are', async () => {
    const { tensors, release } = await placeOn(cpu, { weight, bias });
    expect(tensors).toEqual({ weight, bias });
    await release();
  });

  it.skipIf(!hasWebgpu)(
    'copies tensors to WebGPU once for all who ask, and gives them back with the last',
    async () => {
      const [one, other] = await Promise.all([placeOn(webgpu, { weight, bias }), placeOn(webgpu, { w: weight })]);
      expect(other.tensors.w).toBe(one.tensors.weight);
      expect(() => one.tensors.weight!.host()).toThrow('left on the GPU');
      const [a, b] = [input('weight', 'float32', [2, 3]), input('bias', 'float32', [3])];
      const session = await openSession({ sum: ops.add(a, b) }, { threads: 1, device: webgpu });
      await other.release();
      for (let run = 0; run < 2; run++) {
        const { sum } = await session.run(one.tensors);
        expect([...(sum!.data as Float32Array)]).toEqual([11, 22, 33, 14, 25, 36]);
      }
      await session.release();
      await one.release();
      const later = await placeOn(webgpu, { weight });
      expect(later.tensors.weight).not.toBe(one.tensors.weight);
      await later.release();
    },
  );
});
