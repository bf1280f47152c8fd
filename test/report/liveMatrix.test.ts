import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { liveMatrix } from '../../src/report/liveMatrix.js';
import { terminalReporter } from '../../src/report/terminalReporter.js';

const control = '\u001b';
/** What moves the cursor or takes text away, and the texts between. */
const sequences = new RegExp(`${control}(\\[(\\d*)([AJKG])|\\[[\\d;?]*[a-z])|\\n|\\r|[^${control}\\n\\r]+`, 'g');

class Terminal extends Writable {
  text = '';
  readonly isTTY = true;

  constructor(
    readonly columns: number,
    readonly rows: number,
  ) {
    super();
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  /** The lines that are seen, by the sequences that are used here. */
  get seen(): string[] {
    const lines = [''];
    let [row, column] = [0, 0];
    for (const [part, , count, what] of this.text.matchAll(sequences)) {
      if (part === '\n') [row, column] = [row + 1, 0];
      else if (part === '\r') column = 0;
      else if (what === 'A') row -= Number(count);
      else if (what === 'G') column = Math.max(0, Number(count || 1) - 1);
      else if (what === 'J') lines.splice(row + 1, lines.length, ...[]);
      else if (!part.startsWith(control)) {
        const line = (lines[row] ?? '').padEnd(column);
        lines[row] = line.slice(0, column) + part + line.slice(column + part.length);
        column += part.length;
      }
      if (what === 'J' || what === 'K') lines[row] = (lines[row] ?? '').slice(0, column);
      lines[row] ??= '';
    }
    return lines.map((line) => line.trimEnd()).filter((line) => line !== '');
  }
}

const frame = (value: number) => ({
  modules: ['query', 'value'],
  values: [
    [value, 0.5],
    [0.5, 0.9],
  ],
  gamma: [
    [1, 0],
    [0, 1],
  ],
});
const step = { step: 0, validationLoss: 1, trainLoss: 1, entropy: 1, spread: 0 };

describe('the matrix on a terminal', () => {
  it('stands above the bar while a search goes on, each in the place of the last, and goes with it', () => {
    const stream = new Terminal(100, 40);
    let clock = 0;
    const memory = () => ({ memoryBytes: 1, peakMemoryBytes: 1 });
    const reporter = terminalReporter({ stream, now: () => clock, memory });
    const phase = reporter.phase('search', 10);
    for (const value of [0.25, 0.75]) {
      clock += 1000;
      phase.update(1, { validationLoss: 1 });
      reporter.searched!(step, 10, () => frame(value));
    }
    const shown = stream.seen;
    expect(shown.filter((line) => line.includes('[0.750]'))).toHaveLength(1);
    expect(shown.join('\n')).not.toContain('0.250]');
    expect(shown.at(-1)).toContain('search');
    expect(shown[0]).toContain('kept: 2 of 4 modules');
    reporter.warn('the disk is slow');
    reporter.searched!(step, 10, () => frame(0.6));
    phase.end();
    expect(stream.seen.join('\n')).not.toContain('0.600');
    expect(stream.seen[0]).toContain('Warning: the disk is slow');
    reporter.close();
  });

  it('is drawn at most four times a second, and not computed in between', () => {
    const stream = new Terminal(100, 40);
    let [clock, computed] = [1000, 0];
    const reporter = terminalReporter({
      stream,
      now: () => clock,
      memory: () => ({ memoryBytes: 1, peakMemoryBytes: 1 }),
    });
    for (let i = 0; i < 100; i++) {
      clock += 10;
      reporter.searched!(step, 10, () => {
        computed++;
        return frame(0.5);
      });
    }
    expect(computed).toBeLessThanOrEqual(4);
    reporter.close();
  });

  it('is not drawn where it does not fit: below 80 columns, on few rows, or where there is no terminal', () => {
    expect(liveMatrix(new Terminal(79, 40), 0, () => 0)).toBeUndefined();
    expect(liveMatrix(Object.assign(new Writable(), { columns: 100, rows: 40 }), 0, () => 0)).toBeUndefined();
    const low = new Terminal(100, 6);
    liveMatrix(low, 0, () => 0)!.draw(frame(0.5));
    expect(low.text).toBe('');
  });
});
