import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseCompareConfig } from '../src/jobs/compare/config.js';
import { parseTrainConfig } from '../src/settings/config.js';

const folder = resolve(import.meta.dirname, '../examples');
const configs = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => ({ file, content: parse(readFileSync(join(folder, file), 'utf8')) }));

describe('every example', () => {
  it.each(configs.filter(({ content }) => 'task' in content))(
    '$file is a configuration that train takes',
    ({ file, content }) => {
      expect(parseTrainConfig(content, file).method.method).toBe('diffora');
    },
  );

  it.each(configs.filter(({ content }) => 'tasks' in content))(
    '$file is a comparison with DiffoRA',
    ({ file, content }) => {
      expect(parseCompareConfig(content, join(folder, file)).methods.map(({ name }) => name)).toContain('DiffoRA');
    },
  );

  it('is one of the two', () => {
    expect(configs.every(({ content }) => 'task' in content !== 'tasks' in content)).toBe(true);
  });
});
