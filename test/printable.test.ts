import { describe, expect, it } from 'vitest';
import { jsonLines } from '../src/files/jsonText.js';
import { printable } from '../src/printable.js';

describe('text for a terminal', () => {
  it('has its control characters written out, lines stay', () => {
    expect(printable('a\u001b[2J\u0007\n\u009bb\r\tc')).toBe('a\\x1b[2J\\x07\n\\x9bb\\x0d\\x09c');
  });

  it('leaves the tabs of a result, and JSON lines, which read back as they were', () => {
    expect(printable('a\tb', { result: true })).toBe('a\tb');
    const texts = ['caf\u0085\u007f\u009b2J', 'a\n\t\u001b[2J'];
    const lines = jsonLines(texts);
    expect(lines).not.toMatch(/(?!\n)\p{Cc}/u);
    expect(
      printable(lines, { result: true })
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(texts);
  });

  it('keeps colours where they are ours, and nothing else', () => {
    expect(printable('\u001b[38;5;12ma\u001b[0m \u001b[2J', { result: true })).toBe(
      '\u001b[38;5;12ma\u001b[0m \\x1b[2J',
    );
    expect(printable('\u001b[31ma')).toBe('\\x1b[31ma');
  });
});
