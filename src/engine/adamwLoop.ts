import { zerosLike } from '../runtime/deviceTensor.js';
import type { Parameter } from './parameters.js';

/** What is the same for all numbers of a parameter in a step. */
export interface AdamWTerms {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Learning rate over the first moment's bias correction. */
  readonly stepSize: number;
  /** On the root of the second moment. */
  readonly secondCorrection: number;
  /** On the values before they are moved: weight decay. */
  readonly keep: number;
  /** On the gradient, rounded to float32. */
  readonly factor: number;
}

/** The moments of parameters, and the loop over the numbers of one. */
export interface AdamWLoop {
  readonly first: readonly Float32Array[];
  readonly second: readonly Float32Array[];
  /** @param index of the parameter, whose values are moved in place */
  move(index: number, values: Float32Array, gradient: Float32Array, terms: AdamWTerms): void;
}

/** The loop in JavaScript. */
export function plainLoop(parameters: readonly Pick<Parameter, 'tensor'>[]): AdamWLoop {
  const first = parameters.map(({ tensor }) => zerosLike(tensor).host());
  const second = parameters.map(({ tensor }) => zerosLike(tensor).host());
  return {
    first,
    second,
    move(index, values, gradient, { beta1, beta2, epsilon, stepSize, secondCorrection, keep, factor }) {
      const m = first[index]!;
      const v = second[index]!;
      for (let i = 0; i < values.length; i++) {
        const g = Math.fround(gradient[i]! * factor);
        const mean = beta1 * m[i]! + (1 - beta1) * g;
        const square = beta2 * v[i]! + (1 - beta2) * g * g;
        m[i] = mean;
        v[i] = square;
        values[i] = values[i]! * keep - (stepSize * mean) / (Math.sqrt(square) * secondCorrection + epsilon);
      }
    },
  };
}
