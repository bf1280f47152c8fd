import { expect, it } from 'vitest';
import { jsonAlike } from '../../src/files/jsonAlike.js';

it('keeps the floats of a text, which JavaScript has no kind of number for', () => {
  const source =
    '{"factor": 2.0, "rope": {"theta":1e6, "other": 3}, "layers": 2, "small": 1e-05, "text": "\\"a\\": 2.0"}';
  const value = { ...JSON.parse(source), added: 2 };
  const written = jsonAlike(value, source);
  expect(JSON.parse(written)).toEqual(value);
  expect(written.split('\n').map((line) => line.trim())).toEqual([
    '{',
    '"factor": 2.0,',
    '"rope": {',
    '"theta": 1000000.0,',
    '"other": 3',
    '},',
    '"layers": 2,',
    '"small": 0.00001,',
    String.raw`"text": "\"a\": 2.0",`,
    '"added": 2',
    '}',
  ]);
});

it('writes a value that has changed as it is', () => {
  expect(jsonAlike({ factor: 3 }, '{"factor": 2.0}')).toBe('{\n  "factor": 3\n}');
});
