import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { entitiesOf, entityMetricNames, entityScores, entityStatistics, tagParts } from '../../src/metrics/entities.js';
import { illFormed, schemeOf, type TagScheme, tagsOf as tagsOfEntities } from '../../src/metrics/tagSchemes.js';
import { scoreOfSums, sumsOf } from '../../src/metrics/text/sums.js';

interface Fixture {
  readonly sequences: readonly { tags: string; entities: [string, number, number][]; keeps: TagScheme[] }[];
  readonly scores: readonly {
    name: string;
    expected: string[];
    predicted: string[];
    precision: number;
    recall: number;
    f1: number;
    accuracy: number;
  }[];
}

/** Made with seqeval 1.2.2 by test/oracle/entities_fixture.py. */
const python = JSON.parse(readFileSync(new URL('fixtures/entities.json', import.meta.url), 'utf8')) as Fixture;

const schemes = ['IOB1', 'IOB2', 'BIOES'] as const;
const tagsOf = (text: string) => text.split(' ');

describe('entities of tags', () => {
  it(`are seqeval's, in ${python.sequences.length} sequences of all schemes, broken ones among them`, () => {
    for (const { tags, entities } of python.sequences) {
      const expected = entities.map(([type, start, end]) => ({ type, start, end }));
      expect(entitiesOf(tagsOf(tags)), tags).toEqual(expected);
    }
  });

  it('begin with a lone I or E, and go on to where the type changes', () => {
    expect(entitiesOf(['O', 'I-PER', 'E-PER', 'I-PER', 'I-LOC'])).toEqual([
      { type: 'PER', start: 1, end: 3 },
      { type: 'PER', start: 3, end: 4 },
      { type: 'LOC', start: 4, end: 5 },
    ]);
    expect(entitiesOf([])).toEqual([]);
  });

  it.each(['', 'o', 'PER', 'O-PER', 'BPER', 'L-PER', 'U-PER', 'B_PER'])('refuse "%s", a tag of no scheme', (tag) => {
    expect(tagParts(tag)).toBeUndefined();
    expect(() => entitiesOf(['O', tag])).toThrow(DiffoError);
    expect(() => entitiesOf(['O', tag])).toThrow(`"${tag}" is no tag of IOB1, IOB2 or BIOES. Write O, or B-`);
  });
});

describe('scores of entities', () => {
  it.each(python.scores)("are seqeval's: $name", ({ expected, predicted, ...scores }) => {
    const found = entityScores(predicted.map(tagsOf), expected.map(tagsOf));
    for (const name of entityMetricNames) expect(found[name], name).toBeCloseTo(scores[name], 12);
  });

  it.each(python.scores)('are decided by the sums of two halves of the examples: $name', ({ expected, predicted }) => {
    const each = expected.map((tags, i) => entityStatistics(tagsOf(predicted[i]!), tagsOf(tags)));
    const whole = entityScores(predicted.map(tagsOf), expected.map(tagsOf));
    for (const name of entityMetricNames) {
      const half = Math.ceil(each.length / 2);
      const halves = [each.slice(0, half), each.slice(half)].filter((part) => part.length > 0);
      const sums = sumsOf(halves.map((part) => sumsOf(part.map((one) => one[name]))));
      expect(scoreOfSums(name, sums, each.length)).toBe(whole[name]);
    }
  });

  it('of no examples are 0, but for the accuracy of no tags', () => {
    expect(entityScores([], [])).toEqual({ precision: 0, recall: 0, f1: 0, accuracy: Number.NaN });
  });

  it('refuse tags of another number', () => {
    expect(() => entityScores([['O']], [['O', 'O']])).toThrow('1 predicted tags do not fit 2 expected');
    expect(() => entityScores([], [['O']])).toThrow('0 predicted sequences do not fit 1 expected');
  });
});

