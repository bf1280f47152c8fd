import * as ort from 'onnxruntime-node';
import { DiffoError } from '../errors.js';
import { type EmittedGraph, emitGraph, type Tensor } from '../graph/index.js';
import type { ComputeDevice } from './devices/computeDevice.js';
import { usualDevice } from './devices/registry.js';
import { type DeviceTensor, type HostTensor, ortTensor, resultTensor, type TensorData } from './deviceTensor.js';

/** Version of ONNX Runtime's Node package. */
export const runtimeVersion: string = ort.env.versions.node ?? ort.env.versions.common;

/** A fed or fetched array with its sizes. */
export interface Value {
  readonly data: TensorData;
  readonly shape: readonly number[];
}

/** Values of inputs or places for outputs, by name: arrays with their sizes, or tensors where their device keeps them. */
export type Bindings = Readonly<Record<string, Value | DeviceTensor>>;

/** How a graph is run. */
export interface SessionOptions {
  /** Threads inside one operator. One thread gives the same bits on every machine with the same instruction set. */
  readonly threads: number;
  /** What runs the graph, but for what it has no kernel for, which the CPU runs. Default: the CPU. */
  readonly device?: ComputeDevice | undefined;
  /** Begin of the name of a file that gets the time and the place of every node, written at the release. @internal */
  readonly profile?: string | undefined;
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
  /** Frees the memory; the session cannot run afterwards. */
  release(): Promise<void>;
}

/**
 * Compiles the graph that leads to `outputs` for a device. Stored weights are mapped from their file and never pass
 * through JavaScript; packing them again is switched off (it costs time and memory and the step gains nothing).
 */
export async function openSession(
  outputs: Readonly<Record<string, Tensor>>,
  options: SessionOptions,
): Promise<Session> {
  return compileGraph(emitGraph(outputs, options.device?.dialect), options);
}

/** The second half of {@link openSession}. */
export async function compileGraph(graph: EmittedGraph, options: SessionOptions): Promise<Session> {
  const { device = usualDevice, profile } = options;
  const extra: Record<string, string> = { disable_prepacking: '1' };
  if (graph.weightsFolder !== undefined) extra.model_external_initializers_file_folder_path = graph.weightsFolder;
  let session: ort.InferenceSession;
  try {
    session = await ort.InferenceSession.create(graph.bytes, {
      executionProviders: [device.provider],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // One planned block for each batch shape met would be kept: 640 MB against 400 MB for MiniLM, at the same speed.
      enableMemPattern: false,
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      extra: { session: extra },
    });
  } catch (error) {
    throw new DiffoError(`ONNX Runtime refused the graph: ${messageOf(error)}`, { cause: error });
  }
  const inputNames = graph.inputs.map((value) => value.name);
  const outputNames = graph.outputs.map((output) => output.name);
  const opened = sessionOf(session, { inputNames, outputNames, nodeCount: graph.nodeCount });
  if (profile === undefined) return opened;
  return {
    ...opened,
    release() {
      session.endProfiling();
      return opened.release();
    },
  };
}

/**
 * Compiles a model file for the CPU, as any client of ONNX Runtime would.
 * @throws DiffoError when the runtime refuses it
 */
export async function openModelFile(path: string, options: SessionOptions): Promise<Omit<Session, 'nodeCount'>> {
  try {
    const session = await ort.InferenceSession.create(path, {
      executionProviders: ['cpu'],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
    });
    return sessionOf(session, { inputNames: session.inputNames, outputNames: session.outputNames });
  } catch (error) {
    throw new DiffoError(`ONNX Runtime refused ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function sessionOf<Facts extends Pick<Session, 'inputNames' | 'outputNames'>>(
  session: ort.InferenceSession,
  facts: Facts,
): Facts & Pick<Session, 'run' | 'release'> {
  const { inputNames, outputNames } = facts;
  return {
    ...facts,
    async run(feeds, into = {}) {
      const fed: Record<string, ort.Tensor> = {};
      for (const name of inputNames) {
        const value = feeds[name];
        if (value === undefined) throw new Error(`the graph needs the input "${name}"`);
        fed[name] = toOrt(value);
      }
      const fetched: Record<string, ort.Tensor | null> = {};
      for (const name of outputNames) fetched[name] = into[name] === undefined ? null : toOrt(into[name]);
      const results = await session.run(fed, fetched).catch((error: unknown) => {
        throw new DiffoError(`ONNX Runtime failed in a step: ${messageOf(error)}`, { cause: error });
      });
      return Object.fromEntries(outputNames.map((name) => [name, resultTensor(results[name]!)]));
    },
    release: () => session.release(),
  };
}

function toOrt(value: Value | DeviceTensor): ort.Tensor {
  return 'bound' in value ? value.bound : ortTensor(value.data, value.shape);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
