import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readCharsMap } from '../../src/tokenize/charsMap.js';

interface Fixture {
  readonly cases: readonly {
    readonly name: string;
    readonly map: string;
    readonly texts: readonly string[];
    readonly made: readonly string[];
  }[];
}

/** test/oracle/chars_maps.py; DIFFORA_CHARS_MAPS names a file that it has written with `--all`. */
const path = process.env.DIFFORA_CHARS_MAPS ?? join(import.meta.dirname, 'fixtures/chars-maps.json');
const { cases } = JSON.parse(await readFile(path, 'utf8')) as Fixture;

describe("SentencePiece's map of characters", () => {
  it.each(cases.map((one) => [one.name, one] as const))("%s: changes texts as Python's", (_, { map, texts, made }) => {
    const read = readCharsMap(map);
    const different = texts.filter((text, i) => read(text) !== made[i]);
    expect(different.map((text) => JSON.stringify(text))).toEqual([]);
  });

  it('is refused where it is cut, and where its trie leads out of it', () => {
    const bytes = Buffer.from(cases.find(({ map }) => map !== '')!.map, 'base64');
    expect(() => readCharsMap(bytes.subarray(0, 3).toString('base64'))).toThrow('cut or damaged');
    expect(() => readCharsMap(bytes.subarray(0, 300).toString('base64'))).toThrow('cut or damaged');
    const short = Buffer.from(bytes);
    short.writeUInt32LE(4, 0);
    expect(() => readCharsMap(short.toString('base64'))('A')).toThrow('damaged');
  });
});
