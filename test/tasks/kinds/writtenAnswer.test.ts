import { describe, expect, it } from 'vitest';
import { writtenAnswer } from '../../../src/tasks/kinds/writtenAnswer.js';

describe('writtenAnswer', () => {
  it('is the whole text without a pattern', () => {
    expect(writtenAnswer('  Two words. \n', undefined)).toBe('Two words.');
  });

  it('is the first match', () => {
    expect(writtenAnswer('the correct answer is answer2, not answer3', 'answer[1-5]')).toBe('answer2');
    expect(writtenAnswer('I cannot say', 'answer[1-5]')).toBeUndefined();
  });

  it('is group 1, a number without its commas and the full stop of the sentence', () => {
    const number = '#### (-?[0-9.,]+)';
    expect(writtenAnswer('So 1 + 1 = 2.\n#### 1,234,567.', number)).toBe('1234567');
    expect(writtenAnswer('#### -3.50', number)).toBe('-3.50');
  });
});
