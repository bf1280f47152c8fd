import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Table } from '../../../src/data/readers/table.js';
import { collate } from '../../../src/engine/batching.js';
import { openModelByName } from '../../../src/models/loading/openedModel.js';
import type { OpenedModel } from '../../../src/models/loading/withHead.js';
import { silent } from '../../../src/reporter.js';
import { kindOfTable, usualColumns } from '../../../src/tasks/columns.js';
import { languageObjective } from '../../../src/tasks/kinds/language.js';
import { allKinds, kinds } from '../../../src/tasks/kinds/registry.js';
import { holdsPairs, inTwoColumns } from '../../../src/tasks/seq2seq/forms.js';
import { writingSequences } from '../../../src/tasks/seq2seq/sequences.js';
import { writingModel } from './writingModel.js';

let folder: string;
let opened: OpenedModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-test-'));
  await writingModel(join(folder, 'model'));
  opened = await openModelByName(join(folder, 'model'), { taskType: 'SEQ_2_SEQ_LM', numLabels: 0 }, silent);
});
afterAll(() => rm(folder, { recursive: true }));

/** Ids of letters: pad, end and unknown come first, then the space. */
const ids = (text: string) => [...text].map((letter) => 3 + [...' abcdefghijklmnopqrstuvwxyz.:'].indexOf(letter));
const [pad, end] = [0, 1];

describe('texts to read and to write', () => {
  const examples = [
    { id: '1', text: 'abc', references: ['xy', 'z'] },
    { id: '2', text: 'd', references: ['wxyz'] },
  ];

  it('are shifted to the right from the start, padding left out of the labels', async () => {
    const options = { prefix: 'p: ', maxLength: 20, maxTargetLength: 20, warn: () => {} };
    const sequences = await writingSequences(opened, examples, options);
    const [first, second] = sequences;
    expect([...first!.inputIds]).toEqual([...ids('p: abc'), end]);
    expect([...first!.targetIds!]).toEqual([pad, ...ids('xy')]);
    expect([...first!.tokenLabels!]).toEqual([...ids('xy'), end]);
    expect([...second!.targetIds!]).toEqual([pad, ...ids('wxyz')]);
    const batch = collate(sequences, pad, languageObjective);
    expect([...batch.targetIds!].map(Number)).toEqual([pad, ...ids('xy'), pad, pad, pad, ...ids('wxyz')]);
    const { data, rows } = batch.labels!;
    expect([...data].map(Number)).toEqual([...ids('xy'), end, ...ids('wxyz'), end]);
    expect([...rows!].map(Number)).toEqual([0, 1, 2, 5, 6, 7, 8, 9]);
    expect(languageObjective.weight(batch)).toBe(8);
  });

  it('are cut at their ends, which stay marked, and that is told', async () => {
    const said: string[] = [];
    const options = { prefix: '', maxLength: 3, maxTargetLength: 4, warn: (message: string) => said.push(message) };
    const [first, second] = await writingSequences(opened, examples, options);
    expect([...first!.inputIds]).toEqual([...ids('ab'), end]);
    expect([...second!.tokenLabels!]).toEqual([...ids('wxy'), end]);
    expect(said).toEqual([
      '1 of 2 texts that are read are longer than 3 tokens and were cut to that length.',
      '1 of 2 texts to write are longer than 4 tokens and were cut to that length; see --max-target-length.',
    ]);
  });
});

describe('a table', () => {
  const table = (row: Record<string, unknown>): Table => ({
    path: 'a.jsonl',
    columns: Object.keys(row),
    rows: [{ line: 1, values: row }],
  });
  const kindOf = (row: Record<string, unknown>) => kindOfTable(table(row), {}, allKinds).name;

  it.each([
    [{ source: 'a', target: 'b' }],
    [{ document: 'a', summary: 'b', id: 'c' }],
    [{ article: 'a', highlights: 'b' }],
    [{ text: 'a', summary: 'b', title: 'c', source: 'https' }],
    [{ input: 'a', output: 'b' }],
    [{ translation: { en: 'a', de: 'b' } }],
  ])('of %j is of this kind', (row) => expect(kindOf(row)).toBe('seq2seq'));

  it.each([
    [{ instruction: 'a', input: 'b', output: 'c' }, 'chat'],
    [{ prompt: 'a', completion: 'b' }, 'chat'],
    [{ text: 'a', summary: 'b', label: 'c' }, 'classification'],
    [{ translation: 'a', label: 'b' }, 'classification'],
    [{ source: 'a', label: 'b' }, 'classification'],
  ])('of %j is not', (row, kind) => expect(kindOf(row)).toBe(kind));

  it('has the columns that go together, whatever else it has', () => {
    const { text, label } = usualColumns(table({ text: 'a', summary: 'b', source: 'https' }), {}, kinds.seq2seq);
    expect([text, label]).toEqual(['text', 'summary']);
    expect(holdsPairs(table({ text: 'a', source: 'b' }), { text: 'text', label: 'summary' })).toBe(false);
  });

  it('of translations is told in the languages that are named', () => {
    const rows = table({ translation: { en: 'a', de: 'b', fr: 'c' } });
    const columns = { text: 'source', label: 'target' };
    const told = (asked: object) => inTwoColumns(rows, columns, asked).rows[0]!.values;
    expect(told({})).toMatchObject({ source: 'a', target: 'b' });
    expect(told({ sourceLanguage: 'de' })).toMatchObject({ source: 'b', target: 'a' });
    expect(told({ sourceLanguage: 'fr', targetLanguage: 'en' })).toMatchObject({ source: 'c', target: 'a' });
    expect(() => inTwoColumns(table({ source: 'a', target: 'b' }), columns, { sourceLanguage: 'en' })).toThrow(
      'a.jsonl: languages are named, and no column is called "translation"',
    );
    expect(() => told({ sourceLanguage: 'en', targetLanguage: 'en' })).toThrow(
      'a translation is between two languages',
    );
  });
});
