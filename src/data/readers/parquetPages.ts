import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';

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
