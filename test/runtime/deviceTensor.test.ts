import { describe, expect, it } from 'vitest';
import { input, ops } from '../../src/graph/index.js';
import { host, zerosLike } from '../../src/runtime/deviceTensor.js';
import { openSession } from '../../src/runtime/session.js';

describe('a tensor on the host', () => {
  it('keeps the array that it is given, and writes into it', async () => {
    const data = Float32Array.of(1, 2, 3, 4);
    const tensor = host.tensor(data, [2, 2]);
    expect(tensor.host()).toBe(data);
    expect(await tensor.read()).toBe(data);
    tensor.write(Float32Array.of(5, 6, 7, 8));
    expect(data).toEqual(Float32Array.of(5, 6, 7, 8));
  });

  it('knows its type, shape and device, beside which zeros of its shape are made', () => {
    const indices = host.tensor(BigInt64Array.of(1n, 2n), [2, 1]);
    expect([indices.dtype, indices.shape, indices.device.name]).toEqual(['int64', [2, 1], 'host']);
    const zeros = zerosLike(indices);
    expect([zeros.dtype, zeros.shape, zeros.host()]).toEqual(['float32', [2, 1], new Float32Array(2)]);
    expect(host.zeros([]).host()).toEqual(Float32Array.of(0));
  });

  it('has as many numbers as its shape says', () => {
    expect(() => host.tensor(new Float32Array(3), [2, 2])).toThrow('a tensor of shape [2,2] has 4 numbers, not 3');
    expect(() => host.zeros([2]).write(new Float32Array(3))).toThrow('a tensor of shape [2] was given 3 numbers');
  });

  it('is read by a session as it is when it runs, and written by it in place', async () => {
    const x = input('x', 'float32', [2]);
    const session = await openSession({ double: ops.add(x, x) }, { threads: 1 });
    const [fed, into] = [host.tensor(Float32Array.of(1, 2), [2]), host.zeros([2])];
    await session.run({ x: fed }, { double: into });
    expect(into.host()).toEqual(Float32Array.of(2, 4));
    fed.write(Float32Array.of(10, 20));
    await session.run({ x: fed }, { double: into });
    expect(into.host()).toEqual(Float32Array.of(20, 40));
    // A result is such a tensor too: it can be fed again.
    const { double } = await session.run({ x: into });
    expect((await session.run({ x: double! })).double!.data).toEqual(Float32Array.of(80, 160));
    await session.release();
  });
});
