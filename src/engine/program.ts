import type { Tensor } from '../graph/index.js';
import { liftWidened } from '../graph/passes/liftWidened.js';
import { type Lanes, vectorise } from '../graph/passes/vectorise.js';
import type { Model } from '../models/model.js';
import type { ComputeDevice } from '../runtime/devices/computeDevice.js';
import type { DeviceTensor, HostTensor } from '../runtime/deviceTensor.js';
import { openOn } from '../runtime/openOn.js';
import { placeOn } from '../runtime/placed.js';
import { openTogether, releaseAll } from '../runtime/release.js';
import type { Bindings, SessionOptions } from '../runtime/session.js';
import { type AdaptedGraph, type AdaptedGraphOptions, adaptedGraph } from './modelGraph.js';
import { parameterFeeds } from './parameters.js';
import { wideWeights } from './wideWeights.js';

export interface ProgramOptions<Name extends string> extends AdaptedGraphOptions, SessionOptions {
  /** What is computed, from the model's graph: float32. */
  readonly outputs: (graph: AdaptedGraph) => Readonly<Record<Name, Tensor>>;
  /** Runs the graph for several sets of inputs at once; what is fed of these, and every output, has a leading axis. */
  readonly lanes?: Lanes | undefined;
  /** Outputs that stay on the device: see {@link Program.kept}. */
  readonly onDevice?: readonly Name[] | undefined;
}

/** A graph of a model with adapters, compiled, its parameters bound: they are read as they are when it runs. */
export interface Program<Name extends string> {
  /**
   * Runs the graph once.
   * @param feeds every input but the parameters; what the graph does not read is left alone
   * @param into outputs that are written into tensors of the caller; any other is new. Runs with it must not overlap
   */
  run(feeds: Bindings, into?: Bindings): Promise<Record<Name, HostTensor<Float32Array>>>;
  /** Outputs of the last run that stayed on the device; the caller disposes of them. */
  readonly kept: ReadonlyMap<string, DeviceTensor<Float32Array>>;
  /** Frees the memory; the program cannot run afterwards. */
  release(): Promise<void>;
}

/** What runs the graphs of a model. */
export function deviceOf(model: Model): ComputeDevice {
  return model.device ?? model.checkpoint.machine.device;
}

/**
 * Builds the graph of a model and compiles it. Parameters are bound where their device keeps them, and so are weights of
 * half precision, of which all programs share one wide copy.
 */
export async function openProgram<Name extends string>(
  model: Model,
  options: ProgramOptions<Name>,
): Promise<Program<Name>> {
  const { threads, parameters, lanes } = options;
  const device = options.device ?? deviceOf(model);
  if (model.file !== undefined) throw new Error('an exported file has no graph to build');
  const outputs = options.outputs(adaptedGraph(model, options));
  for (const [name, { dtype }] of Object.entries<Tensor>(outputs)) {
    if (dtype !== 'float32') throw new Error(`the output "${name}" of a program is ${dtype}, not float32`);
  }
  const single = Object.values<Tensor>(outputs);
  const { outputs: lifted, widened } = liftWidened(lanes === undefined ? single : vectorise(single, lanes));
  const shared = lanes === undefined ? parameters : parameters.filter(({ name }) => !lanes.own(name));
  const named = Object.fromEntries(Object.keys(outputs).map((name, i) => [name, lifted[i]!]));
  // Held for as long as the program lives: other programs are to find them.
  let wide = await wideWeights(model.checkpoint, widened);
  const { placed, session } = await openTogether(async (keep) => ({
    placed: await keep(placeOn(device, wide)),
    session: await keep(openOn(device, named, { threads, onDevice: options.onDevice })),
  }));
  let bound: Bindings = { ...parameterFeeds(shared), ...placed.tensors };
  return {
    kept: session.kept ?? new Map(),
    run: (feeds, into) => session.run({ ...bound, ...feeds }, into) as Promise<Record<Name, HostTensor<Float32Array>>>,
    release() {
      bound = {};
      wide = {};
      return releaseAll([session, placed]);
    },
  };
}
