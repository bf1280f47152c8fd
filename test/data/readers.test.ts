import { mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { readDelimited, readRows, readTable } from '../../src/data/readers/index.js';
import { DiffoError } from '../../src/errors.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { rowToExample } from '../../src/tasks/rows.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-readers-'));
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(DiffoError);
  return (error as DiffoError).message;
}

describe('CSV', () => {
  it("takes quotes, commas and newlines inside them, CRLF and a byte order mark; a row's line is its first", async () => {
    const path = await file('a.csv', '\uFEFFtext,label\r\n"a ""b"", c",1\r\n"two\r\nlines",0\r\n\r\nlast,1\nmixed,0');
    const table = await readTable(path);
    expect(table.columns).toEqual(['text', 'label']);
    expect(table.rows).toEqual([
      { line: 2, values: { text: 'a "b", c', label: '1' } },
      { line: 3, values: { text: 'two\nlines', label: '0' } },
      { line: 6, values: { text: 'last', label: '1' } },
      { line: 7, values: { text: 'mixed', label: '0' } },
    ]);
  });

  it('names file and line of a row with too many or too few cells', async () => {
    const path = await file('ragged.csv', 'text,label\n"x\ny",1\na,1,2\n');
    expect(await messageOf(readTable(path))).toBe(
      `${path}, line 4: the row has 3 columns where 2 are expected. Mend or remove it.`,
    );
  });

  it('names file and line of a quote that does not close', async () => {
    const path = await file('quote.csv', 'text,label\na,1\n"b,1\nc,0\n');
    expect(await messageOf(readTable(path))).toMatch(/quote\.csv, line 3: the quote that opens here does not close\./);
  });

  it('names the line on which a quote opens, however late it closes', async () => {
    const path = await file('late.csv', `text,label\na,1\n"b,1\n${'x,0\n'.repeat(40)}"y",0\n`);
    expect(await messageOf(readTable(path))).toBe(
      `${path}, line 3: the quote that opens here closes on line 44, before "y\\",0". Close it before the end of its cell, double it (""), or remove it.`,
    );
  });

  it.each([
    ['semicolons', 'text;score\n"a; b, c";1,5\nd, e;2\n', { text: 'a; b, c', score: '1,5' }],
    ['tabs', 'text\tscore\na; b, c\t1\n', { text: 'a; b, c', score: '1' }],
    ['vertical bars', 'text|score\na; b, c|1\n', { text: 'a; b, c', score: '1' }],
  ])('takes cells that are parted by %s, and says so', async (name, content, first) => {
    const path = await file(`${name}.csv`, content);
    const { rows, notes } = await readTable(path);
    expect(rows[0]!.values).toEqual(first);
    expect(notes).toEqual([`${path}: cells are parted by ${name}`]);
  });

  it('takes commas where they fit, whatever else stands in the cells', async () => {
    const table = await readTable(await file('commas.csv', 'a;b,c\n1;2,3\n4;5,6\n'));
    expect(table.columns).toEqual(['a;b', 'c']);
    expect(table).not.toHaveProperty('notes');
    // One column of texts with commas, as they are no header's.
    expect(await messageOf(readTable(await file('one.csv', 'text\na, b\n')))).toContain(
      'line 2: the row has 2 columns',
    );
  });

  it('takes lines that end in a carriage return alone', async () => {
    const { rows } = await readTable(await file('mac.csv', 'text,label\ra,1\r"b,c",0\r'));
    expect(rows).toEqual([
      { line: 2, values: { text: 'a', label: '1' } },
      { line: 3, values: { text: 'b,c', label: '0' } },
    ]);
  });

  it('calls columns without a name as pandas calls them', async () => {
    const table = await readTable(await file('unnamed.csv', ',text,\n0,a,\n1,b,x\n'));
    expect(table.columns).toEqual(['Unnamed: 0', 'text', 'Unnamed: 2']);
    expect(table.rows[1]!.values).toEqual({ 'Unnamed: 0': '1', text: 'b', 'Unnamed: 2': 'x' });
  });

  it('refuses a header that names a column twice, and a file that is empty', async () => {
    const twice = await file('twice.csv', 'text,label,text\na,1,b\n');
    expect(await messageOf(readTable(twice))).toContain('line 1: the header names the column "text" twice');
    expect(await messageOf(readTable(await file('empty.csv', '')))).toContain('empty.csv is empty');
    expect(await messageOf(readTable(await file('blank.csv', '\n\n')))).toContain('blank.csv is empty');
  });

  it('gives no rows for a header alone', async () => {
    expect((await readTable(await file('header.csv', 'text,label\n'))).rows).toEqual([]);
  });

  it('keeps a column called __proto__ as a column', async () => {
    const { rows } = await readTable(await file('proto.csv', '__proto__,label\nx,1\n'));
    expect(Object.entries(rows[0]!.values)).toEqual([
      ['__proto__', 'x'],
      ['label', '1'],
    ]);
  });
});

