import { cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TaskFile } from '../../src/artifacts/taskFile.js';
import { mailToText } from '../../src/data/mail/mailToText.js';
import { readConll, readDelimited, readJsonLines, readRows } from '../../src/data/readers/index.js';
import { readPredictInput } from '../../src/jobs/predictInput.js';
import { openTask } from '../../src/tasks/openTask.js';
import { REPOSITORY } from '../shared.js';
import { cases, scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';

const path = scratch();
const fixture = (...parts: string[]) => join(REPOSITORY, 'test', 'data', 'fixtures', ...parts);
const warn = () => {};

async function written(name: string, content: string | Uint8Array): Promise<string> {
  await mkdir(dirname(path(name)), { recursive: true });
  await writeFile(path(name), content);
  return path(name);
}

/** Opens a file as a task of one's own and as something to predict. */
async function used(file: string): Promise<void> {
  const task = await openTask(file, { warn });
  await task.load('train');
  await readPredictInput({ file }, { ...task, format: 'diffora-task/1', maxLength: 16 } as unknown as TaskFile);
}

const rows = Array.from({ length: 8 }, (_, i) => ({ text: `"row" ${i}, café\nline`, label: i % 2 === 0 ? 'a' : 'b' }));
const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
const csv = ['text,label', ...rows.map(({ text, label }) => `${quote(text)},${label}`)].join('\n');
const tsv = ['text\tlabel', ...rows.map(({ text, label }) => `${text.replace('\n', ' ')}\t${label}`)].join('\n');
const jsonl = rows.map((row) => JSON.stringify(row)).join('\n');
const conll = `-DOCSTART- -X- O\n\n#\n${rows.map((_, i) => `Ann NNP B-PER\ncafé${i} NN O\n`).join('\n')}`;

describe('files of rows', () => {
  for (const [name, content] of Object.entries({
    'a.csv': csv,
    'a.tsv': tsv,
    'a.jsonl': jsonl,
    'a.csv.gz': gzipSync(csv),
  })) {
    survivesBytes(name, async () => {
      const file = await written(name, content);
      return { path: file, read: () => used(file) };
    });
  }

  survivesBytes('a list of JSON objects', async () => {
    const file = await written('rows.json', JSON.stringify(rows));
    return { path: file, read: () => readRows(file) };
  });

  for (const [name, separator] of [
    ['tabs.conll', '\t'],
    ['spaces.iob2', ' '],
  ] as const) {
    survivesBytes(name, async () => {
      const file = await written(name, conll.replaceAll(' ', separator));
      return { path: file, read: () => readRows(file) };
    });
  }

  const line = { text: 'a text', label: 'a', more: [1, { b: null }] };
  survivesValues('a line of JSONL', mangled(line), async () => {
    const file = path('line.jsonl');
    const read = async (text: string) => {
      await writeFile(file, `${text}\n${jsonl}\n`);
      await used(file);
    };
    return { read, names: [file] };
  });

  const odd = fc.string({
    unit: fc.constantFrom(...['"', ',', '\t', '\n', '\r', '\0', '\ufeff', 'a', ' ', '\\', '{', '}', ':', '1', '😀']),
  });
  for (const ending of ['csv', 'tsv', 'jsonl', 'conll']) {
    survivesValues(`any text as .${ending}`, odd, async () => {
      const file = path(`odd.${ending}`);
      const read = async (text: string) => {
        await writeFile(file, text);
        return readRows(file);
      };
      return { read, names: [file] };
    });
  }
});

describe('Parquet', () => {
  for (const compression of ['none', 'snappy', 'gzip', 'zstd', 'lz4', 'brotli']) {
    survivesBytes(`Parquet, compression ${compression}`, async () => {
      const file = path(`${compression}.parquet`);
      await cp(fixture('parquet', `${compression}.parquet`), file);
      return { path: file, read: () => readRows(file) };
    });
  }
  survivesBytes('Parquet with lists', async () => {
    const file = path('lists.parquet');
    await cp(fixture('datasets', 'Rowan', 'hellaswag', 'default', 'train', '0000.parquet'), file);
    return { path: file, read: () => readRows(file) };
  });
});

describe('files of known tasks', () => {
  const sentences = Array.from({ length: 6 }, (_, i) => `gj04\t${i % 2}\t*\tA sentence ${i}.`).join('\n');
  const mnli = ['index', 'sentence1', 'sentence2', 'gold_label'].join('\t');
  const question = { id: 'q', question: 'Who?', answers: [{ text: 'Ann', answer_start: 0 }], is_impossible: false };
  const squad = { version: '1.1', data: [{ title: 'T', paragraphs: [{ context: 'Ann came.', qas: [question] }] }] };
  const boolq = {
    instruction: 'Is it so? Answer format: true/false',
    input: '',
    output: 'the correct answer is true',
    answer: 'true',
  };
  const siqa = { context: 'c', question: 'q', answerA: 'a', answerB: 'b', answerC: 'c' };
  const files: readonly (readonly [
    task: string,
    file: string,
    content: string,
    beside?: Readonly<Record<string, string>>,
  ])[] = [
    ['cola', 'CoLA/train.tsv', sentences],
    ['mnli', 'MNLI/train.tsv', `${mnli}\n0\tA.\tB.\tneutral\n1\tA.\tC.\tentailment\n`],
    ['squad', 'squad/train-v1.1.json', JSON.stringify(squad)],
    ['squad2', 'squad/train-v2.0.json', JSON.stringify(squad)],
    ['boolq', 'boolq/train.json', JSON.stringify([boolq, boolq])],
    [
      'siqa',
      'social_i_qa_original/train.jsonl',
      JSON.stringify(siqa),
      { 'social_i_qa_original/train-labels.lst': '1\n' },
    ],
    ['e2e', 'e2e/trainset.csv', 'mr,ref\n"name[Blue], eatType[pub]",A pub.\n"name[Red], area[city]",A place.\n'],
    ['gsm8k', 'gsm8k/train.jsonl', JSON.stringify({ question: 'How many?', answer: 'Two. #### 2' })],
  ];
  for (const [name, file, content, beside = {}] of files) {
    const load = async (dataDir: string) => (await openTask(name, { warn, dataDir })).load('train');
    survivesBytes(`${name}: ${file}`, async () => {
      const folder = path(`${name} bytes`);
      for (const [other, text] of Object.entries(beside)) await written(`${name} bytes/${other}`, text);
      const whole = await written(`${name} bytes/${file}`, content);
      return { path: whole, read: () => load(folder), names: [folder] };
    });
  }

  for (const [name, file, value] of [
    ['squad', 'squad/train-v1.1.json', squad],
    ['boolq', 'boolq/train.json', [boolq, boolq]],
  ] as const) {
    survivesValues(`${name}: ${file}`, mangled(value), async () => {
      const folder = path(`${name} values`);
      const read = async (text: string) => {
        await written(`${name} values/${file}`, text);
        return (await openTask(name, { warn, dataDir: folder })).load('train');
      };
      return { read, names: [folder] };
    });
  }
});

describe('mail', () => {
  const mail = [
    'From a@b Thu Aug 22',
    'Subject: =?iso-8859-1?Q?=FCber_alles?= =?UTF-8?B?IOKCrA==?=',
    'Content-Type: multipart/mixed; boundary="b=1"',
    '',
    '--b=1',
    'Content-Type: multipart/alternative; boundary=c',
    '',
    '--c',
    'Content-Type: text/html; charset=iso-8859-1',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    '<html><!-- x --><b>caf=E9</b> &#8364;&amp;</html>',
    '--c--',
    '--b=1',
    'Content-Type: message/rfc822',
    '',
    'Subject: inner',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from('naïve').toString('base64'),
    '--b=1--',
  ].join('\r\n');

  survivesBytes('a mail', async () => {
    const file = await written('mail.txt', Buffer.from(mail, 'latin1'));
    const { readFile } = await import('node:fs/promises');
    return { path: file, read: async () => mailToText(await readFile(file), 2000), refuses: false };
  });

  const pieces = [
    '<!--',
    '-->',
    '<script',
    '</script>',
    '<',
    '>',
    '&',
    ';',
    '&#',
    '=?',
    '?=',
    'utf-8',
    '?B?',
    '=',
    '\r\n',
    '\n\n',
    ' ',
    '--b',
  ];
  const header = 'Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n';
  const many = fc.tuple(fc.constantFrom(...pieces), fc.constantFrom(...pieces), fc.integer({ min: 0, max: 3000 }));
  survivesValues(
    'a mail of pieces many times over',
    fc.array(many, { maxLength: 6 }).map((parts) => parts.map(([a, b, n]) => (a + b).repeat(n)).join('')),
    async () => ({ read: (body) => mailToText(Buffer.from(header + body), 2000), names: [], refuses: false }),
  );
});

describe('tables that another program wrote', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z_]{1,8}$/), { minLength: 2, maxLength: 4 });
  const tables = (cell: fc.Arbitrary<string>) =>
    names.chain((columns) =>
      fc.record({
        columns: fc.constant(columns),
        rows: fc.array(fc.tuple(...columns.map(() => cell)) as fc.Arbitrary<string[]>, { maxLength: 5 }),
      }),
    );
  const valuesOf = ({ columns, rows }: { columns: string[]; rows: string[][] }) =>
    rows.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i]!, cell])));
  const options = { seed: 1, numRuns: cases };
  const text = fc.string({ unit: 'binary' });

  it(`come back from CSV as they are (${cases} tables), but for CRLF inside of quotes`, async () => {
    const property = fc.asyncProperty(tables(text), async (table) => {
      const lines = [table.columns, ...table.rows].map((row) => row.map(quote).join(','));
      const { rows } = await readDelimited(await written('trip.csv', lines.join('\r\n')), { format: 'csv' });
      const expected = { ...table, rows: table.rows.map((row) => row.map((cell) => cell.replaceAll('\r\n', '\n'))) };
      expect(rows.map(({ values }) => values)).toEqual(valuesOf(expected));
    });
    await fc.assert(property, options);
  });

  it(`come back from TSV as they are (${cases} tables), but for tabs and line ends`, async () => {
    const cell = text.map((one) => one.replace(/[\t\r\n]/g, ' '));
    const property = fc.asyncProperty(tables(cell), async (table) => {
      const lines = [table.columns, ...table.rows].map((row) => row.join('\t'));
      const { rows } = await readDelimited(await written('trip.tsv', lines.join('\n')), { format: 'tsv' });
      expect(rows.map(({ values }) => values)).toEqual(valuesOf(table));
    });
    await fc.assert(property, options);
  });

  it(`come back from CoNLL as they are (${cases} files of sentences), with tabs`, async () => {
    const cell = text
      .map((one) => one.replace(/[\t\r\n]/g, ' '))
      .filter((one) => one.trim() !== '' && one[0] !== '\ufeff');
    const pair = fc.record({ token: cell, tag: fc.constantFrom('O', 'B-PER', 'I-PER') });
    const sentences = fc.array(fc.array(pair, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });
    const property = fc.asyncProperty(sentences, async (all) => {
      const lines = all.map((one) => one.map(({ token, tag }) => `${token}\t${tag}\n`).join(''));
      const { rows } = await readConll(await written('trip.conll', lines.join('\n')));
      expect(rows.map(({ values }) => values)).toEqual(
        all.map((one) => ({ tokens: one.map(({ token }) => token), tags: one.map(({ tag }) => tag) })),
      );
    });
    await fc.assert(property, options);
  });

  it(`come back from JSONL as they are (${cases} tables)`, async () => {
    const rows = fc.array(fc.dictionary(text, fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }), { maxLength: 5 });
    const property = fc.asyncProperty(rows, async (values) => {
      const lines = values.map((one) => JSON.stringify(one));
      const table = await readJsonLines(await written('trip.jsonl', lines.join('\n')));
      expect(table.rows.map((row) => row.values)).toEqual(lines.map((one) => JSON.parse(one)));
    });
    await fc.assert(property, options);
  });
});
