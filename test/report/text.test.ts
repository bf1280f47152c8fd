import { describe, expect, it } from 'vitest';
import { shortModuleNames } from '../../src/report/moduleNames.js';
import { formatFacts, formatTable } from '../../src/report/table.js';
import {
  formatBytes,
  formatCount,
  formatParameters,
  formatRate,
  formatSeconds,
  formatShare,
} from '../../src/report/units.js';

describe('shortModuleNames', () => {
  it('names modules of BERT by their last telling part', () => {
    const bert = [
      'attention.self.query',
      'attention.self.key',
      'attention.output.dense',
      'intermediate.dense',
      'output.dense',
    ];
    expect(shortModuleNames(bert)).toEqual(['query', 'key', 'attn.out', 'interm.', 'output']);
  });

  it('names modules of LLaMA too', () => {
    expect(shortModuleNames(['self_attn.q_proj', 'mlp.down_proj'])).toEqual(['q_proj', 'down_p.']);
  });

  it('keeps full paths that it cannot tell apart', () => {
    const alike = ['a.abcdefghi', 'b.abcdefghj', 'dense'];
    expect(shortModuleNames(alike)).toEqual(alike);
  });
});

describe('formatTable', () => {
  const columns = [{ title: 'method' }, { title: 'parameters', align: 'right' }] as const;
  const rows = [
    ['head only', '770'],
    ['LoRA', '147,714'],
  ];

  it('aligns numbers to the right under a rule', () => {
    expect(formatTable(columns, rows)).toBe(
      ['method     parameters', '─────────────────────', 'head only         770', 'LoRA          147,714'].join('\n'),
    );
  });

  it('becomes paragraphs where it is too wide', () => {
    expect(formatTable(columns, rows, { width: 20 })).toBe(
      ['head only', '  parameters  770', '', 'LoRA', '  parameters  147,714'].join('\n'),
    );
  });
});

describe('formatFacts', () => {
  it('goes on below the value, and never breaks a path', () => {
    const facts = [
      ['time', '12 s (select 5 s)'],
      ['folder', '/a/very/long/path/of/a/run'],
    ] as const;
    expect(formatFacts(facts, { width: 18 })).toBe(
      ['time    12 s', '        (select 5', '        s)', 'folder  /a/very/long/path/of/a/run'].join('\n'),
    );
  });
});

describe('units', () => {
  it.each([
    [formatBytes(0), '0 B'],
    [formatBytes(999), '999 B'],
    [formatBytes(18_300), '18.3 kB'],
    [formatBytes(999_600), '1.00 MB'],
    [formatBytes(1_234_000_000), '1.23 GB'],
    [formatParameters(9_999), '9,999'],
    [formatParameters(22_713_216), '22.7 M'],
    [formatCount(1_043), '1,043'],
    [formatSeconds(0.04), '0.0 s'],
    [formatSeconds(7), '7 s'],
    [formatSeconds(9.97), '10 s'],
    [formatSeconds(59.6), '1 min 00 s'],
    [formatSeconds(185), '3 min 05 s'],
    [formatSeconds(3720), '1 h 02 min'],
    [formatRate(216.4), '216/s'],
    [formatRate(1.96), '2.0/s'],
    [formatRate(0.28), '3.6 s each'],
    [formatShare(0.0054), '0.54 %'],
    [formatShare(0.11), '11 %'],
  ])('writes %s as %s', (actual, expected) => expect(actual).toBe(expected));
});