describe('TSV', () => {
  it('takes quotes as letters, as GLUE writes them, and CRLF', async () => {
    const path = await file('a.tsv', 'text\tlabel\r\n"The dog\t1\r\nHe said "no".\t0\r\n');
    expect((await readTable(path)).rows).toEqual([
      { line: 2, values: { text: '"The dog', label: '1' } },
      { line: 3, values: { text: 'He said "no".', label: '0' } },
    ]);
  });

  it('takes given column names for a file without a header, and rows that lack the optional ones', async () => {
    const path = await file('b.tsv', 'x\ty\nx\ty\tz');
    const options = { format: 'tsv', columns: ['a', 'b', 'c'], optionalColumns: 1 } as const;
    expect((await readDelimited(path, options)).rows).toEqual([
      { line: 1, values: { a: 'x', b: 'y' } },
      { line: 2, values: { a: 'x', b: 'y', c: 'z' } },
    ]);
    const short = await file('c.tsv', 'x\ty\nx\n');
    expect(await messageOf(readDelimited(short, options))).toContain('line 2: the row has 1 columns where 2 to 3 are');
  });

  it('keeps empty cells', async () => {
    expect((await readTable(await file('d.tsv', 'a\tb\tc\n\t\t1\n'))).rows[0]!.values).toEqual({
      a: '',
      b: '',
      c: '1',
    });
  });

  it('unpacks .gz, and says so when it cannot', async () => {
    const path = await file('e.tsv.gz', gzipSync('a\tb\n1\t2\n'));
    expect((await readTable(path)).rows).toEqual([{ line: 2, values: { a: '1', b: '2' } }]);
    expect(await messageOf(readTable(await file('f.tsv.gz', 'a\tb\n')))).toMatch(/f\.tsv\.gz cannot be unpacked/);
  });
});

describe('JSONL', () => {
  it('keeps values as JSON has them, with their lines', async () => {
    const path = await file('a.jsonl', '\uFEFF{"text":"a\\nb","label":1}\r\n\n{"text":"c","score":0.5}');
    const table = await readTable(path);
    expect(table.columns).toEqual(['text', 'label', 'score']);
    expect(table.rows).toEqual([
      { line: 1, values: { text: 'a\nb', label: 1 } },
      { line: 3, values: { text: 'c', score: 0.5 } },
    ]);
  });

  it("says what to write in the place of Python's NaN", async () => {
    const path = await file('nan.jsonl', '{"text": "NaN", "score": 1}\n{"text": "a", "score": NaN}\n');
    expect(await messageOf(readTable(path))).toMatch(
      /nan\.jsonl, line 2: not valid JSON \(.*\)\. Write null in the place of NaN and Infinity\.$/,
    );
    const list = await file('nan.json', '[{"text": "a", "score": -Infinity}]');
    expect(await messageOf(readRows(list))).toMatch(
      /nan\.json is not valid JSON .*Write null in the place of NaN and Infinity\.$/,
    );
  });

  it('names file and line of broken JSON and of a line that is no object', async () => {
    expect(await messageOf(readTable(await file('b.jsonl', '{}\n{"a":\n')))).toMatch(
      /b\.jsonl, line 2: not valid JSON/,
    );
    expect(await messageOf(readTable(await file('c.jsonl', '[1]\n')))).toMatch(/c\.jsonl, line 1: not a JSON object/);
  });
});

