import type { ScoreOptions } from './kind.js';

/** Several rounds over all examples told as one: each is an equal part of it, and tokens add up. */
export function inRounds(rounds: number, examples: number, { onDone }: ScoreOptions) {
  let [round, before, latest] = [0, 0, 0];
  return {
    onDone(done: number, tokens: number): void {
      latest = before + tokens;
      onDone?.(Math.floor((round * examples + done) / rounds), latest);
    },
    next(): void {
      round++;
      before = latest;
    },
  };
}
