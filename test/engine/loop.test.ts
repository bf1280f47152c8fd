import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/engine/batch.js';
import { type LoopOptions, type Outcome, outcomeOf, runLoop, type Update } from '../../src/engine/loop.js';
import { arraysState, type State } from '../../src/state.js';

/** A batch of so many examples of three tokens each. */
const batchOf = (batchSize: number): Batch => ({
  batchSize,
  sequenceLength: 3,
  inputIds: new BigInt64Array(3 * batchSize),
  tokenTypeIds: new BigInt64Array(3 * batchSize),
  attentionMask: new BigInt64Array(3 * batchSize).fill(1n),
  labels: undefined,
  indices: Array.from({ length: batchSize }, (_, i) => i),
});

/** Moves one number by what `move` gives for a step; undefined is a batch without labels. */
function updateOf(name: string, value: Float32Array, move: (step: number) => number | undefined) {
  const seen = { opened: 0, released: 0, steps: [] as number[] };
  const update: Update = {
    name,
    ...arraysState({ value }),
    async open() {
      seen.opened++;
      return {
        async run(step): Promise<Outcome> {
          seen.steps.push(step);
          const change = move(step);
          if (change === undefined) return { kind: 'unlabelled', batches: [batchOf(2)] };
          const outcome = outcomeOf([batchOf(2)], change, Math.abs(change));
          if (outcome.kind === 'done') value[0]! += change;
          return outcome;
        },
        release: async () => void seen.released++,
      };
    },
  };
  return { update, seen };
}

/** Runs a loop and keeps what it says and saves. */
async function loop(options: Pick<LoopOptions, 'updates' | 'trained'> & Partial<LoopOptions>) {
  const warnings: string[] = [];
  const saved: { step: number; last: boolean; state: State }[] = [];
  const kinds: string[][] = [];
  await runLoop({
    name: 'training',
    steps: 6,
    warn: (message) => warnings.push(message),
    onStep: (_, outcomes) => kinds.push(outcomes.map(({ kind }) => kind)),
    stage: {
      found: undefined,
      reached: async (step, state, last) => void saved.push({ step, last, state: structuredClone(await state()) }),
    },
    ...options,
  });
  return { warnings, saved, kinds };
}

/** Gradient descent on (w − target)² / 2, which is (1 − rate)ⁿ (w₀ − target) from the target after n steps. */
function descent(target = 3, rate = 0.25) {
  const value = Float32Array.of(0);
  return { value, trained: [{ name: 'w', values: value }], ...updateOf('w', value, () => rate * (target - value[0]!)) };
}

describe('a loop of updates', () => {
  it('runs one a step: gradient descent comes (1 − rate)ⁿ close', async () => {
    const { update, value, trained, seen } = descent();
    const { saved, kinds } = await loop({ updates: [update], trained });
    expect(value[0]).toBeCloseTo(3 - 3 * 0.75 ** 6, 6);
    expect(saved.map(({ step, last }) => [step, last])).toEqual([1, 2, 3, 4, 5, 6].map((step) => [step, step === 6]));
    expect(kinds).toEqual(Array(6).fill(['done']));
    expect(seen).toMatchObject({ opened: 1, released: 1 });
  });

  it('runs two a step, the second where the first has moved: x² + y² − r·x·y stays', async () => {
    // x ← x − r y, then y ← y + r x: that of the semi-implicit Euler method. At once, x² + y² would grow by 1 + r² a step.
    const [x, y, r] = [Float32Array.of(1), Float32Array.of(0), 0.5];
    const first = updateOf('x', x, () => -r * y[0]!);
    const second = updateOf('y', y, () => r * x[0]!);
    const trained = [x, y].map((values, i) => ({ name: 'xy'[i]!, values }));
    const energy = () => x[0]! ** 2 + y[0]! ** 2 - r * x[0]! * y[0]!;
    const energies: number[] = [];
    const onStep = () => energies.push(energy());
    await loop({ updates: [first.update, second.update], trained, steps: 20, onStep });
    for (const one of energies) expect(one).toBeCloseTo(1, 5);
    expect([first.seen.steps, second.seen.steps]).toEqual(Array(2).fill([...Array(20).keys()]));
  });

  it('counts the examples and tokens of all updates', async () => {
    const [one, other] = [descent(), descent()];
    const counts: number[][] = [];
    const updates = [one.update, { ...other.update, name: 'other' }];
    await loop({
      updates,
      trained: one.trained,
      steps: 2,
      onStep: (_, __, { examples, tokens }) => counts.push([examples, tokens]),
    });
    expect(counts).toEqual([
      [4, 12],
      [8, 24],
    ]);
  });
});

