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
import { reasonOf } from '../../files/jsonText.js';
import { checkChunks, checkPages } from './parquetPages.js';
import { asStored, parsers, plainValue } from './parquetValues.js';
import type { Table } from './table.js';

/**
 * Reads a Parquet file, whatever its compression. A row's line is its number, from 1; its values are as {@link plainValue} tells them.
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
    const own = { utf8: false, parsers };
    const rows = await parquetReadObjects({ file, metadata: asStored(metadata), compressors, ...own });
    const nodes = new Map(schema.children.map((node) => [node.element.name, node]));
    const told = (values: Readonly<Record<string, unknown>>) =>
      Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plainValue(nodes.get(name)!, value)]));
    return { path, columns, rows: rows.map((values, i) => ({ line: i + 1, values: told(values) })) };
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
