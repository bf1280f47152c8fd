import { type Parameter, parameter } from '../engine/parameters.js';
import { ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { gridOf } from './grid.js';

/** A matrix that stands in the forward pass: its entries as an input of the graph, and γ of each module from it. */
export interface Gates {
  /** [layers, modules], fed as it is at each run. */
  readonly parameter: Parameter;
  /** The `gates` of a gradient step. */
  readonly of: (inputs: ReadonlyMap<string, Tensor>) => (module: AdaptableModule) => Tensor;
}

/** Gates of a model, all at `value`. */
export function openGates(model: Model, value: number): Gates {
  const { layers, columns, length } = gridOf(model);
  const entries = parameter('dam.gates', [layers, columns], new Float32Array(length).fill(value));
  return { parameter: entries, of: (inputs) => moduleGates(model, inputs.get(entries.name)!) };
}

/** γ of a module: its entry of the relaxed matrix [layers, modules], as a scalar. */
export function moduleGates(model: Model, relaxed: Tensor): (module: AdaptableModule) => Tensor {
  const grid = gridOf(model);
  const flat = ops.reshape(relaxed, [grid.length]);
  return (module) => ops.reshape(ops.slice(flat, { axis: 0, start: grid.index(module), length: 1 }), []);
}
