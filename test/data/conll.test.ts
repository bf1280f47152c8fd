import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ConllOptions, placeOfToken, readConll, readRows } from '../../src/data/readers/index.js';
import { errorOf, folderOf } from './files.js';

async function file(content: string | Uint8Array, name = 'a.conll'): Promise<string> {
  return join(await folderOf({ [name]: content }), name);
}

async function sentences(content: string, options?: ConllOptions) {
  const { rows } = await readConll(await file(content), options);
  return rows.map(({ line, values }) => ({ line, ...values }));
}

async function refusal(content: string, options?: ConllOptions): Promise<string> {
  const path = await file(content);
  return (await errorOf(readConll(path, options))).message.replace(path, 'a.conll');
}

/** The first lines of CoNLL-2003's form (Tjong Kim Sang and De Meulder 2003, figure 1): word, part of speech, chunk, tag. */
const conll2003 = [
  '-DOCSTART- -X- -X- O',
  '',
  'U.N. NNP I-NP I-ORG',
  'official NN I-NP O',
  'Ekeus NNP I-NP I-PER',
  '. . O O',
  '',
  '-DOCSTART- -X- O O',
  '',
  'Baghdad NNP I-NP I-LOC',
].join('\n');

describe('CoNLL files', () => {
  it('are a row a sentence, of the first column and the last, without the lines that part documents', async () => {
    const path = await file(conll2003);
    expect(await readConll(path)).toEqual({
      path,
      columns: ['tokens', 'tags'],
      rows: [
        { line: 3, values: { tokens: ['U.N.', 'official', 'Ekeus', '.'], tags: ['I-ORG', 'O', 'I-PER', 'O'] } },
        { line: 10, values: { tokens: ['Baghdad'], tags: ['I-LOC'] } },
      ],
    });
  });

  it.each(['a.conll', 'a.bio', 'a.IOB', 'a.iob2'])('are known by their ending: %s', async (name) => {
    const { rows } = await readRows(await file('Ann B-PER\n', name));
    expect(rows).toEqual([{ line: 1, values: { tokens: ['Ann'], tags: ['B-PER'] } }]);
    const packed = await readRows(await file(gzipSync('Ann B-PER\n'), `${name}.gz`));
    expect(packed.rows).toEqual(rows);
  });

  it('take a byte order mark, CRLF, several blank lines, blank lines of spaces, and a last sentence without one', async () => {
    expect(await sentences('\uFEFFAnn\tB-PER\r\ncame\tO\r\n\r\n \t\r\nBob\tB-PER')).toEqual([
      { line: 1, tokens: ['Ann', 'came'], tags: ['B-PER', 'O'] },
      { line: 5, tokens: ['Bob'], tags: ['B-PER'] },
    ]);
  });

  it('part columns by tabs where every line has one, so that a token may hold spaces', async () => {
    expect(await sentences('New York\tNNP\tB-LOC\n\u00a0\t_\tO \n')).toEqual([
      { line: 1, tokens: ['New York', '\u00a0'], tags: ['B-LOC', 'O'] },
    ]);
  });

  it('part columns by runs of spaces, and tabs, else', async () => {
    expect(await sentences('  Ann   B-PER\ncame  \tO  \n')).toEqual([
      { line: 1, tokens: ['Ann', 'came'], tags: ['B-PER', 'O'] },
    ]);
  });

  it('end a sentence where a document begins, without a blank line too', async () => {
    expect(await sentences('Ann O\n-DOCSTART-\nBob O\n')).toEqual([
      { line: 1, tokens: ['Ann'], tags: ['O'] },
      { line: 3, tokens: ['Bob'], tags: ['O'] },
    ]);
  });

  it('give the columns that are asked for, from 1', async () => {
    // UNER's form (Mayhew et al. 2024): number, token, tag, and two columns of who annotated.
    const uner = '# sent_id = 1\n# text = Ann came\n1\tAnn\tB-PER\t-\ta\n2\tcame\tO\t-\ta\n';
    expect(await sentences(uner, { tokenColumn: 2, tagColumn: 3 })).toEqual([
      { line: 3, tokens: ['Ann', 'came'], tags: ['B-PER', 'O'] },
    ]);
    expect(await refusal(uner, { tagColumn: 7 })).toBe(
      'a.conll, line 3: the tag is to be in column 7, but the line has only 5. Name another.',
    );
  });
});

