import * as z from 'zod';
import { DiffoError } from './errors.js';

const doublesSchema = z.object({ doubles: z.array(z.number()) });

/** What a part of a run has to remember to go on after the process has ended. */
export interface State {
  /** What is long, by name. Given out as it is, not copied: to be written before the next step. */
  readonly arrays: Readonly<Record<string, Float32Array>>;
  /** What JSON holds: doubles come back to the bit. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** A part of a run that can be left and taken up again. */
export interface Resumable {
  state(): State;
  /** Puts a state back that this part, made in the same way, has given. */
  restore(state: State): void;
}

/** A long part of a run, step by step, with its place in the checkpoints. */
export interface Stage {
  /** Steps that were done already, the state after them, and whether they were all; undefined at the start. */
  readonly found: FoundStage | undefined;
  /**
   * Await it after every step: saves what `state` gives, where that is due. After its `last` step a stage leaves the
   * arrays of its state alone.
   */
  reached(step: number, state: () => Promise<State>, last: boolean): Promise<void>;
}

export interface FoundStage {
  readonly step: number;
  readonly last: boolean;
  readonly state: State;
}

/**
 * Numbers that are dear to compute and that a resumed run is not to compute again: those kept under the name, or what `compute` gives.
 * @param name tells what they are of, so that the same name means the same numbers
 */
export type Keep = (name: string, compute: () => Promise<Float32Array>) => Promise<Float32Array>;

/** Several parts as one. */
export function together(parts: Readonly<Record<string, Resumable | undefined>>): Resumable {
  const present = Object.entries(parts).filter((entry): entry is [string, Resumable] => entry[1] !== undefined);
  return {
    state() {
      const states = present.map(([name, part]) => [name, part.state()] as const);
      return {
        arrays: Object.fromEntries(
          states.flatMap(([name, { arrays }]) =>
            Object.entries(arrays).map(([key, array]) => [`${name}/${key}`, array] as const),
          ),
        ),
        values: Object.fromEntries(states.map(([name, { values }]) => [name, values])),
      };
    },
    restore({ arrays, values }) {
      for (const [name, part] of present) {
        const own = Object.entries(arrays).filter(([key]) => key.startsWith(`${name}/`));
        const state = {
          arrays: Object.fromEntries(own.map(([key, array]) => [key.slice(name.length + 1), array])),
          values: values[name] as State['values'],
        };
        fitting(name, () => part.restore(state));
      }
    },
  };
}

/** Takes a saved state up. @throws DiffoError where it is none of this run, which only a checkpoint changed by hand has */
export function fitting<T>(what: string, takeUp: () => T): T {
  try {
    return takeUp();
  } catch (error) {
    if (error instanceof DiffoError) throw error;
    throw new DiffoError(
      `The newest checkpoint does not hold what this run needs for "${what}". Start again from the beginning with --overwrite.`,
      { cause: error },
    );
  }
}

/** Arrays that are restored in place. */
export function arraysState(arrays: Readonly<Record<string, Float32Array>>): Resumable {
  return {
    state: () => ({ arrays, values: {} }),
    restore: (state) => {
      for (const [name, array] of Object.entries(arrays)) {
        const saved = state.arrays[name];
        if (saved?.length !== array.length) {
          throw new Error(`the saved state has ${saved?.length ?? 'no'} values for ${name}, not ${array.length}`);
        }
        array.set(saved);
      }
    },
  };
}

/** Doubles that are restored in place. They go through JSON, which keeps them to the bit, so they have to be few. */
export function doublesState(doubles: Float64Array): Resumable {
  return {
    state: () => ({ arrays: {}, values: { doubles: Array.from(doubles) } }),
    restore: ({ values }) => doubles.set(doublesSchema.parse(values).doubles),
  };
}