describe('Parquet', () => {
  /** Written by pyarrow: test/oracle/parquet_files.py. */
  const fixture = (name: string) => join(import.meta.dirname, 'fixtures', 'parquet', `${name}.parquet`);

  it('that stores a column its schema does not have is refused: nobody would wait for its errors', async () => {
    const whole = await readFile(fixture('none'));
    const { columns } = await readTable(fixture('none'));
    const name = Buffer.from(columns[0]!);
    // After the schema, the description of the stored column names it.
    const at = whole.lastIndexOf(name);
    expect(whole.indexOf(name)).toBeLessThan(at);
    const path = await file('renamed.parquet', Buffer.from(whole).fill('x', at, at + name.length));
    expect(await messageOf(readTable(path))).toMatch(
      /renamed\.parquet cannot be read as Parquet \(column "x+" is stored/,
    );
  });

  it.each(['none', 'snappy', 'gzip', 'zstd', 'lz4', 'brotli'])('of compression %s gives its rows', async (name) => {
    const table = await readTable(fixture(name));
    expect(table.columns).toEqual(['text', 'label', 'score']);
    expect(table.rows).toEqual([
      { line: 1, values: { text: 'A "quoted" line', label: 1, score: 0.5 } },
      { line: 2, values: { text: 'Café, naïve\nsecond line', label: 0, score: -1.25 } },
      { line: 3, values: { text: '', label: 1, score: null } },
    ]);
  });

  it('that is cut short or is something else is named', async () => {
    const whole = await readFile(fixture('snappy'));
    for (const [name, bytes] of [
      ['cut.parquet', whole.subarray(0, 700)],
      ['text.parquet', Buffer.from('text,label\n')],
      ['empty.parquet', Buffer.alloc(0)],
    ] as const) {
      expect(await messageOf(readTable(await file(name, bytes)))).toMatch(/cannot be read as Parquet/);
    }
    expect(await messageOf(readTable(join(folder, 'none.parquet')))).toMatch(
      /Cannot read .*none\.parquet: no such file/,
    );
  });
});

describe('any data file', () => {
  it('that is missing, no UTF-8 or of an unknown ending is named', async () => {
    expect(await messageOf(readTable(join(folder, 'none.csv')))).toMatch(/Cannot read .*none\.csv: no such file/);
    const latin = await file('latin.csv', Buffer.from('text\ncaf\xe9\n', 'latin1'));
    expect(await messageOf(readTable(latin))).toMatch(
      /latin\.csv is no UTF-8 text: line 2 is written otherwise, perhaps in Windows-1252 or Latin-1\. Save it as UTF-8\./,
    );
    expect(() => readTable('a.xlsx')).toThrow(
      /a\.xlsx is no data file known here: name it \.csv, \.tsv, \.jsonl, \.parquet/,
    );
  });
});

describe('a text in another encoding', () => {
  const content = 'text,label\ncafé,1\n';
  const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

  it.each([
    ['UTF-8', Buffer.from(`\ufeff${content}`)],
    ['UTF-16 of little ends first', Buffer.from(`\ufeff${content}`, 'utf16le')],
    ['UTF-16 of big ends first', utf16be(`\ufeff${content}`)],
    ['gzip under a name of capitals', gzipSync(content)],
  ])('is read where its beginning tells: %s', async (name, bytes) => {
    const path = await file(name.includes('gzip') ? 'CAFE.CSV.GZ' : 'cafe.csv', bytes);
    expect((await readTable(path)).rows).toEqual([{ line: 2, values: { text: 'café', label: '1' } }]);
  });

  it('is refused where nothing tells, with the line where it ceases to be UTF-8', async () => {
    const silent = await file('silent.csv', Buffer.from(content, 'utf16le').subarray(0, 20));
    expect(await messageOf(readTable(silent))).toContain('seems to be UTF-16 or UTF-32 text without a byte order mark');
    const cut = await file('cut.csv', Buffer.from(`\ufeff${content}`, 'utf16le').subarray(0, 9));
    expect(await messageOf(readTable(cut))).toContain('is no UTF-16LE text');
    const packed = await file('packed.csv', gzipSync(content));
    expect(await messageOf(readTable(packed))).toContain('it is packed by gzip, and its name does not end in .gz');
  });
});

describe('what was found by fuzzing', () => {
  it('a text column of whole numbers beyond 2^53, as Parquet has them, is text', () => {
    const task = {
      name: 't',
      kind: kinds.classification,
      labels: ['a', 'b'],
      columns: { text: 'id', label: 'y' },
    };
    const row = { line: 1, values: { id: 2n ** 60n, y: 'a' } };
    expect(rowToExample(task, row, 'a.parquet')).toMatchObject({ text: '1152921504606846976', label: 0 });
    const list = { line: 1, values: { id: [2n ** 60n], y: 'a' } };
    expect(() => rowToExample(task, list, 'a.parquet')).toThrow('column "id" holds no text but [1152921504606847000]');
  });

  it('a row has no column "constructor" of its own', () => {
    const task = {
      name: 't',
      kind: kinds.regression,
      labels: [],
      columns: { text: 'constructor', label: 'valueOf' },
    };
    expect(() => rowToExample(task, { line: 2, values: {} }, 'a.jsonl')).toThrow('no column "constructor"');
    const row = { line: 2, values: { constructor: 'a text' } };
    expect(rowToExample(task, row, 'a.jsonl')).toEqual({ id: '2', text: 'a text' });
  });

  it('a text longer than any that JavaScript has is refused before it is read', async () => {
    const path = await file('long.csv', 'text,label\n');
    await truncate(path, 600_000_000);
    expect(await messageOf(readTable(path))).toContain('a text of more than 536 MB');
  });

  it('a Parquet file one of whose pages leads back to where it began is refused', async () => {
    const whole = await readFile(join(import.meta.dirname, 'fixtures', 'parquet', 'brotli.parquet'));
    const path = await file('endless.parquet', Buffer.concat([whole.subarray(0, 67), whole.subarray(62)]));
    expect(await messageOf(readTable(path))).toContain('cannot be read as Parquet');
  });

  it('JSON nested 100,000 deep is refused with its line', async () => {
    const path = await file('deep.jsonl', `{"a": 1}\n{"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    expect(await messageOf(readTable(path))).toContain('line 2: not valid JSON (it is nested more than 500 deep)');
  });
});
