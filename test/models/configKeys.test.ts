import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigKeys } from '../../src/models/keys/configKeys.js';
import { families, openModel } from '../../src/models/registry.js';
import { rotaryConfigShape } from '../../src/models/rotary.js';
import { oraclePath } from '../fixtures.js';
import { REPOSITORY } from '../shared.js';
import { configOnly } from './configOnly.js';

/** What transformers reads of a config.json, by family, and in what all families run through (test/oracle/config_keys.py). */
const { keys } = JSON.parse(await readFile(oraclePath('config-keys.json'), 'utf8')) as {
  readonly keys: Readonly<Record<string, readonly string[]>>;
};
const docs = await readFile(join(REPOSITORY, 'docs/config-keys.md'), 'utf8');

const listsOf = ({ honoured, refused, ignored }: ConfigKeys) => [honoured, Object.keys(refused), Object.keys(ignored)];
const modelTypes = families.flatMap((family) => family.modelTypes.map((type) => [type, family] as const));

describe.each(modelTypes)('config.json of %s', (type, family) => {
  const lists = listsOf(family.keys);

  it('has no key that transformers reads and this project has no answer to', () => {
    const read = [...keys[type]!, ...keys.shared!];
    // A file of Mistral that names its layers is read as one of Ministral.
    if (type === 'mistral') read.push(...keys.ministral!);
    expect(read.length).toBeGreaterThan(90);
    expect(read.filter((key) => !lists.some((list) => list.includes(key)))).toEqual([]);
  });

  it('has every key in one list alone', () => {
    const all = lists.flat();
    expect(all.filter((key, i) => all.indexOf(key) !== i)).toEqual([]);
  });

  it('has every key of its own in the documentation, where it is said what becomes of it', () => {
    const [, row] = new RegExp(`^\\| (?:[^|]*, )?\`${type}\`[^|]*(\\|.*)$`, 'm').exec(docs) ?? [];
    expect(row, `a row for ${type}`).toBeDefined();
    const shared = docs.slice(docs.indexOf('## Keys of every family'));
    const missing = lists.flat().filter((key) => !row!.includes(`\`${key}\``) && !shared.includes(`\`${key}\``));
    expect(missing).toEqual([]);
  });

  it('is refused by the key, with a sentence', () => {
    for (const [key, { why }] of Object.entries(family.keys.refused)) {
      const config = { model_type: type, [key]: { strange: true } };
      const open = () => openModel(configOnly(config), { numLabels: 2 });
      expect(open).toThrow(`m/config.json: ${key} {"strange":true} is not supported: ${why}.`);
    }
  });
});

describe('rope_parameters', () => {
  it('has no key that transformers reads and this project does not', () => {
    const known = Object.keys(rotaryConfigShape.rope_parameters.unwrap().unwrap().shape);
    // Read for models of pictures alone.
    const read = keys.rope_parameters!.filter((key) => key !== 'mrope_section');
    expect(read.filter((key) => !known.includes(key))).toEqual([]);
  });
});
