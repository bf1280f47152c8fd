import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { input, ops, stored } from '../../src/graph/index.js';
import { openSession } from '../../src/runtime/session.js';
import { floats, int64s } from '../graph/evaluate.js';

describe('a session', () => {
  const x = input('x', 'float32', ['batch', 2]);
  const fed = floats([2, 2], [1, 2, 3, 4]);

  it('writes an output into the array it is given, and another into a new one', async () => {
    const session = await openSession({ double: ops.add(x, x), square: ops.mul(x, x) }, { threads: 1 });
    const mine = new Float32Array(4);
    const got = await session.run({ x: fed }, { double: { data: mine, shape: [2, 2] } });
    expect(mine).toEqual(Float32Array.of(2, 4, 6, 8));
    expect(got.double!.data).toEqual(mine);
    expect(got.square).toEqual(floats([2, 2], [1, 4, 9, 16]));
    await session.run({ x: floats([2, 2], [5, 5, 5, 5]) }, { double: { data: mine, shape: [2, 2] } });
    expect(mine).toEqual(Float32Array.of(10, 10, 10, 10));
    await session.release();
  });

  it('reads what a fed array holds when it runs', async () => {
    const session = await openSession({ double: ops.add(x, x) }, { threads: 1 });
    const data = Float32Array.of(1, 1, 1, 1);
    await session.run({ x: { data, shape: [2, 2] } });
    data.fill(7);
    const { double } = await session.run({ x: { data, shape: [2, 2] } });
    expect(double!.data).toEqual(Float32Array.of(14, 14, 14, 14));
    await session.release();
  });

  it('serves batches of several sizes', async () => {
    const session = await openSession({ rows: ops.sum(x, { axes: [1], keepDims: false }) }, { threads: 1 });
    for (const rows of [1, 5, 2]) {
      const { rows: got } = await session.run({ x: floats([rows, 2], new Float32Array(2 * rows).fill(1)) });
      expect(got).toEqual(floats([rows], new Float32Array(rows).fill(2)));
    }
    await session.release();
  });

  it('names an input that is not fed', async () => {
    const session = await openSession({ double: ops.add(x, x) }, { threads: 1 });
    await expect(session.run({})).rejects.toThrow('the graph needs the input "x"');
    await session.release();
  });

  it('lists its inputs and outputs by name, and ignores feeds that it does not need', async () => {
    const session = await openSession({ double: ops.add(x, x) }, { threads: 1 });
    expect([session.inputNames, session.outputNames]).toEqual([['x'], ['double']]);
    const got = await session.run({ x: fed, labels: int64s([1], [0]) });
    expect(Object.keys(got)).toEqual(['double']);
    await session.release();
  });
});

describe('stored weights', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-session-')));
  });
  afterAll(() => rm(folder, { recursive: true }));

  // 1, −2, 0.5 and 65504, the largest float16; bfloat16 rounds the last to 65536 (IEEE 754; 8 exponent bits of float32).
  it.each([
    { dtype: 'float16', halves: [0x3c00, 0xc000, 0x3800, 0x7bff], values: [1, -2, 0.5, 65504] },
    { dtype: 'bfloat16', halves: [0x3f80, 0xc000, 0x3f00, 0x4780], values: [1, -2, 0.5, 65536] },
  ] as const)(
    'are read in place from any byte of a file, $dtype widened to float32',
    async ({ dtype, halves, values }) => {
      const file = join(folder, `${dtype}.bin`);
      const bytes = new Uint8Array(Uint16Array.from(halves).buffer);
      await writeFile(file, Buffer.concat([Buffer.from('odd'), bytes, Buffer.from('rest')]));
      const weight = stored({ name: 'w', file, offset: 3, length: bytes.byteLength }, [4], dtype);
      const session = await openSession(
        { sum: ops.add(input('x', 'float32', [4]), ops.cast(weight, 'float32')) },
        { threads: 1 },
      );
      const { sum } = await session.run({ x: floats([4], [0, 0, 0, 0]) });
      expect(sum).toEqual(floats([4], values));
      await session.release();
    },
  );

  it('must lie in one folder', async () => {
    const at = (name: string) => stored({ name, file: `/${name}/w.bin`, offset: 0, length: 4 }, [1], 'float32');
    await expect(openSession({ y: ops.add(at('a'), at('b')) }, { threads: 1 })).rejects.toThrow(
      'weights lie in two folders, /a and /b',
    );
  });

  it('fail to open with one sentence when the file has gone', async () => {
    const gone = stored({ name: 'w', file: join(folder, 'gone.bin'), offset: 0, length: 4 }, [1], 'float32');
    const sum = ops.add(gone, input('x', 'float32', [1]));
    await expect(openSession({ sum }, { threads: 1 })).rejects.toThrow(/ONNX Runtime refused the graph.*gone\.bin/);
  });
});
