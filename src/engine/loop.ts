import type { Work } from '../progress.js';
import { releaseAll } from '../runtime/release.js';
import { type Resumable, type Stage, together } from '../state.js';
import type { Batch } from './batch.js';
import { type NamedValues, refuseDiverged, skippedSteps } from './notFinite.js';
import { WorkDone } from './work.js';

/** What an update did in a step. One that was left out has changed nothing. */
export type Outcome = { readonly batches: readonly Batch[] } & (
  | {
      readonly kind: 'done';
      /** Mean over the batches. */
      readonly loss: number;
      /** Global norm of the gradients before clipping. */
      readonly gradientNorm: number;
    }
  /** Left out: no batch has a label to learn from. */
  | { readonly kind: 'unlabelled' }
  /** Left out; `found` says why, such as `loss NaN, gradient norm NaN`. */
  | { readonly kind: 'notFinite'; readonly found: string }
);

/** One way to move something by the gradient of a loss. Its state is all that its next step depends on. */
export interface Update extends Resumable {
  /** Of its part of a checkpoint. */
  readonly name: string;
  /** Compiles what it runs. Not called where nothing is left to be done. */
  open(): Promise<OpenUpdate>;
}

export interface OpenUpdate {
  /**
   * @param step from 0: batches, dropout and learning rate follow from it and from the seed
   * @throws NotFiniteError where what was moved can never be finite again
   */
  run(step: number): Promise<Outcome>;
  /** Brings what it moves, and its state, to where they are read, if a device keeps them between steps. */
  settle?(): Promise<void>;
  release(): Promise<void>;
}

/** What looks at a run between steps, such as an evaluation; what it remembers is saved with the run. */
export interface Watch extends Resumable {
  /**
   * Called after `steps` steps, and again with the same number where a run is resumed there. True ends the training.
   * @param settle to be awaited before what is trained is read
   */
  after(steps: number, settle?: () => Promise<void>): Promise<boolean>;
}

/** What goes along with a loop, whatever it trains. */
export interface LoopCompany {
  /** Steps that may be left out because loss or gradient is not finite; default 10. */
  readonly maxSkippedSteps?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Is told of steps that are left out. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Looks at the run between steps. */
  readonly watch?: Watch | undefined;
  /** Place of the loop in the checkpoints of a run; left out, nothing is saved. */
  readonly stage?: Stage | undefined;
  /** Waited for after every step: has `signal` tell all ranks what one was told, or lets a browser draw its page. */
  readonly agree?: (() => Promise<void>) | undefined;
}

export interface LoopOptions extends LoopCompany {
  /** In messages: `training`, `search`. */
  readonly name: string;
  readonly steps: number;
  /** Each once a step, in this order. */
  readonly updates: readonly Update[];
  /** All that is trained: the run has failed where it is not finite. */
  readonly trained: readonly NamedValues[];
  /** What else is remembered, by its name in a checkpoint. */
  readonly memory?: Readonly<Record<string, Resumable>>;
  /** @param outcomes one for each update */
  readonly onStep?: (step: number, outcomes: readonly Outcome[], work: Work) => void;
}

/**
 * Runs updates step by step: the one loop of fine-tuning (one update a step) and of searches (two). An update whose loss
 * or gradient is not finite is left out and counted; data and schedule go on. All that a step depends on is in the state
 * of the stage, or follows from the seed and the number of the step, so that a loop that goes on gives the same bits.
 * @throws NotFiniteError where too many steps were left out, or what is trained is not finite at the end
 */
export async function runLoop(options: LoopOptions): Promise<void> {
  const { name, steps, updates, trained, stage, watch, signal, warn, onStep } = options;
  const skipped = skippedSteps({ of: name, limit: options.maxSkippedSteps, trained, warn });
  const byName = Object.fromEntries(updates.map((update) => [update.name, update]));
  const memory = together({ ...byName, ...options.memory, watch, skipped });
  const found = stage?.found;
  if (found !== undefined) memory.restore(found.state);
  if (found?.last === true) return;

  let opened: readonly OpenUpdate[] = [];
  const settle = async () => {
    for (const update of opened) await update.settle?.();
  };
  const state = async () => {
    await settle();
    return memory.state();
  };

  /** @returns whether that was the last step */
  const afterStep = async (done: number): Promise<boolean> => {
    await options.agree?.();
    let enough: boolean | undefined;
    try {
      enough = await watch?.after(done, settle);
    } catch (error) {
      // Ctrl-C in an evaluation: the step before it is not to be lost.
      await stage?.reached(done, state, false);
      throw error;
    }
    const last = enough === true || done === steps;
    if (last) {
      await settle();
      refuseDiverged(`The ${name} diverged`, trained);
    }
    await stage?.reached(done, state, last);
    return last;
  };

  const first = found?.step ?? 0;
  if (first > 0 && (await afterStep(first))) return;
  const work = new WorkDone();
  await withOpen(updates, async (open) => {
    opened = open;
    for (let step = first; step < steps; step++) {
      signal?.throwIfAborted();
      const outcomes: Outcome[] = [];
      for (const update of open) outcomes.push(await update.run(step));
      const faults = outcomes.flatMap((one) => (one.kind === 'notFinite' ? [one.found] : []));
      if (faults.length > 0) {
        await settle();
        skipped.add(step, faults.join('; '));
      }
      if (outcomes.some(({ kind }) => kind === 'unlabelled')) {
        warn?.(`Step ${step + 1} of the ${name} has no label to learn from and is left out.`);
      }
      for (const { batches } of outcomes) for (const batch of batches) work.add(batch);
      onStep?.(step, outcomes, work);
      if (await afterStep(step + 1)) break;
    }
  });
  skipped.end(steps);
}

/** What a loss and its gradient allow: an update, or to leave it out. */
export function outcomeOf(batches: readonly Batch[], loss: number, gradientNorm: number): Outcome {
  return Number.isFinite(loss) && Number.isFinite(gradientNorm)
    ? { kind: 'done', batches, loss, gradientNorm }
    : { kind: 'notFinite', batches, found: `loss ${loss}, gradient norm ${gradientNorm}` };
}

/** Opens updates, works with them, and releases whatever was opened. */
async function withOpen(
  updates: readonly Update[],
  work: (open: readonly OpenUpdate[]) => Promise<void>,
): Promise<void> {
  const open: OpenUpdate[] = [];
  try {
    for (const update of updates) open.push(await update.open());
    await work(open);
  } finally {
    await releaseAll(open);
  }
}
