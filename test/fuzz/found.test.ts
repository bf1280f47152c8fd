import { cp, mkdir, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { scalingOf } from '../../src/adapters/peft/index.js';
import { loraType } from '../../src/adapters/peft/loraType.js';
import { readGguf } from '../../src/checkpoint/gguf.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors.js';
import { weightMap } from '../../src/checkpoint/weightFiles.js';
import { htmlToText } from '../../src/data/mail/html.js';
import { isTablePath } from '../../src/data/readers/index.js';
import { DiffoError } from '../../src/errors.js';
import { readJsonObject } from '../../src/files/json.js';
import { openModel } from '../../src/models/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { together } from '../../src/state.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { rawFile } from '../checkpoint/make.js';
import { errorOf } from '../data/files.js';
import { oraclePath } from '../fixtures.js';
import { scratch } from './harness.js';

const path = scratch();
const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;

// What fuzzing found in files of rows is in test/data/readers.test.ts, in settings in settings.test.ts.
describe('what was found by fuzzing', () => {
  it('a vocabulary with the id 1,000,000,000 takes no minutes', async () => {
    await mkdir(path('gpt2'));
    await writeFile(path('gpt2', 'config.json'), '{"model_type": "gpt2"}');
    await writeFile(path('gpt2', 'merges.txt'), '#version: 0.2\na b\n');
    await writeFile(path('gpt2', 'vocab.json'), '{"a": 1000000000, "b": 1, "ab": 2}');
    const error = await errorOf(loadTokenizer(path('gpt2')));
    expect(error.message).toContain('it gives a token the id 1000000000, which no vocabulary reaches');
  });

  it('a header of safetensors and a shard index nested 100,000 deep are refused', async () => {
    const file = path('deep.safetensors');
    await writeFile(file, rawFile(`{"a": {"dtype": "F32", "shape": ${deep}}}`, new Uint8Array(0)));
    expect((await errorOf(readSafetensorsHeader(file))).message).toContain('nested more than 500 deep');
    const index = path('deep.index.json');
    await writeFile(index, `{"weight_map": {"a": ${deep}}}`);
    expect((await errorOf(readJsonObject(index).then((json) => weightMap(json, index)))).message).toContain(index);
  });

  it('an unknown type of value in a GGUF file is told with the name of the file', async () => {
    const bytes = Buffer.alloc(64);
    bytes.write('GGUF');
    bytes.writeUInt32LE(3, 4);
    bytes.writeBigUInt64LE(1n, 16);
    bytes.writeBigUInt64LE(1n, 24);
    bytes.write('k', 32);
    bytes.writeUInt32LE(99, 33);
    await writeFile(path('odd.gguf'), bytes);
    const { message } = await errorOf(readGguf(path('odd.gguf')));
    expect(message).toContain(`${path('odd.gguf')} is damaged: its metadata has a value of type 99`);
  });

  it('control characters of a file do not reach the terminal', () => {
    expect(new DiffoError('the label "\u001b[31m\u0007" is unknown.\n  a table').message).toBe(
      'the label "\\x1b[31m\\x07" is unknown.\n  a table',
    );
  });

  it('a pattern of an adapter that would take for ever in JavaScript is answered at once', () => {
    const module = `bert.encoder.layer.0.${'a'.repeat(60)}`;
    for (const pattern of ['(a+)+!', '(([a-z.])*)*!', 'a*a*a*a*a*a*a*a*!']) {
      const adapter = {
        type: loraType,
        rank: 8,
        alpha: 8,
        rankPattern: {},
        alphaPattern: { [pattern]: 1 },
        fields: {},
      } as const;
      expect(scalingOf(adapter, module)).toBe(1);
    }
  });

  it('a rank or a bottleneck that no memory holds is refused as a setting', () => {
    const refused = (change: object) => () => parseTrainConfig({ task: 'cola', ...change }, 'a.yaml');
    expect(refused({ method: 'vera', rank: Number.MAX_SAFE_INTEGER })).toThrow(
      'a.yaml: rank is 9007199254740991; it takes',
    );
    expect(refused({ method: 'pfeiffer', reduction: 1e-300 })).toThrow('a.yaml: reduction is 1e-300; it takes');
  });

  it('names that every object has are no entries of our tables', async () => {
    expect(isTablePath('rows.constructor')).toBe(false);
    expect(htmlToText('&constructor;&amp;')).toBe('&constructor;&');
    await cp(oraclePath('families', 'llama'), path('llama'), { recursive: true });
    const config = await readJsonObject(path('llama', 'config.json'));
    const rope_parameters = { rope_theta: 10000, rope_type: '__proto__' };
    await writeFile(path('llama', 'config.json'), JSON.stringify({ ...config, rope_parameters }));
    const checkpoint = await openCheckpoint(path('llama'));
    expect(() => openModel(checkpoint, { numLabels: 2 })).toThrow('rope type "__proto__" is not known');
  });

  it('a state that a run cannot take up is told as one', () => {
    const part = { state: () => ({ arrays: {}, values: {} }), restore: () => JSON.parse('no state') as undefined };
    const restore = () => together({ optimizer: part }).restore({ arrays: {}, values: {} });
    expect(restore).toThrow('does not hold what this run needs for "optimizer"');
    expect(restore).toThrow(DiffoError);
  });

  it('a long file of JSON is not taken for a deep one', async () => {
    await writeFile(path('long.json'), JSON.stringify({ list: Array(100_000).fill([[1]]) }));
    expect(await readJsonObject(path('long.json'))).toHaveProperty('list');
  });
});
