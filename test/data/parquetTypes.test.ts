import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTable } from '../../src/data/readers/index.js';

/** Written by pyarrow, with its own values in JSON beside it: test/oracle/parquet_files.py. */
const fixture = (name: string) => join(import.meta.dirname, 'fixtures', 'parquet', name);

/** What JSON has no word for stands as an object in the fixture. */
function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== 'object' || value === null) return value;
  if ('bigint' in value) return BigInt(String(value.bigint));
  if ('bytes' in value) return Uint8Array.from(value.bytes as number[]);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, told(one)]));
}

async function expectedOf(name: string): Promise<Record<string, unknown>[]> {
  const rows = JSON.parse(await readFile(fixture(`${name}.json`), 'utf8')) as Record<string, unknown>[];
  return rows.map((row) => told(row) as Record<string, unknown>);
}

describe('a Parquet file with a column of every type', async () => {
  const names = ['types', 'types-plain', 'int96'];
  const columns = await Promise.all(
    names.map(async (name) => [name, Object.keys((await expectedOf(name))[0]!)] as const),
  );

  it.each(columns.flatMap(([name, all]) => all.map((column) => [name, column] as const)))(
    '%s: column %s has the values of pyarrow',
    async (name, column) => {
      const { rows } = await readTable(fixture(`${name}.parquet`));
      const expected = await expectedOf(name);
      expect(rows.map(({ values }) => values[column])).toEqual(expected.map((row) => row[column]));
    },
  );
});