describe('lines of CoNLL files that begin with #', () => {
  it('are comments before a sentence, in files of spaces as of tabs', async () => {
    const comments = '# newdoc\n# sent_id = 5\n#\n# text = # 1 is a tag: O\n';
    for (const separator of [' ', '\t']) {
      const content = `${comments}Ann_B-PER\n\n${comments}came_O\n`.replaceAll('_', separator);
      const expected = [
        { line: 5, tokens: ['Ann'], tags: ['B-PER'] },
        { line: 11, tokens: ['came'], tags: ['O'] },
      ];
      expect(await sentences(content.replaceAll(`sent${separator}id`, 'sent_id'))).toEqual(expected);
    }
  });

  it('are comments with the number of columns of the file too, where no tag ends them', async () => {
    expect(await sentences('# sent_id = 5\nAnn NNP I-NP B-PER\n')).toEqual([
      { line: 2, tokens: ['Ann'], tags: ['B-PER'] },
    ]);
  });

  it('are tokens where they have a tag: at the start of a sentence, within one, and as the whole file', async () => {
    expect(await sentences('# O\n1 O\n\nis O\n# B-X\n')).toEqual([
      { line: 1, tokens: ['#', '1'], tags: ['O', 'O'] },
      { line: 4, tokens: ['is', '#'], tags: ['O', 'B-X'] },
    ]);
    expect(await sentences('#\tO\n#tag\tO\n')).toEqual([{ line: 1, tokens: ['#', '#tag'], tags: ['O', 'O'] }]);
    expect(await sentences('# O\n')).toEqual([{ line: 1, tokens: ['#'], tags: ['O'] }]);
    // Tags of another kind, such as parts of speech, are known by other lines that end with them.
    expect(await sentences('# SYM\n1 CD\n\nis VB\n# SYM\n+ SYM\n')).toHaveLength(2);
  });

  it('are no comments within a sentence, where nothing is left out', async () => {
    expect(await refusal('Ann O\n# came\nBob O\n# it is so\n')).toContain(
      'line 4: the line has 4 columns where those before have 2',
    );
    expect(await refusal('#tag\nAnn O\n')).toContain('line 1: "#tag" has no tag beside it');
  });
});

describe('CoNLL files that are refused', () => {
  it('name file and line of a token without a tag, in files of tabs too', async () => {
    const sentence = '"came" has no tag beside it. Write a token and its tag, with a tab or spaces between.';
    expect(await refusal('Ann O\n\nBob B-PER\ncame\n')).toBe(`a.conll, line 4: ${sentence}`);
    expect(await refusal('Ann\tO\n\nBob\tB-PER\ncame\n')).toBe(`a.conll, line 4: ${sentence}`);
  });

  it('name file and line of another number of columns, across sentences', async () => {
    expect(await refusal('Ann NNP O\n\nBob B-PER\n')).toBe(
      'a.conll, line 3: the line has 2 columns where those before have 3. Mend or remove it.',
    );
  });

  it('name file and line of an empty token or tag', async () => {
    expect(await refusal('Ann\tO\n\tO\n')).toBe('a.conll, line 2: the token is empty (column 1). Mend that line.');
    expect(await refusal('Ann\tNNP\t\u00a0\n')).toBe('a.conll, line 1: the tag is empty (column 3). Mend that line.');
  });

  it.each(['', '\n \n', '-DOCSTART- O\n\n', '# nothing\n'])('hold no sentence: %j', async (content) => {
    expect(await refusal(content)).toBe(
      'a.conll holds no sentence. Write a token and its tag on each line, and a blank line between sentences.',
    );
  });
});

describe('the place of a token', () => {
  it('is its line in a CoNLL file, and its number in the row of another file', async () => {
    const path = await file(conll2003);
    const [row] = (await readConll(path)).rows;
    expect(placeOfToken(path, row!, 2)).toBe(`${path}, line 5`);
    expect(placeOfToken('A.BIO.gz', row!, 0)).toBe('A.BIO.gz, line 3');
    expect(placeOfToken('a.jsonl', row!, 2)).toBe('a.jsonl, line 3, token 3');
    expect(placeOfToken('a.json', { line: 1, place: 'entry 1', values: {} }, 0)).toBe('a.json, entry 1, token 1');
  });
});
