import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readGguf } from '../../src/checkpoint/gguf.js';
import { ggufConfig, ggufTokenizerFields } from '../../src/checkpoint/ggufModel.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors.js';
import { readTorchFile } from '../../src/checkpoint/torchFile.js';
import { PickleError, unpickle } from '../../src/checkpoint/unpickle.js';
import { weightMap } from '../../src/checkpoint/weightFiles.js';
import { DiffoError } from '../../src/errors.js';
import { readJsonObject } from '../../src/files/json.js';
import { oraclePath } from '../fixtures.js';
import { mutations } from '../fuzz/mutate.js';

const files = 2000;
/** What a reader may add to the heap over a small file: a defect that makes room for a length it reads exceeds it. */
const memory = 256 * 1024 * 1024;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-mutated-'));
});
afterAll(() => rm(scratch, { recursive: true }));

interface Reader {
  readonly source: () => Promise<Uint8Array>;
  readonly name: string;
  readonly read: (path: string) => Promise<unknown>;
}

const fixture = (...parts: string[]) => readFile(oraclePath(...parts));

const readers: Readonly<Record<string, Reader>> = {
  safetensors: {
    source: () => fixture('checkpoints', 'torch.safetensors'),
    name: 'model.safetensors',
    read: readSafetensorsHeader,
  },
  'an index of shards': {
    source: async () =>
      Buffer.from(JSON.stringify({ weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } })),
    name: 'model.safetensors.index.json',
    read: async (path) => weightMap(await readJsonObject(path), path),
  },
  'a PyTorch file': { source: () => fixture('checkpoints', 'wrapped.bin'), name: 'model.bin', read: readTorchFile },
  'a GGUF file': {
    source: async () => (await fixture('checkpoints', 'tiny.gguf')).subarray(0),
    name: 'model.gguf',
    read: async (path) => {
      const gguf = await readGguf(path);
      return [ggufConfig(gguf, undefined), ggufTokenizerFields(gguf)];
    },
  },
};

describe.each(Object.entries(readers))('%s, broken in 2,000 ways', (_, { source, name, read }) => {
  it('is read or refused with a sentence, in bounded memory', { timeout: 120_000 }, async () => {
    const path = join(scratch, name);
    const outcomes = { read: 0, refused: 0 };
    const before = process.memoryUsage();
    for (const broken of mutations(await source(), 11, files)) {
      await writeFile(path, broken);
      await read(path).then(
        () => outcomes.read++,
        (error: unknown) => {
          if (!(error instanceof DiffoError)) throw error;
          expect(error.message).toMatch(/[.)]$/);
          outcomes.refused++;
        },
      );
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    expect(heapUsed + arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(memory);
    expect(outcomes.read + outcomes.refused).toBe(files);
    expect(outcomes.refused).toBeGreaterThan(files / 10);
  });
});

describe('a pickle, broken in 20,000 ways', () => {
  it('is interpreted or refused with a sentence', { timeout: 120_000 }, async () => {
    // The archive holds it uncompressed: from its first opcode to the end of the file's beginning.
    const archive = await fixture('checkpoints', 'torch.bin');
    const start = archive.indexOf(Buffer.from('\x80\x02ccollections', 'latin1'));
    const pickle = archive.subarray(start, archive.indexOf('PK', start));
    expect(() => unpickle(pickle)).not.toThrow();
    for (const broken of mutations(pickle, 12, 10 * files)) {
      try {
        unpickle(broken);
      } catch (error) {
        if (!(error instanceof PickleError)) throw error;
      }
    }
  });
});