describe('tags of entities', () => {
  const tags = ['B-PER', 'B-PER', 'I-PER', 'O', 'I-LOC', 'I-LOC', 'I-LOC'];

  it('have a beginning each, and in BIOES an end', () => {
    expect(tagsOfEntities(entitiesOf(tags), 7, 'IOB2')).toEqual([
      'B-PER',
      'B-PER',
      'I-PER',
      'O',
      'B-LOC',
      'I-LOC',
      'I-LOC',
    ]);
    expect(tagsOfEntities(entitiesOf(tags), 7, 'BIOES')).toEqual([
      'S-PER',
      'B-PER',
      'E-PER',
      'O',
      'B-LOC',
      'I-LOC',
      'E-LOC',
    ]);
  });

  it.each(['IOB2', 'BIOES'] as const)('mark the same entities, and keep %s', (scheme) => {
    const made = tagsOfEntities(entitiesOf(tags), tags.length, scheme);
    expect(entitiesOf(made)).toEqual(entitiesOf(tags));
    expect(illFormed(made, scheme)).toBeUndefined();
  });
});

describe('schemes of tags', () => {
  it('are kept where seqeval, read strictly, has an entity for every tag but O', () => {
    for (const { tags, keeps } of python.sequences) {
      expect(
        schemes.filter((scheme) => illFormed(tagsOf(tags), scheme) === undefined),
        tags,
      ).toEqual(keeps);
    }
  });

  it.each<[TagScheme, string, number | undefined]>([
    ['IOB2', 'B-PER I-PER O I-PER', 3],
    ['IOB2', 'B-PER I-LOC O', 1],
    ['IOB2', 'I-PER', 0],
    ['IOB2', 'O S-PER', 1],
    ['IOB1', 'I-PER B-PER I-PER', undefined],
    ['IOB1', 'O B-PER', 1],
    ['IOB1', 'I-LOC B-PER', 1],
    ['BIOES', 'B-PER I-PER E-PER S-PER', undefined],
    ['BIOES', 'B-PER O', 1],
    ['BIOES', 'O B-PER E-LOC', 2],
    ['BIOES', 'O B-PER I-PER', 2],
    ['BIOES', 'O E-PER', 1],
  ])('%s says where it is broken: %s', (scheme, tags, position) => {
    expect(illFormed(tagsOf(tags), scheme)).toBe(position);
  });

  it('are told by the tags: BIOES by E or S, IOB1 by an I that begins, IOB2 else', () => {
    expect(schemeOf([['O', 'B-PER'], ['S-LOC']])).toBe('BIOES');
    expect(schemeOf([['O', 'I-PER', 'B-PER'], ['O']])).toBe('IOB1');
    expect(schemeOf([['O', 'B-PER', 'I-PER']])).toBe('IOB2');
    expect(schemeOf([])).toBe('IOB2');
    // One slip among many sequences does not make another scheme of them.
    expect(schemeOf([['B-PER'], ['O', 'B-LOC'], ['I-PER']])).toBe('IOB2');
  });

  it('give back the entities that were written in them', () => {
    const gap = fc.record({
      before: fc.nat(2),
      length: fc.integer({ min: 1, max: 4 }),
      type: fc.constantFrom('PER', 'LOC'),
    });
    fc.assert(
      fc.property(fc.array(gap, { maxLength: 6 }), fc.constantFrom(...schemes), (gaps, scheme) => {
        let at = 0;
        const entities = gaps.map(({ before, length, type }) => {
          const start = at + before;
          at = start + length;
          return { type, start, end: at };
        });
        const tags = new Array<string>(at).fill('O');
        for (const [n, { type, start, end }] of entities.entries()) {
          const previous = entities[n - 1];
          const touches = previous !== undefined && previous.end === start && previous.type === type;
          for (let i = start; i < end; i++) tags[i] = `${prefixOf(scheme, start, i, end, touches)}-${type}`;
        }
        expect(illFormed(tags, scheme)).toBeUndefined();
        expect(entitiesOf(tags)).toEqual(entities);
      }),
    );
  });
});

function prefixOf(scheme: TagScheme, start: number, i: number, end: number, touches: boolean): string {
  if (scheme === 'BIOES') {
    if (end - start === 1) return 'S';
    if (i === end - 1) return 'E';
  }
  return i === start && (scheme !== 'IOB1' || touches) ? 'B' : 'I';
}
