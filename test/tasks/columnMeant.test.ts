import { describe, expect, it } from 'vitest';
import { columnMeant } from '../../src/tasks/columnMeant.js';

const rows = Array.from({ length: 6 }, (_, i) => ({
  line: i + 2,
  values: { id: `${1000 + i}`, tent: i % 2 === 0 ? 'a' : 'b', review: `a long review of number ${i}`, same: 'x' },
}));
const table = { path: 'a.csv', columns: ['id', 'tent', 'review', 'same'], rows };

describe('the column that is likely meant', () => {
  it('is the one that is spelt nearly so', () => {
    expect(columnMeant(table, 'reviw', 'text')).toBe('review');
    expect(columnMeant(table, 'Review_Text', 'text')).toBe('review');
  });

  it('is else, of a text, the one with the longest cells, and of a label the one with the fewest different ones', () => {
    expect(columnMeant(table, 'sentence', 'text')).toBe('review');
    expect(columnMeant(table, 'sentiment', 'label')).toBe('tent');
    expect(columnMeant(table, 'class', 'label')).toBe('tent');
  });

  it('is not guessed where nothing tells', () => {
    expect(columnMeant(table, 'sentence2', 'pair')).toBeUndefined();
    expect(columnMeant({ ...table, columns: ['review'] }, 'class', 'label')).toBeUndefined();
  });
});
