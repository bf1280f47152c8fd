import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader, readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import { DiffoError } from '../../src/errors.js';
import { failure, rawFile, seeded, writeRaw } from './make.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-st-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe('readSafetensorsHeader', () => {
  it('gives name, type, shape, absolute offset and metadata, without reading data', async () => {
    const path = join(folder, 'good.safetensors');
    const header = '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}  ';
    await writeRaw(path, header, floats(1, 2));
    const { tensors, metadata } = await readSafetensorsHeader(path);
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors.values()]).toEqual([
      { name: 'w', dtype: 'F32', shape: [1, 2], file: path, offset: 8 + header.length, length: 8 },
    ]);
  });

  const f32 = (shape: unknown, begin: unknown, end: unknown) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });
  it.each<[string, unknown, number, RegExp]>([
    ['a hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /tensor "b" leaves a hole/],
    ['an overlap', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /tensor "b" overlaps/],
    ['data left over', { a: f32([1], 0, 4) }, 12, /8 bytes follow the last tensor/],
    ['data cut short', { a: f32([4], 0, 16) }, 8, /is cut short: its header promises \d+ bytes, the file has \d+/],
    [
      'a shape that does not fit',
      { a: f32([3], 0, 8) },
      8,
      /tensor "a" of type F32, shape \[3\] needs 12 bytes and has 8/,
    ],
    ['a negative size', { a: f32([-1], 0, 4) }, 4, /tensor "a" has no valid shape/],
    ['a size beyond integers', { a: f32([1e300], 0, 4) }, 4, /tensor "a" has no valid shape/],
    ['sizes whose product overflows', { a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4, /needs \d/],
    ['offsets the wrong way round', { a: f32([1], 4, 0) }, 4, /no valid data_offsets/],
    [
      'an unknown type',
      { a: { dtype: 'F8_E4M3', shape: [4], data_offsets: [0, 4] } },
      4,
      /type "F8_E4M3", which diffora cannot read/,
    ],
    ['metadata that is no table of texts', { __metadata__: { a: 1 } }, 0, /"__metadata__"/],
    ['an entry that is no object', { a: 3 }, 0, /entry of tensor "a"/],
    [
      'a name that stands twice, whose first bytes are then a hole',
      `{"a":${JSON.stringify(f32([1], 0, 4))},"a":${JSON.stringify(f32([1], 4, 8))}}`,
      8,
      /tensor "a" leaves a hole before it/,
    ],
    ['tensors that share bytes', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /tensor "b" overlaps/],
    ['a header that is a list', [], 0, /not a JSON object/],
    ['a header that is no JSON', '{"a":', 0, /not valid JSON/],
  ])('refuses %s', async (_, header, bytes, message) => {
    const path = join(folder, 'bad.safetensors');
    await writeRaw(path, header, new Uint8Array(bytes));
    const error = await failure(readSafetensorsHeader(path));
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(path)).toBe(true);
  });

  it('takes metadata of null for none, as the safetensors library does', async () => {
    const path = join(folder, 'null.safetensors');
    await writeRaw(path, { __metadata__: null, a: f32([1], 0, 4) }, new Uint8Array(4));
    const { tensors, metadata } = await readSafetensorsHeader(path);
    expect([...tensors.keys()]).toEqual(['a']);
    expect(metadata).toEqual({});
  });

  it('says what to do about a Git LFS pointer, an empty file and a header longer than the file', async () => {
    const path = join(folder, 'odd.safetensors');
    await writeFile(path, 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n');
    expect((await failure(readSafetensorsHeader(path))).message).toContain('git lfs pull');
    await writeFile(path, '');
    expect((await failure(readSafetensorsHeader(path))).message).toContain('has only 0 bytes');
    await writeFile(path, rawFile(`{}${' '.repeat(100)}`, new Uint8Array()).subarray(0, 50));
    expect((await failure(readSafetensorsHeader(path))).message).toContain('cut short: it promises a header of 102');
    await writeFile(path, Buffer.from('<!doctype html><html></html>'));
    expect((await failure(readSafetensorsHeader(path))).message).toContain('is not a safetensors file');
  });

  it('answers 800 mutated files with a header that holds, or a DiffoError', async () => {
    const path = join(folder, 'fuzz.safetensors');
    await writeSafetensors(path, [
      { name: 'a.weight', shape: [2, 3], data: new Float32Array(6) },
      { name: 'b', shape: [], data: new Float32Array(1) },
      { name: 'c', shape: [0, 4], data: new Float32Array(0) },
    ]);
    const original = await readFile(path);
    const random = seeded(7);
    const below = (limit: number) => Math.floor(random() * limit);
    let refused = 0;
    for (let round = 0; round < 800; round++) {
      let bytes = Buffer.from(original);
      for (let change = 0; change <= below(3); change++) {
        const at = below(bytes.length);
        const kind = below(4);
        if (kind === 0) bytes[at] = below(256);
        else if (kind === 1) bytes = bytes.subarray(0, at + 1);
        else if (kind === 2)
          bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + below(9)))]);
        else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(String(below(1e6))), bytes.subarray(at)]);
        if (bytes.length === 0) break;
      }
      await writeFile(path, bytes);
      try {
        const { tensors } = await readSafetensorsHeader(path);
        for (const tensor of tensors.values()) {
          expect(tensor.offset + tensor.length).toBeLessThanOrEqual(bytes.length);
          await readTensor(tensor);
        }
      } catch (error) {
        expect(error, `round ${round}`).toBeInstanceOf(DiffoError);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(500);
  });
});

