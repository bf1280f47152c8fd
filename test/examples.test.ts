import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseTrainConfig } from '../src/train/config.js';

const folder = resolve(import.meta.dirname, '../examples');

describe('every example', () => {
  it.each(readdirSync(folder))('%s is a configuration that train takes', (file) => {
    const config = parseTrainConfig(parse(readFileSync(join(folder, file), 'utf8')), file);
    expect(config.method).toBe('diffora');
  });
});
