import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/adapters/peft/config.js';
import { peftTypes } from '../../../src/adapters/registry.js';
import { REPOSITORY } from '../../shared.js';

/** The fields of PEFT's configurations with their defaults: test/oracle/peft_adapters.py fields. */
const { fields } = JSON.parse(await readFile(join(import.meta.dirname, 'fixtures/fields.json'), 'utf8')) as {
  fields: Record<string, Record<string, unknown>>;
};
const usesOf = (type: (typeof peftTypes)[number], use: string) =>
  Object.keys(type.fields).filter((name) => type.fields[name]!.use === use);
const minimal = (peftType: string) => ({
  peft_type: peftType,
  task_type: 'SEQ_CLS',
  base_model_name_or_path: 'base',
  target_modules: ['query'],
  lora_alpha: 8,
  ...(peftType === 'ADALORA' ? { init_r: 2 } : { r: 2 }),
  ...(peftType === 'IA3' ? { r: null, lora_alpha: null } : {}),
  ...(peftType === 'VERA' ? { lora_alpha: null } : {}),
});

describe.each(peftTypes.map((type) => [type.name, type] as const))('the fields of %s', (name, type) => {
  it('are those of PEFT 0.21, each honoured, without effect or refused', () => {
    expect(Object.keys(type.fields).sort()).toEqual(Object.keys(fields[name]!).sort());
    const sorted = ['honoured', 'idle', 'refused'].map((use) => usesOf(type, use));
    expect(sorted.flat().sort()).toEqual(Object.keys(fields[name]!).sort());
  });

  it("leave an adapter with all of PEFT's own defaults readable", () => {
    const { runtime_config: _, ...defaults } = fields[name]!;
    expect(() => parseConfig({ ...defaults, ...minimal(name) }, 'file')).not.toThrow();
  });

  it.each(usesOf(type, 'refused'))('%s is refused by name where it asks for something', (field) => {
    const asking = { ...minimal(name), [field]: { asks: 'for something' } };
    expect(() => parseConfig(asking, 'file')).toThrow(`file: "${field}" is {"asks":"for something"}`);
  });

  it('one that nobody knows is refused by name, unless it is null', () => {
    expect(() => parseConfig({ ...minimal(name), use_other: true }, 'file')).toThrow(
      `"use_other" is no field of ${name}`,
    );
    expect(() => parseConfig({ ...minimal(name), use_other: null }, 'file')).not.toThrow();
  });

  it('stand in docs/formats.md, each under what becomes of it', async () => {
    const text = await readFile(join(REPOSITORY, 'docs/formats.md'), 'utf8');
    const section = text.slice(text.indexOf('### Fields of adapter_config.json'));
    const rows = { honoured: '| honoured |', idle: '| without effect |', refused: '| refused |' };
    for (const [use, start] of Object.entries(rows)) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${name}\` ${start}`)) ?? '';
      const listed = [...row.matchAll(/`([\w]+)`/g)].map(([, field]) => field!).slice(1);
      expect(listed.sort(), use).toEqual(usesOf(type, use).sort());
    }
  });
});