describe('readTensor', () => {
  async function readOne(dtype: string, shape: number[], data: Uint8Array): Promise<Float32Array> {
    const path = join(folder, 'one.safetensors');
    await writeRaw(path, { t: { dtype, shape, data_offsets: [0, data.byteLength] } }, data);
    return readTensor((await readSafetensorsHeader(path)).tensors.get('t')!);
  }

  it('reads F32 and F64, rounding the latter', async () => {
    expect([...(await readOne('F32', [2], floats(1.5, -2)))]).toEqual([1.5, -2]);
    const doubles = new Uint8Array(Float64Array.of(0.1, 1e300).buffer);
    expect([...(await readOne('F64', [2], doubles))]).toEqual([Math.fround(0.1), Number.POSITIVE_INFINITY]);
  });

  it('reads F16: largest, smallest normal, smallest subnormal, signed zero, infinity, NaN (IEEE 754 binary16)', async () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8000, 0x7c00, 0x7e00, 0x3555);
    const values = await readOne('F16', [9], new Uint8Array(bits.buffer));
    expect([...values]).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      -0,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      0.333251953125,
    ]);
  });

  it('reads BF16 as the upper half of a float32', async () => {
    const bits = Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x4049);
    expect([...(await readOne('BF16', [4], new Uint8Array(bits.buffer)))]).toEqual([
      1,
      -2,
      Number.POSITIVE_INFINITY,
      3.140625,
    ]);
  });

  it('refuses integers by name and says what to use', async () => {
    const error = await failure(readOne('I64', [1], new Uint8Array(8)));
    expect(error.message).toMatch(/tensor "t" has type I64.*F32, F16 or BF16/);
  });

  it('says when the file has become shorter since it was opened', async () => {
    const path = join(folder, 'shrinks.safetensors');
    await writeSafetensors(path, [{ name: 't', shape: [4], data: new Float32Array(4) }]);
    const tensor = (await readSafetensorsHeader(path)).tensors.get('t')!;
    await truncate(path, tensor.offset + 3);
    expect((await failure(readTensor(tensor))).message).toContain('ends inside tensor "t"');
  });
});

describe('writeSafetensors', () => {
  it('sorts by name, aligns every tensor to 8 bytes of header, and reads back what was written', async () => {
    const path = join(folder, 'written.safetensors');
    const b = { name: 'b', shape: [3], data: Float32Array.of(1, 2, 3) };
    const a = { name: 'a', shape: [1, 1], data: Float32Array.of(Math.PI) };
    await writeSafetensors(path, [b, a], { format: 'pt' });
    const { tensors, metadata } = await readSafetensorsHeader(path);
    expect(metadata).toEqual({ format: 'pt' });
    expect([...tensors.keys()]).toEqual(['a', 'b']);
    expect(tensors.get('a')!.offset % 8).toBe(0);
    expect(await readTensor(tensors.get('b')!)).toEqual(b.data);
    expect(await readTensor(tensors.get('a')!)).toEqual(a.data);
  });

  it('copies stored tensors byte by byte in their own type, wider types first as the safetensors library does', async () => {
    const source = join(folder, 'source.safetensors');
    const data = Uint8Array.from({ length: 20 }, (_, i) => i);
    await writeRaw(
      source,
      {
        half: { dtype: 'F16', shape: [2], data_offsets: [16, 20] },
        ids: { dtype: 'I64', shape: [2], data_offsets: [0, 16] },
      },
      data,
    );
    const stored = (await readSafetensorsHeader(source)).tensors;
    const target = join(folder, 'target.safetensors');
    await writeSafetensors(target, [...stored.values(), { name: 'new', shape: [1], data: Float32Array.of(7) }]);
    const copied = (await readSafetensorsHeader(target)).tensors;
    expect([...copied.values()].map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['ids', 'I64', [2]],
      ['new', 'F32', [1]],
      ['half', 'F16', [2]],
    ]);
    const bytes = await readFile(target);
    for (const name of ['ids', 'half']) {
      const { offset, length } = copied.get(name)!;
      const from = stored.get(name)!.offset - stored.get('ids')!.offset;
      expect([...bytes.subarray(offset, offset + length)]).toEqual([...data.subarray(from, from + length)]);
    }
  });

  it('may replace the very file that it copies from', async () => {
    const path = join(folder, 'self.safetensors');
    await writeSafetensors(path, [{ name: 'a', shape: [2], data: Float32Array.of(1, 2) }]);
    const stored = (await readSafetensorsHeader(path)).tensors.get('a')!;
    await writeSafetensors(path, [stored, { name: 'b', shape: [1], data: Float32Array.of(3) }]);
    const again = (await readSafetensorsHeader(path)).tensors;
    expect([...(await readTensor(again.get('a')!))]).toEqual([1, 2]);
  });

  it('leaves nothing behind when a source ends too early', async () => {
    const place = await mkdtemp(join(folder, 'cut-'));
    const source = join(place, 'source.safetensors');
    await writeSafetensors(source, [{ name: 'a', shape: [9], data: new Float32Array(9) }]);
    const stored = (await readSafetensorsHeader(source)).tensors.get('a')!;
    await truncate(source, stored.offset + 8);
    await failure(writeSafetensors(join(place, 'target.safetensors'), [stored]));
    expect(await readdir(place)).toEqual(['source.safetensors']);
  });

  it('takes a name twice, or data that does not fit its shape, for a defect of the caller', async () => {
    const tensor = { name: 'a', shape: [1], data: new Float32Array(1) };
    await expect(writeSafetensors(join(folder, 'x'), [tensor, tensor])).rejects.toThrow('the name is taken');
    await expect(writeSafetensors(join(folder, 'x'), [{ ...tensor, shape: [2] }])).rejects.toThrow('do not make F32');
  });
});
