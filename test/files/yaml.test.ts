import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readYaml } from '../../src/files/yaml.js';
import { folderOf } from '../data/files.js';

// The first is a text in YAML 1.2 (core schema); the others are dates by a tag and in YAML 1.1.
it.each(['a: 2024-02-29', 'a: !!timestamp 2024-02-29', '%YAML 1.1\n---\na: 2024-02-29'])(
  'a date is the text that it is written as: %j',
  async (content) => {
    expect(await readYaml(join(await folderOf({ 'a.yaml': content }), 'a.yaml'))).toEqual({ a: '2024-02-29' });
  },
);
