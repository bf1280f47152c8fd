import type { DeviceTensor, HostTensor, TensorData } from './deviceTensor.js';

/** A fed or fetched array with its sizes. */
export interface Value {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

/** Values of inputs or places for outputs, by name: arrays with their sizes, or tensors where their device keeps them. */
export type Bindings = Readonly<Record<string, Value | DeviceTensor>>;

/** How a graph is compiled. */
export interface CompileOptions {
  /** Threads inside one operator. One thread gives the same bits on every machine with the same instruction set. */
  readonly threads: number;
  /** Begin of the name of a file that gets the time and the place of every node, written at the release. @internal */
  readonly profile?: string | undefined;
  /** Outputs that stay on the device, where it keeps results: see {@link Session.kept}. @internal */
  readonly onDevice?: readonly string[] | undefined;
}

/** One compiled graph. Runs must not overlap: fetches are written into arrays that the caller owns. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Nodes of the emitted graph before the runtime's own optimiser. */
  readonly nodeCount: number;
  /**
   * Runs the graph once. `feeds` names every input; arrays are read in place. An output named in `into` is written
   * into that array; any other is newly allocated.
   */
  run(feeds: Bindings, into?: Bindings): Promise<Record<string, HostTensor>>;
  /**
   * The outputs of the last run that stayed on the device (`onDevice`), to be fed to further runs of any session on it and
   * disposed of by the caller, or with this session; the others alone are among the results of a run. @internal
   */
  readonly kept?: ReadonlyMap<string, DeviceTensor<Float32Array>> | undefined;
  /** Frees the memory; the session cannot run afterwards. */
  release(): Promise<void>;
}
