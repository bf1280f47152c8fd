import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { matchesEnd } from '../../../src/adapters/peft/patterns.js';
import { fullmatch, PatternError, parsePythonPattern } from '../../../src/adapters/peft/pythonPattern.js';

/** What Python's `re` says: test/oracle/python_patterns.py; null where it refuses the pattern too. */
const { paths, patterns } = JSON.parse(await readFile(join(import.meta.dirname, 'fixtures/patterns.json'), 'utf8')) as {
  paths: string[];
  patterns: [string, string[] | null][];
};

/** Python reads these, and here they are refused by name: what they match hangs on more than a set of places. */
const refused = ['(?#any).*dense', '(?<=x)a', '(?>a)b', 'a*+b', '(a)\\1', '(?x) a', '(?P<a>a)(?P=a)'];

describe('a regular expression of Python', () => {
  it.each(patterns)('%s matches what it matches there, or is refused', (pattern, expected) => {
    if (expected === null || refused.includes(pattern)) {
      expect(() => parsePythonPattern(pattern)).toThrow(PatternError);
      return;
    }
    const parsed = parsePythonPattern(pattern);
    expect(paths.filter((path) => fullmatch(parsed, path))).toEqual(expected);
  });

  it('takes no longer for loops in loops than for any other', () => {
    const started = performance.now();
    expect(fullmatch(parsePythonPattern('((a*)*)*b'), 'a'.repeat(200))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('is refused with the field, the pattern and the syntax in the message', () => {
    expect(() => matchesEnd('rank_pattern', '(?<=x)query', 'a.query')).toThrow(
      'adapter_config.json: "rank_pattern" has the regular expression "(?<=x)query", of which (?<= is not read.',
    );
  });
});
