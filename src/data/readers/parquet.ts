import {
  type AsyncBuffer,
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import { reasonOf } from '../../files/json.js';
import { checkChunks, checkPages } from './parquetPages.js';
import type { Table } from './table.js';

/**
 * Reads a Parquet file, whatever its compression. A row's line is its number, from 1. Whole numbers come as numbers.
 *
 * @throws DiffoError that names the file where it cannot be read or is not Parquet
 */
export async function readParquet(path: string): Promise<Table> {
  const opened = await asyncBufferFromFile(path).catch((error) => Promise.reject(fileError(error, path, 'read')));
  const { file, stop } = stoppable(opened);
  try {
    const metadata = await parquetMetadataAsync(file);
    const schema = parquetSchema(metadata);
    const columns = schema.children.map(({ element }) => element.name);
    checkChunks(schema, metadata);
    await checkPages(file, metadata);
    const rows = await parquetReadObjects({ file, metadata, compressors });
    return { path, columns, rows: rows.map((values, i) => ({ line: i + 1, values: plainValues(values) })) };
  } catch (error) {
    stop();
    throw new DiffoError(`${path} cannot be read as Parquet (${reasonOf(error)}). Fetch or write it again.`, {
      cause: error,
    });
  }
}

/** Where hyparquet gives up it leaves reads of other columns behind, and an error in one of them would end the process. */
function stoppable({ byteLength, slice }: AsyncBuffer): { file: AsyncBuffer; stop: () => void } {
  let isStopped = false;
  const file: AsyncBuffer = {
    byteLength,
    async slice(start, end) {
      const bytes = await slice(start, end);
      return isStopped ? new Promise<never>(() => {}) : bytes;
    },
  };
  return {
    file,
    stop: () => {
      isStopped = true;
    },
  };
}

/** 64-bit integers become numbers where a number holds them exactly. */
function plainValues(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const isSmall = typeof value === 'bigint' && BigInt(Number(value)) === value;
      return [name, isSmall ? Number(value) : value];
    }),
  );
}
