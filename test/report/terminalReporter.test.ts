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

/** Of a process that has 412 MB, and had 731. */
const memory = () => ({ memoryBytes: 412e6, peakMemoryBytes: 731e6 });

describe('where there is no terminal', () => {
  /** Reports `total` steps of 16 examples and 500 tokens, each `milliseconds` long. */
  function linesOf(total: number, milliseconds: number, quiet = false): string[] {
    const stream = new Collector(false);
    let clock = 0;
    const reporter = terminalReporter({ stream, quiet, now: () => clock, memory });
    const phase = reporter.phase('train', total);
    for (let done = 1; done <= total; done++) {
      clock += milliseconds;
      phase.update(done, { loss: 0.5, examples: 16 * done, tokens: 500 * done });
    }
    phase.end();
    return stream.text.split('\n').slice(0, -1);
  }

  it('says one line of short work', () => {
    expect(linesOf(40, 10)).toEqual(['train: 40 in 0.4 s, loss 0.500, 1,600 ex/s, 50,000 tok/s, peak 731 MB']);
  });

  it('says a line at each tenth of longer work', () => {
    const lines = linesOf(100, 500);
    expect(lines).toHaveLength(10);
    expect(lines[0]).toBe('train 10/100 (10 %), 45 s left, loss 0.500, 32 ex/s, 1,000 tok/s, 412 MB');
    expect(lines.at(-1)).toBe('train: 100 in 50 s, loss 0.500, 32 ex/s, 1,000 tok/s, peak 731 MB');
  });

  it('says a line every ten seconds of slow work', () => {
    const lines = linesOf(100, 40_000);
    expect(lines).toHaveLength(100);
    expect(lines[0]).toBe('train 1/100 (1 %), 1 h 06 min left, loss 0.500, 0.40 ex/s, 13 tok/s, 412 MB');
  });

  it('says how many units a second where nothing else is counted, and no memory of a process that only waits', () => {
    const stream = new Collector(false);
    let clock = 0;
    const reporter = terminalReporter({ stream, now: () => clock, memory });
    const phase = reporter.phase('compare', 4);
    phase.update(0, { running: [{ name: 'cola, lora, seed 1' }] });
    clock = 10_000;
    const running = [
      { name: 'cola, lora, seed 2', phase: 'train', done: 9, total: 20, loss: 0.3 },
      { name: 'cola, dora, seed 1' },
    ];
    phase.update(1, { running });
    phase.update(4);
    phase.end();
    expect(stream.text.split('\n').slice(0, -1)).toEqual([
      'compare 1/4 (25 %), 30 s left, cola, lora, seed 2 train 45 % · cola, dora, seed 1, 10.0 s each',
      'compare: 4 in 10 s, 2.5 s each',
    ]);
  });

  it('counts rates from where work goes on', () => {
    const stream = new Collector(false);
    let clock = 0;
    const phase = terminalReporter({ stream, now: () => clock, memory }).phase('train', 100, 90);
    clock = 2000;
    phase.update(100, { examples: 160 });
    phase.end();
    expect(stream.text).toBe('train: 10 in 2 s, 80 ex/s, peak 731 MB\n');
  });

  it('says the scores of an evaluation in between', () => {
    const stream = new Collector(false);
    terminalReporter({ stream }).evaluated(1000, { matthews: 0.3123, accuracy: 0.7 });
    expect(stream.text).toBe('step 1,000: matthews 0.312, accuracy 0.700\n');
  });

  it('says only warnings when quiet', () => {
    expect(linesOf(100, 5000, true)).toEqual([]);
    const stream = new Collector(false);
    const reporter = terminalReporter({ stream, quiet: true });
    reporter.info('told');
    reporter.evaluated(1, { accuracy: 1 });
    reporter.warn('look out');
    expect(stream.text).toBe('Warning: look out\n');
  });
});

describe('on a terminal', () => {
  const measures = { loss: 0.412, examples: 864, tokens: 33_480 };
  const times = { started: 0, now: () => 27_000 };
  const progress = { name: 'train', total: 120, from: 0, done: 54, measures, ...times, memory };

  it.each([
    [100, 'train ━━━━━━━━━━━─────────────  45 %  54/120  33 s left  loss 0.412  32 ex/s  1,240 tok/s  412 MB'],
    [80, 'train ━━━────  45 %  54/120  33 s left  loss 0.412  32 ex/s  1,240 tok/s  412 MB'],
    [60, 'train ━━━━────  45 %  54/120  33 s left  loss 0.412  32 ex/s'],
    [40, 'train ━━━━─────  45 %  54/120  33 s left'],
    [20, 'train  45 %  54/120'],
  ])('drops the less important at %d columns', (width, expected) => {
    const line = barLine(progress, width);
    expect(line.length).toBeLessThanOrEqual(width);
    expect(line).toBe(expected);
  });

  it('has room at 80 columns for the same of a search, and for its entropy where there is more', () => {
    const { loss: validationLoss, ...work } = measures;
    const search = { ...progress, name: 'search', measures: { validationLoss, entropy: 0.902, ...work } };
    expect(barLine(search, 79)).toBe('search ━━───  45 %  54/120  33 s left  loss 0.412  32 ex/s  1,240 tok/s  412 MB');
    expect(barLine(search, 99)).toMatch(/ {2}412 MB {2}entropy 0\.902$/);
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
