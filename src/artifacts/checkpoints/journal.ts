import { refuseDiverged } from '../../engine/notFinite.js';
import { type HeldFolder, holdFolder } from '../../files/heldFolder.js';
import { type FoundStage, fitting, type Stage, type State } from '../../state.js';
import { type KeptNumbers, keptStage } from './kept.js';
import type { Checkpoint } from './read.js';
import { type Described, deleteNewer, deleteOld, writeCheckpoint } from './write.js';

export interface JournalOptions {
  /** Folder of the checkpoints; left out, nothing is written: another rank does. */
  readonly folder: string | undefined;
  /** Steps between two checkpoints, and how many are kept. */
  readonly every: number;
  readonly keep: number;
  readonly described: Omit<Described, 'step'>;
  /** What the run goes on from. */
  readonly found: Checkpoint | undefined;
  /** What is not to be computed again. */
  readonly kept?: KeptNumbers | undefined;
  /** Aborted, the step that is reached is saved. */
  readonly signal?: AbortSignal | undefined;
}

/** How a result becomes a state and back. */
export interface Codec<T> {
  encode(result: T): State;
  decode(state: State): T;
}

/**
 * The state of a run, stage by stage (searches, a joint run, training): what a checkpoint holds. Stages run one after the
 * other; their steps are counted together, and a checkpoint is due at every multiple of `every`, at the end of a stage,
 * and when the run is to stop. What is not finite is never saved.
 */
export class Journal {
  private readonly stages: Map<string, FoundStage>;
  private saved: number | undefined;
  private held: HeldFolder | undefined;

  constructor(private readonly options: JournalOptions) {
    this.stages = new Map([...(options.found?.stages ?? [])].filter(([name]) => name !== keptStage));
    this.saved = options.found?.manifest.step;
  }

  /**
   * Before the first step: from now on a run that is killed can be resumed with the settings and data that it had. What
   * is newer than the checkpoint that is gone on from could not be read, and is deleted. To be called first of all.
   */
  async begin(): Promise<void> {
    const { folder } = this.options;
    if (folder === undefined) return;
    this.held = await holdFolder(folder);
    if (this.saved === undefined) await this.save(0);
    else await deleteNewer(folder, this.saved);
  }

  readonly stage = (name: string): Stage => ({
    found: this.stages.get(name),
    reached: async (step, state, last) => {
      const total = this.stepsOf([...this.stages.keys()].filter((other) => other !== name)) + step;
      const { every, signal } = this.options;
      if (total === this.saved || !(last || total % every === 0 || signal?.aborted === true)) return;
      this.stages.set(name, { step, last, state: await state() });
      await this.save(total);
    },
  });

  /**
   * Does work whose stages are of no more use once it is done: its result takes their place from the next checkpoint on,
   * which is one of the stage that comes after. A result that is there already is taken.
   */
  async once<T>(name: string, codec: Codec<T>, work: () => Promise<T>): Promise<T> {
    const found = this.stages.get(name);
    if (found !== undefined) return fitting(name, () => codec.decode(found.state));
    const result = await work();
    const step = this.stepsOf([...this.stages.keys()]);
    this.stages.clear();
    this.stages.set(name, { step, last: true, state: codec.encode(result) });
    return result;
  }

  private stepsOf(names: readonly string[]): number {
    return names.reduce((sum, name) => sum + this.stages.get(name)!.step, 0);
  }

  /** Steps of the newest checkpoint that there is. */
  get savedSteps(): number {
    return this.saved ?? 0;
  }

  private async save(step: number): Promise<void> {
    const { folder, keep, described, kept } = this.options;
    if (folder === undefined) {
      this.saved = step;
      return;
    }
    const arrays = [...this.stages].flatMap(([name, { state }]) =>
      Object.entries(state.arrays).map(([key, values]) => ({ name: `${name}/${key}`, values })),
    );
    refuseDiverged(`The run diverged by step ${step}`, arrays);
    await this.held!.check();
    const numbers = kept?.stage();
    const stages = new Map([...(numbers === undefined ? [] : [[keptStage, numbers] as const]), ...this.stages]);
    await writeCheckpoint(folder, { ...described, step }, stages).catch(async (error) => {
      await this.held!.check();
      throw error;
    });
    this.saved = step;
    await deleteOld(folder, keep);
  }
}
