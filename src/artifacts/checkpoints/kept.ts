import type { FoundStage, Keep } from '../../state.js';

/** Name of the stage that holds them: it has no steps, and stays for as long as the run goes on. */
export const keptStage = 'kept';

/** Numbers that are computed once in a run, however often it is resumed: each of its checkpoints has them. */
export class KeptNumbers {
  private readonly arrays: Map<string, Float32Array>;

  /** @param found the stage of the checkpoint that is gone on from */
  constructor(found?: FoundStage) {
    this.arrays = new Map(Object.entries(found?.state.arrays ?? {}));
  }

  readonly keep: Keep = async (name, compute) => {
    const known = this.arrays.get(name);
    if (known !== undefined) return known;
    const numbers = await compute();
    this.arrays.set(name, numbers);
    return numbers;
  };

  /** What a checkpoint holds of them; undefined where there are none. */
  stage(): FoundStage | undefined {
    if (this.arrays.size === 0) return undefined;
    return { step: 0, last: true, state: { arrays: Object.fromEntries(this.arrays), values: {} } };
  }
}