describe('an update that is not finite', () => {
  it('is left out and counted, and the other one of its step is not', async () => {
    const [value, other] = [Float32Array.of(0), Float32Array.of(0)];
    const broken = updateOf('value', value, (step) => (step === 2 || step === 4 ? Number.NaN : 1));
    const whole = updateOf('other', other, (step) => (step === 4 ? Number.POSITIVE_INFINITY : 1));
    const { warnings, saved, kinds } = await loop({
      updates: [broken.update, whole.update],
      trained: [{ name: 'w', values: value }],
    });
    expect([value[0], other[0]]).toEqual([4, 5]);
    expect(kinds[2]).toEqual(['notFinite', 'done']);
    expect(saved.at(-1)!.state.values.skipped).toEqual({ count: 2 });
    expect(warnings).toEqual([
      'Step 3 of the training has loss NaN, gradient norm NaN and is left out; so are up to 10 in all.',
      '2 of 6 steps of the training were left out: loss or gradient was not finite.',
    ]);
  });

  it('ends the loop where there is one too many, and says what both updates had', async () => {
    const value = Float32Array.of(0);
    const trained = [{ name: 'w', values: value }];
    const broken = (name: string) => updateOf(name, value, () => Number.NaN);
    const [one, other] = [broken('one'), broken('other')];
    await expect(
      loop({ name: 'search', updates: [one.update, other.update], trained, maxSkippedSteps: 1 }),
    ).rejects.toThrow(
      'The search diverged at step 2: loss NaN, gradient norm NaN; loss NaN, gradient norm NaN, and 1 steps have been left out already (--max-skipped-steps 1).',
    );
    expect([one.seen.released, other.seen.released]).toEqual([1, 1]);
  });

  it('is no fault where there was no label to learn from', async () => {
    const value = Float32Array.of(0);
    const { update } = updateOf('w', value, (step) => (step === 1 ? undefined : 1));
    const { warnings, saved } = await loop({
      updates: [update],
      trained: [{ name: 'w', values: value }],
      maxSkippedSteps: 0,
    });
    expect(value[0]).toBe(5);
    expect(warnings).toEqual(['Step 2 of the training has no label to learn from and is left out.']);
    expect(saved.at(-1)!.state.values.skipped).toEqual({ count: 0 });
  });

  it('is an error at the end, before anything is saved as the last step, where it has broken what is trained', async () => {
    const { update, value, trained } = descent();
    const reached: boolean[] = [];
    const stage = {
      found: undefined,
      reached: async (_: number, __: unknown, last: boolean) => void reached.push(last),
    };
    const onStep = (step: number) => step === 5 && value.fill(Number.NaN);
    await expect(loop({ updates: [update], trained, stage, onStep })).rejects.toThrow(
      'The training diverged: w holds NaN at position 0.',
    );
    expect(reached).toEqual(Array(5).fill(false));
  });
});

describe('a loop that is left and taken up', () => {
  it.each([1, 2, 3, 4, 5])('after %i of 6 steps ends with the same bits', async (at) => {
    const make = () => {
      const value = Float32Array.of(0.1);
      // Depends on the step as a schedule does, on the value as a gradient does, and fails at two steps.
      const move = (step: number) => (step % 3 === 1 ? Number.NaN : Math.sin(step + value[0]!));
      return { value, trained: [{ name: 'w', values: value }], ...updateOf('w', value, move) };
    };
    const whole = make();
    const { saved, warnings } = await loop({ updates: [whole.update], trained: whole.trained });
    const found = saved[at - 1]!;
    const state = { arrays: found.state.arrays, values: JSON.parse(JSON.stringify(found.state.values)) };
    const again = make();
    const stage = { found: { step: at, last: false, state }, reached: async () => {} };
    const resumed = await loop({ updates: [again.update], trained: again.trained, stage });
    expect(again.seen.steps).toEqual([0, 1, 2, 3, 4, 5].slice(at));
    expect(again.value).toEqual(whole.value);
    expect(resumed.warnings.at(-1)).toBe(warnings.at(-1));
  });

  it('compiles nothing where nothing is left to be done', async () => {
    const first = descent();
    const { saved } = await loop({ updates: [first.update], trained: first.trained });
    const again = descent();
    const stage = { found: saved.at(-1)!, reached: async () => {} };
    await loop({ updates: [again.update], trained: again.trained, stage });
    expect(again.value).toEqual(first.value);
    expect(again.seen.opened).toBe(0);
  });

  it('stops before the next step when it is aborted, with the last one reached', async () => {
    const { update, trained, seen } = descent();
    const controller = new AbortController();
    const steps: number[] = [];
    const stage = { found: undefined, reached: async (step: number) => void steps.push(step) };
    const onStep = (step: number) => step === 2 && controller.abort(new Error('stopped'));
    await expect(loop({ updates: [update], trained, stage, onStep, signal: controller.signal })).rejects.toThrow(
      'stopped',
    );
    expect(steps).toEqual([1, 2, 3]);
    expect(seen).toEqual({ opened: 1, released: 1, steps: [0, 1, 2] });
  });

  it('saves the step before a watch that is interrupted, and asks the watch again', async () => {
    const { update, trained } = descent();
    const asked: number[] = [];
    const watch = (fails: boolean) => ({
      ...arraysState({}),
      after: async (steps: number) => {
        asked.push(steps);
        if (fails && steps === 4) throw new Error('stopped');
        return false;
      },
    });
    const saved: { step: number; last: boolean; state: State }[] = [];
    const reached = async (step: number, state: () => Promise<State>, last: boolean) =>
      void saved.push({ step, last, state: structuredClone(await state()) });
    const first = loop({ updates: [update], trained, watch: watch(true), stage: { found: undefined, reached } });
    await expect(first).rejects.toThrow('stopped');
    const found = saved.at(-1)!;
    expect(found).toMatchObject({ step: 4, last: false });
    asked.length = 0;
    await loop({ updates: [update], trained, watch: watch(false), stage: { found, reached } });
    expect(asked).toEqual([4, 5, 6]);
  });

  it('ends where the watch has seen enough', async () => {
    const { update, trained, seen } = descent();
    const watch = { ...arraysState({}), after: async (steps: number) => steps === 3 };
    const { saved } = await loop({ updates: [update], trained, watch });
    expect(seen.steps).toEqual([0, 1, 2]);
    expect(saved.at(-1)).toMatchObject({ step: 3, last: true });
  });
});

describe('updates of which one cannot be opened', () => {
  it('leave none open', async () => {
    const { update, trained, seen } = descent();
    const closed: Update = { ...update, name: 'other', open: () => Promise.reject(new Error('no memory')) };
    await expect(loop({ updates: [update, closed], trained })).rejects.toThrow('no memory');
    expect(seen).toMatchObject({ opened: 1, released: 1 });
  });
});
