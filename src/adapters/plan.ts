import { elementCount } from '../checkpoint/dtype.js';
import { usageError } from '../errors.js';
import type { Tensor } from '../graph/index.js';
import type { AdaptableModule, LinearCall, Model } from '../models/model.js';
import type { Resumable } from '../state.js';
import type { AdapterContents } from './contents.js';

/** A tensor that a method brings. Its name is that of a graph input. */
export interface AdapterTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Fed to the graph and never trained. */
  readonly frozen?: boolean;
  /** Factor on the learning rate (LoRA+). */
  readonly rateFactor?: number;
}

/** Where an adapter acts. */
export interface Placement {
  readonly module: AdaptableModule;
  /** First part of the names of its tensors. Several modules may share one pair. */
  readonly pair: string;
  readonly rank: number;
  readonly alpha: number;
  /** Factor on B A x. */
  readonly scaling: number;
}

/** What adapters are built with in a graph. */
export interface AdapterGraph {
  /** Graph inputs of every trainable and fed tensor, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** γ of a module: a scalar of the Differential Adaptation Matrix, while it is relaxed. */
  readonly gate?: ((module: AdaptableModule) => Tensor) | undefined;
  /** Masks at a dropout site of an adapter; identity outside training. */
  readonly dropout: (x: Tensor, rate: number) => Tensor;
  /** Is told what an adapter adds to the output of its module [rows, out]. */
  readonly observe?: ((module: AdaptableModule, update: Tensor) => void) | undefined;
}

/** Values of tensors by name. */
export type TensorValues = (name: string) => Float32Array;

/** What a file may have to say of the training that its values are from. */
export interface PlannedTraining {
  /** Steps that were planned: where a run stops early, more than it took. */
  readonly totalSteps: number;
}

/** Changes tensors between steps: AdaLoRA's allocation of ranks. What it remembers is saved with a run. */
export interface StepControl extends Resumable {
  /**
   * Call after every step, with its gradients by tensor; undefined where the step was left out. `step` counts from 1.
   */
  afterStep(step: number, values: TensorValues, gradients: TensorValues | undefined): void;
}

/** One method on one model: which tensors it trains, how they act in the graph, how they start and how they are saved. */
export interface AdapterPlan {
  readonly method: string;
  /** Modules that are adapted, in the model's order. */
  readonly placements: readonly Placement[];
  readonly tensors: readonly AdapterTensor[];
  /** Tensors of the backbone that are trained themselves, by name. */
  readonly replaced: readonly string[];
  /** Modules of the backbone that are trained as wholes and saved as such, by path; their tensors are among `replaced`. */
  readonly savedModules?: readonly string[];
  /** Tensors of the backbone that stand at other values than the checkpoint's and are not trained, by name. */
  readonly fixed?: readonly string[];
  /** A tied output keeps the checkpoint's embeddings, whatever becomes of these. */
  readonly untied?: boolean;
  /** First values of `tensors`, by name. A fresh adapter changes nothing. */
  initial(model: Model, seed: number): Promise<ReadonlyMap<string, Float32Array>>;
  /** The output of an adapted module [rows, out]; y is W0 x + b. */
  adapt?(call: LinearCall, y: Tensor, graph: AdapterGraph): Tensor;
  /** A weight of the model as it is read, such as that of adapted embeddings [rows, width]. */
  adaptWeight?(name: string, weight: Tensor, graph: AdapterGraph): Tensor;
  /** See BuildHooks.endSubLayer. */
  endSubLayer?(path: string, y: Tensor, close: (y: Tensor) => Tensor, graph: AdapterGraph): Tensor;
  /** A scalar to be added to the loss. */
  penalty?(parameters: ReadonlyMap<string, Tensor>): Tensor;
  control?(totalSteps: number): StepControl;
  /** Numbers of `tensors` that a file will hold, where they are fewer: AdaLoRA's ranks that were taken away. */
  keptSize?(values: TensorValues): number;
  /**
   * The weight that does what module and adapter do together, [out, in] row-major.
   * Left out where no weight can: bottlenecks.
   */
  mergedWeight?(placement: Placement, base: Float32Array, values: TensorValues): Float32Array;
  /** The bias that belongs to it, of one [out] that the module has; left out where it stays as it is. */
  mergedBias?(placement: Placement, base: Float32Array, values: TensorValues): Float32Array;
  /** An adapter of it adds to the bias of its module, so that a weight alone cannot hold it where there is none. */
  readonly addsBias?: boolean;
  /** What a file has to hold. */
  save(model: Model, values: TensorValues, training: PlannedTraining): AdapterContents;
}

/** The modules that get an adapter of their own, and those that share one for each column. */
export interface Where {
  readonly own: readonly AdaptableModule[];
  readonly shared: readonly AdaptableModule[];
}

/** One placement for each pair. */
export function distinctPairs(placements: readonly Placement[]): Placement[] {
  return [...new Map(placements.map((one) => [one.pair, one])).values()];
}

/** Nothing is adapted: the model as it is, with its head. */
export const noAdapters: AdapterPlan = {
  method: 'none',
  placements: [],
  tensors: [],
  replaced: [],
  initial: async () => new Map(),
  save: () => {
    throw new Error('there is no adapter to save');
  },
};

/** Trainable numbers of a plan's own tensors. */
export function adapterSize(plan: AdapterPlan): number {
  return plan.tensors
    .filter(({ frozen }) => frozen !== true)
    .reduce((total, { shape }) => total + elementCount(shape), 0);
}

/** True when `name` is the path or its end at a dot, as in PEFT's target_modules. */
export function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

/** The value that `patterns` give a module: under its full path, else under the first name that is an end of it. */
export function patternValue(patterns: Readonly<Record<string, number>>, path: string): number | undefined {
  if (Object.hasOwn(patterns, path)) return patterns[path];
  const name = Object.keys(patterns).find((one) => isNamed(path, one));
  return name === undefined ? undefined : patterns[name];
}

/** @throws DiffoError (usage) when a name of `patterns` is that of no module */
export function checkPatterns(flag: string, patterns: Readonly<Record<string, number>>, { own, shared }: Where): void {
  const paths = [...own, ...shared].map(({ path }) => path);
  for (const name of Object.keys(patterns)) {
    if (!paths.some((path) => isNamed(path, name))) {
      throw usageError(`${flag} ${name}=${patterns[name]}: "${name}" is none of the adapted modules.`);
    }
  }
}

/** @throws DiffoError (usage) when a rank is more than a matrix has */
export function checkRank({ path, inFeatures, outFeatures }: AdaptableModule, rank: number): void {
  const largest = Math.min(inFeatures, outFeatures);
  if (!Number.isInteger(rank) || rank < 1 || rank > largest) {
    throw usageError(
      `--rank ${rank} does not fit ${path}: it is ${outFeatures} by ${inFeatures}, so a rank is 1 to ${largest}.`,
    );
  }
}
