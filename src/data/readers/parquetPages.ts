import type { AsyncBuffer, FileMetaData, SchemaTree } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';

/**
 * Holds the columns that are stored to those of the schema. hyparquet starts to read the others too and waits for none of
 * them, so that an error in one would end the process.
 *
 * @throws Error with what is wrong, in words
 */
export function checkChunks({ children }: SchemaTree, { row_groups: groups }: FileMetaData): void {
  for (const { columns } of groups) {
    const stored = columns.map(({ meta_data: column }) => column?.path_in_schema[0]);
    for (const name of new Set(stored)) {
      const node = children.find(({ element }) => element.name === name);
      if (node === undefined) throw new Error(`column "${name}" is stored, and the schema has none of that name`);
      const count = stored.filter((other) => other === name).length;
      if (node.children.length === 0 && count > 1) throw new Error(`column "${name}" is stored ${count} times`);
    }
  }
}

/**
 * Goes through the headers of all pages, each of which must lead on to the next. hyparquet takes them as they are, and never
 * ends where a damaged one leads back.
 *
 * @throws Error with what is wrong, in words
 */
export async function checkPages(file: AsyncBuffer, { row_groups: groups }: FileMetaData): Promise<void> {
  for (const { meta_data: column } of groups.flatMap(({ columns }) => columns)) {
    if (column === undefined) throw new Error('a column has no description');
    const start = Number(column.dictionary_page_offset || column.data_page_offset);
    const view = new DataView(await file.slice(start, start + Number(column.total_compressed_size)));
    const reader = { view, offset: 0 };
    while (reader.offset < view.byteLength - 1) {
      const { compressed_page_size: size } = parquetHeader(reader);
      if (!(size >= 0 && reader.offset + size <= view.byteLength)) {
        throw new Error(`a page of column "${column.path_in_schema.join('.')}" has ${size} bytes`);
      }
      reader.offset += size;
    }
  }
}
