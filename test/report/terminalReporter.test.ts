import { Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { barLine, terminalReporter } from '../../src/report/terminalReporter.js';

class Collector extends Writable {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 60;

  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

describe('where there is no terminal', () => {
  /** Reports `total` units, each `milliseconds` long. */
  function linesOf(total: number, milliseconds: number, quiet = false): string[] {
    const stream = new Collector(false);
    let clock = 0;
    const reporter = terminalReporter({ stream, quiet, now: () => clock });
    const phase = reporter.phase('train', total);
    for (let done = 1; done <= total; done++) {
      clock += milliseconds;
      phase.update(done, 'loss 0.500');
    }
    phase.end();
    return stream.text.split('\n').slice(0, -1);
  }

  it('says one line of short work', () => {
    expect(linesOf(40, 10)).toEqual(['train: 40 in 0.4 s, 100/s, loss 0.500']);
  });

  it('says a line at each tenth of longer work', () => {
    const lines = linesOf(100, 500);
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe('train 10/100 (10 %), 45 s left, 2.0/s, loss 0.500');
    expect(lines.at(-1)).toBe('train: 100 in 50 s, 2.0/s, loss 0.500');
  });

  it('says a line every ten seconds of slow work', () => {
    const lines = linesOf(100, 5000);
    expect(lines).toHaveLength(50);
    expect(lines[0]).toBe('train 2/100 (2 %), 8 min 10 s left, 5.0 s each, loss 0.500');
  });

  it('says only warnings when quiet', () => {
    expect(linesOf(100, 5000, true)).toEqual([]);
    const stream = new Collector(false);
    const reporter = terminalReporter({ stream, quiet: true });
    reporter.info('told');
    reporter.warn('look out');
    expect(stream.text).toBe('Warning: look out\n');
  });
});

describe('on a terminal', () => {
  const progress = { name: 'train', total: 120, done: 54, detail: 'loss 0.412', started: 0, now: () => 27_000 };

  it.each([
    [80, 'train ━━━━━━━━━━━─────────────  45 %  54/120  33 s left  2.0/s  loss 0.412'],
    [60, 'train ━━━━━─────  45 %  54/120  33 s left  2.0/s  loss 0.412'],
    [40, 'train ━━━━─────  45 %  54/120  33 s left'],
    [20, 'train  45 %  54/120'],
  ])('drops the less important at %d columns', (width, expected) => {
    const line = barLine(progress, width);
    expect(line.length).toBeLessThanOrEqual(width);
    expect(line).toBe(expected);
  });

  it('leaves a line when a phase ends, and the terminal in order when it is broken off', () => {
    const stream = new Collector(true);
    const reporter = terminalReporter({ stream });
    const first = reporter.phase('search', 3);
    first.update(3);
    reporter.info('between');
    first.end();
    reporter.phase('train', 5).update(1);
    reporter.close();
    const lines = stripVTControlCharacters(stream.text).split('\n');
    expect(lines.some((line) => line.endsWith('between'))).toBe(true);
    expect(lines.some((line) => /search: 3 in/.test(line))).toBe(true);
    // Of the modes of a terminal (no cursor, no wrapping) none was changed, so none can stay.
    expect(stream.text.includes('\u001b[?')).toBe(false);
  });
});
