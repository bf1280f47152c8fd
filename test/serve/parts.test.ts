import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { stopScanner } from '../../src/infer/stopWords.js';
import { oneAtATime } from '../../src/oneAtATime.js';
import { asTheyCome } from '../../src/serve/asTheyCome.js';
import { microBatches } from '../../src/serve/microBatches.js';
import { places } from '../../src/serve/places.js';
import { prometheus } from '../../src/serve/prometheus.js';

const never = new AbortController().signal;

describe('a scanner for stop words', () => {
  it.each([
    [['ab', 'cd'], ['b', 'x'], 'a'],
    [['a', 'S', 'T', 'OP', ' b'], ['STOP'], 'a'],
    [['a', 'S', 'T', 'x', 'S'], ['STOP'], 'aSTxS'],
    [['aaab'], ['aab'], 'a'],
    [['a', 'a', 'a', 'b'], ['aab'], 'a'],
    [['one ', 'two'], [], 'one two'],
    [['stop'], ['stop'], ''],
  ])('gives of %j, ended by %j, what comes before it', (pieces, words, expected) => {
    const scanner = stopScanner(words);
    const given = pieces.map((piece) => scanner.push(piece));
    expect([...given, scanner.end()].join('')).toBe(expected);
    expect(scanner.found).toBe(words.some((word) => pieces.join('').includes(word)));
  });

  it('holds back no more than a word may begin with', () => {
    const scanner = stopScanner(['STOP']);
    expect(['ab', 'cS', 'T', 'xy'].map((piece) => scanner.push(piece))).toEqual(['ab', 'c', '', 'STxy']);
  });
});

describe('requests that come together', () => {
  const squares = (runs: number[][]) => async (items: readonly number[]) => {
    runs.push([...items]);
    if (items.includes(13)) throw new Error('13 brings bad luck');
    return items.map((item) => item * item);
  };

  it('are run together, so many at a time, each with its own result', async () => {
    const runs: number[][] = [];
    const batches = microBatches({ inTurn: oneAtATime(), most: 3, work: squares(runs) });
    expect(await Promise.all([1, 2, 3, 4, 5].map((item) => batches.run(item, never)))).toEqual([1, 4, 9, 16, 25]);
    expect(runs).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  it('fail each by itself', async () => {
    const runs: number[][] = [];
    const batches = microBatches({ inTurn: oneAtATime(), most: 8, work: squares(runs) });
    const results = await Promise.allSettled([1, 13, 3].map((item) => batches.run(item, never)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(runs).toEqual([[1, 13, 3], [1], [13], [3]]);
  });

  it('are left out where their clients have gone away', async () => {
    const runs: number[][] = [];
    const batches = microBatches({ inTurn: oneAtATime(), most: 8, work: squares(runs) });
    const gone = batches.run(1, AbortSignal.abort(new Error('gone')));
    const [first, second] = await Promise.allSettled([gone, batches.run(2, never)]);
    expect(first).toMatchObject({ status: 'rejected', reason: new Error('gone') });
    expect(second).toMatchObject({ value: 4 });
    expect(runs).toEqual([[2]]);
  });
});

describe('places', () => {
  it('are taken in order, and left by those who give up waiting', async () => {
    const [all, order] = [places(1), [] as string[]];
    const leave = await all.take(never);
    const [givesUp, controller] = [[] as unknown[], new AbortController()];
    const waiting = all.take(controller.signal).catch((error) => givesUp.push(error));
    const later = all.take(never).then((release) => {
      order.push('later');
      release();
    });
    controller.abort('enough');
    await waiting;
    expect(givesUp).toEqual(['enough']);
    order.push('first');
    leave();
    await later;
    expect(order).toEqual(['first', 'later']);
    (await all.take(never))();
  });
});

it('work in a line goes on after what failed, and lets others through', async () => {
  const [inTurn, seen] = [oneAtATime(), [] as string[]];
  const failing = inTurn(async () => {
    throw new Error('no');
  }).catch(() => seen.push('failed'));
  const other = setImmediate().then(() => seen.push('other'));
  const next = inTurn(async () => seen.push('next'));
  await Promise.all([failing, other, next]);
  expect(seen.at(-1)).toBe('next');
  expect(seen).toHaveLength(3);
});

// The example of Prometheus' exposition formats, with its escapes.
it('numbers are written in the text form of Prometheus', () => {
  const all = prometheus();
  const counter = all.counter('requests_total', 'Requests.');
  counter.add({ route: 'a "quoted"\\path\n' });
  counter.add({ route: 'a "quoted"\\path\n' }, 2);
  const histogram = all.histogram('seconds', 'Time.', [0.1, 1]);
  for (const value of [0.1, 0.5, 7]) histogram.observe({}, value);
  all.gauge('size', 'Size.', () => 5);
  all.total('time', 'Time.', () => 1.5);
  expect(all.text()).toBe(
    [
      '# HELP requests_total Requests.',
      '# TYPE requests_total counter',
      'requests_total{route="a \\"quoted\\"\\\\path\\n"} 3',
      '# HELP seconds Time.',
      '# TYPE seconds histogram',
      'seconds_bucket{le="0.1"} 1',
      'seconds_bucket{le="1"} 2',
      'seconds_bucket{le="+Inf"} 3',
      'seconds_sum 7.6',
      'seconds_count 3',
      '# HELP size Size.',
      '# TYPE size gauge',
      'size 5',
      '# HELP time Time.',
      '# TYPE time counter',
      'time 1.5',
      '',
    ].join('\n'),
  );
});

describe('values of several generators', () => {
  async function* counted(from: number, to: number, ended: number[]) {
    try {
      for (let i = from; i < to; i++) {
        await setImmediate();
        yield i;
      }
      return to - from;
    } finally {
      ended.push(from);
    }
  }

  it('come with the place of each, in turn, and end with what each ended with', async () => {
    const all = asTheyCome([counted(0, 3, []), counted(10, 11, []), counted(20, 24, [])]);
    const found: (readonly [number, number])[] = [];
    let next = await all.next();
    for (; next.done !== true; next = await all.next()) found.push(next.value);
    expect(next.value).toEqual([3, 1, 4]);
    expect(found.filter(([, place]) => place === 2).map(([value]) => value)).toEqual([20, 21, 22, 23]);
    expect(found.slice(0, 3).map(([, place]) => place)).toEqual([0, 1, 2]);
  });

  it('end where one fails, or nobody reads them any more', async () => {
    const ended: number[] = [];
    const failing = (async function* () {
      yield 7;
      throw new Error('broken');
    })();
    const all = asTheyCome<number, unknown>([counted(0, 100, ended), failing, counted(20, 200, ended)]);
    const reading = async () => {
      for await (const _ of all);
    };
    await expect(reading()).rejects.toThrow('broken');
    expect(ended.sort()).toEqual([0, 20]);
    for await (const _ of asTheyCome([counted(1, 9, ended), counted(2, 9, ended)])) break;
    expect(ended.sort()).toEqual([0, 1, 2, 20]);
  });
});
