import { describe, expect, it } from 'vitest';
import { eventReporter, type RunEvent } from '../../src/report/eventReporter.js';

const memory = () => ({ memoryBytes: 412e6, peakMemoryBytes: 731e6 });

/** A reporter at a clock that the test sets, and what it told. */
function recorder(quiet = false) {
  const events: RunEvent[] = [];
  const clock = { now: 0 };
  const reporter = eventReporter((event) => events.push(event), { quiet, now: () => clock.now, memory });
  return { events, clock, reporter };
}

describe('events', () => {
  it('give the figures of a phase as numbers', () => {
    const { events, clock, reporter } = recorder();
    const phase = reporter.phase('train', 120);
    clock.now = 27_000;
    phase.update(54, { loss: 0.412, examples: 864, tokens: 33_480 });
    expect(events).toEqual([
      { event: 'phase', phase: 'train', total: 120, from: 0 },
      {
        event: 'progress',
        phase: 'train',
        done: 54,
        total: 120,
        seconds: 27,
        secondsLeft: 33,
        unitsPerSecond: 2,
        examplesPerSecond: 32,
        tokensPerSecond: 1240,
        loss: 0.412,
        examples: 864,
        tokens: 33_480,
        memoryBytes: 412e6,
        peakMemoryBytes: 731e6,
      },
    ]);
  });

  it('come at most once a second for a phase, and its last always, once', () => {
    const { events, clock, reporter } = recorder();
    const phase = reporter.phase('train', 2500);
    for (let done = 1; done <= 2500; done++) {
      clock.now = done;
      phase.update(done);
    }
    phase.end();
    const next = reporter.phase('evaluate', 10);
    clock.now += 1000;
    next.update(10);
    next.end();
    const told = events.flatMap((one) => (one.event === 'progress' ? [[one.phase, one.done]] : []));
    expect(told).toEqual([
      ['train', 1000],
      ['train', 2000],
      ['train', 2500],
      ['evaluate', 10],
    ]);
  });

  it('leave out rates that are not known yet, and count from where work goes on', () => {
    const { events, clock, reporter } = recorder();
    const phase = reporter.phase('train', 100, 90);
    clock.now = 2000;
    phase.update(90);
    clock.now = 5000;
    phase.update(95);
    expect(events).toEqual([
      { event: 'phase', phase: 'train', total: 100, from: 90 },
      { event: 'progress', phase: 'train', done: 90, total: 100, seconds: 2 },
      { event: 'progress', phase: 'train', done: 95, total: 100, seconds: 5, secondsLeft: 5, unitsPerSecond: 1 },
    ]);
  });

  it('tell lines, warnings and scores; only warnings when quiet', () => {
    const tellAll = (quiet: boolean) => {
      const { events, reporter } = recorder(quiet);
      reporter.info('told');
      reporter.warn('look out');
      reporter.evaluated(4, { accuracy: 0.75 });
      reporter.phase('train', 1).end();
      return events;
    };
    const warning = { event: 'warning', message: 'look out' };
    expect(tellAll(false)).toEqual([
      { event: 'info', message: 'told' },
      warning,
      { event: 'evaluation', steps: 4, scores: { accuracy: 0.75 } },
      { event: 'phase', phase: 'train', total: 1, from: 0 },
    ]);
    expect(tellAll(true)).toEqual([warning]);
  });
});
