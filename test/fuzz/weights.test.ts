import { copyFile, readFile, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BYTES_PER_ELEMENT } from '../../src/checkpoint/dtype.js';
import { readGguf } from '../../src/checkpoint/gguf.js';
import { ggufModel, ggufTokenizerFields } from '../../src/checkpoint/ggufModel.js';
import { readSafetensorsHeader, readTensor, readTensorBytes } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import { readTorchFile } from '../../src/checkpoint/torchFile.js';
import type { TensorDType } from '../../src/checkpoint/types.js';
import { PickleError, unpickle } from '../../src/checkpoint/unpickle.js';
import { weightMap } from '../../src/checkpoint/weightFiles.js';
import { readJsonObject } from '../../src/files/json.js';
import { rawFile } from '../checkpoint/make.js';
import { oraclePath } from '../fixtures.js';
import { cases, scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';
import { mutations } from './mutate.js';

const path = scratch();

/** Copies a fixture, so that it can be broken. */
async function copied(fixture: string, name: string): Promise<string> {
  await copyFile(oraclePath('checkpoints', fixture), path(name));
  return path(name);
}

survivesBytes('a safetensors file', async () => {
  const file = await copied('torch.safetensors', 'model.safetensors');
  return { path: file, read: () => readSafetensorsHeader(file) };
});

survivesBytes('a PyTorch file', async () => {
  const file = await copied('wrapped.bin', 'model.bin');
  return { path: file, read: () => readTorchFile(file) };
});

survivesBytes('a GGUF file', async () => {
  const file = await copied('tiny.gguf', 'model.gguf');
  const read = async () => {
    const gguf = await readGguf(file);
    return [ggufModel(gguf, undefined), ggufTokenizerFields(gguf)];
  };
  return { path: file, read };
});

const header = {
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
  b: { dtype: 'F16', shape: [4], data_offsets: [24, 32] },
};

survivesValues('the header of a safetensors file', mangled(header), async () => {
  const file = path('header.safetensors');
  const read = async (text: string) => {
    const json = Buffer.from(text);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    await writeFile(file, Buffer.concat([length, json, Buffer.alloc(32)]));
    return readSafetensorsHeader(file);
  };
  return { read, names: [file] };
});

const index = { metadata: { total_size: 3 }, weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } };

survivesBytes('an index of shards', async () => {
  const file = path('model.safetensors.index.json');
  await writeFile(file, JSON.stringify(index));
  return { path: file, read: async () => weightMap(await readJsonObject(file), file) };
});

survivesValues('an index of shards', mangled(index), async () => {
  const file = path('pytorch_model.bin.index.json');
  const read = async (text: string) => {
    await writeFile(file, text);
    return weightMap(await readJsonObject(file), file);
  };
  return { read, names: [file] };
});

it(`a pickle, broken in ${10 * cases} ways, is interpreted or refused with a sentence`, async () => {
  // The archive holds it uncompressed: from its first opcode to the end of the file's beginning.
  const archive = await readFile(oraclePath('checkpoints', 'torch.bin'));
  const start = archive.indexOf(Buffer.from('\x80\x02ccollections', 'latin1'));
  const pickle = archive.subarray(start, archive.indexOf('PK', start));
  expect(() => unpickle(pickle)).not.toThrow();
  let refused = 0;
  for (const broken of mutations(pickle, 12, 10 * cases)) {
    try {
      unpickle(broken);
    } catch (error) {
      if (!(error instanceof PickleError)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(cases);
});

describe('safetensors with any names, types and shapes', () => {
  const dtype = fc.constantFrom(...(Object.keys(BYTES_PER_ELEMENT) as TensorDType[]));
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  const names = fc.uniqueArray(
    fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__' && name !== '__proto__'),
  );
  const tensors = names.chain((all) =>
    fc.tuple(...all.map((name) => fc.record({ name: fc.constant(name), dtype, shape }))),
  );
  const sizeOf = (one: { dtype: TensorDType; shape: number[] }) =>
    BYTES_PER_ELEMENT[one.dtype] * one.shape.reduce((product, size) => product * size, 1);

  it(`are read as another program wrote them (${cases} files)`, async () => {
    const file = path('any.safetensors');
    const property = fc.asyncProperty(tensors, async (list) => {
      let end = 0;
      const entries = list.map((one): [string, object] => {
        const start = end;
        end += sizeOf(one);
        return [one.name, { dtype: one.dtype, shape: one.shape, data_offsets: [start, end] }];
      });
      const data = Uint8Array.from({ length: end }, (_, i) => (7 * i) % 251);
      await writeFile(file, rawFile(JSON.stringify(Object.fromEntries(entries)), data));
      const found = (await readSafetensorsHeader(file)).tensors;
      expect([...found.keys()].sort()).toEqual(list.map(({ name }) => name).sort());
      let start = 0;
      for (const one of list) {
        const tensor = found.get(one.name)!;
        expect(tensor).toMatchObject(one);
        const bytes = await readTensorBytes(tensor);
        expect(Buffer.compare(bytes, data.subarray(start, start + sizeOf(one)))).toBe(0);
        start += sizeOf(one);
      }
    });
    await fc.assert(property, { seed: 1, numRuns: cases });
  });

  it(`come back as they were written (${cases} files)`, async () => {
    const file = path('own.safetensors');
    const property = fc.asyncProperty(tensors, fc.dictionary(fc.string(), fc.string()), async (list, metadata) => {
      const written = list.map(({ name, shape }) => {
        const length = shape.reduce((product, size) => product * size, 1);
        return { name, shape, data: Float32Array.from({ length }, (_, i) => i / 3) };
      });
      await writeSafetensors(file, written, metadata);
      const found = await readSafetensorsHeader(file);
      expect({ ...found.metadata }).toEqual(metadata);
      for (const { name, shape, data } of written) {
        expect(found.tensors.get(name)).toMatchObject({ dtype: 'F32', shape });
        expect(await readTensor(found.tensors.get(name)!)).toEqual(data);
      }
    });
    await fc.assert(property, { seed: 1, numRuns: cases });
  });
});
