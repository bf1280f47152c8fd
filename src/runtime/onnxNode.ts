import { dirname } from 'node:path';
import * as ort from 'onnxruntime-node';
import type { EmittedGraph } from '../graph/index.js';
import type { CompileOptions, Session, Value } from './compiled.js';
import { type DeviceTensor, type HostTensor, host, keptTensor, type TensorData } from './deviceTensor.js';
import { accepted, fedBy, finished, sessionEntries, sessionOptions } from './onnxSession.js';

/** Version of ONNX Runtime's Node package. */
export const runtimeVersion: string = ort.env.versions.node ?? ort.env.versions.common;

/**
 * Compiles a graph by ONNX Runtime's Node package.
 * @param provider as ONNX Runtime names what is to run it
 */
export async function compileOnNode(
  graph: EmittedGraph,
  provider: ort.InferenceSession.ExecutionProviderConfig,
  { threads, profile, onDevice }: CompileOptions,
): Promise<Session> {
  const extra: Record<string, string> = { ...sessionEntries };
  const folder = folderOf(graph);
  if (folder !== undefined) extra.model_external_initializers_file_folder_path = folder;
  const inputNames = graph.inputs.map((value) => value.name);
  const outputNames = graph.outputs.map((output) => output.name);
  const places = outputNames.map((name) => [name, onDevice?.includes(name) === true ? 'gpu-buffer' : 'cpu'] as const);
  const session = await accepted(
    ort.InferenceSession.create(graph.bytes, {
      ...sessionOptions(provider, threads),
      ...(onDevice === undefined ? {} : { preferredOutputLocation: Object.fromEntries(places) }),
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      extra: { session: extra },
    }),
  );
  const opened = sessionOf(session, { inputNames, outputNames, nodeCount: graph.nodeCount }, onDevice);
  if (profile === undefined) return opened;
  return {
    ...opened,
    release() {
      session.endProfiling();
      return opened.release();
    },
  };
}

/** The one folder of a graph's weights, from which ONNX Runtime reads them. @throws Error where they lie in two */
function folderOf({ stored }: EmittedGraph): string | undefined {
  const [folder, other] = new Set(stored.map(({ file }) => dirname(file)));
  if (other !== undefined) throw new Error(`weights lie in two folders, ${folder} and ${other}; one is needed`);
  return folder;
}

/**
 * Compiles a model file for the CPU, as any client of ONNX Runtime would.
 * @throws DiffoError when the runtime refuses it
 */
export async function openModelFile(path: string, options: CompileOptions): Promise<Omit<Session, 'nodeCount'>> {
  const session = await accepted(
    ort.InferenceSession.create(path, {
      executionProviders: ['cpu'],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
    }),
    path,
  );
  return sessionOf(session, { inputNames: session.inputNames, outputNames: session.outputNames });
}

function sessionOf<Facts extends Pick<Session, 'inputNames' | 'outputNames'>>(
  session: ort.InferenceSession,
  facts: Facts,
  onDevice?: readonly string[],
): Facts & Pick<Session, 'run' | 'release' | 'kept'> {
  const { inputNames, outputNames } = facts;
  const kept = new Map<string, DeviceTensor<Float32Array>>();
  /** What stayed on the device and was not disposed of: its memory is given back through this session, or the process ends. */
  const living = new Set<ort.Tensor>();
  return {
    ...facts,
    kept,
    async run(feeds, into = {}) {
      const fed = fedBy(inputNames, feeds, toOrt);
      const fetched: Record<string, ort.Tensor | null> = {};
      for (const name of outputNames) fetched[name] = into[name] === undefined ? null : toOrt(into[name]);
      const results = await finished(session.run(fed, fetched));
      kept.clear();
      const returned: [string, HostTensor][] = [];
      for (const name of outputNames) {
        const result = results[name]!;
        if (result.location === 'gpu-buffer') kept.set(name, tensorOnGpu(result, living));
        else {
          returned.push([name, resultTensor(result)]);
          // Where an output stays on the device, the binding writes none of the others into the arrays that it is given.
          const place = onDevice === undefined ? undefined : into[name];
          if (place !== undefined)
            bytesOf('device' in place ? place.host() : place.data).set(bytesOf(result.data as TensorData));
        }
      }
      return Object.fromEntries(returned);
    },
    release() {
      for (const one of living) one.dispose();
      living.clear();
      return session.release();
    },
  };
}

/** What ONNX Runtime reads and writes for a tensor: made once, for it is fed again at every step, to other sessions too. */
const bound = new WeakMap<DeviceTensor, ort.Tensor>();

function toOrt(value: Value | DeviceTensor): ort.Tensor {
  if (!('device' in value)) return ortTensor(value.data, value.shape);
  const known = bound.get(value) ?? ortTensor(value.host(), value.shape);
  bound.set(value, known);
  return known;
}

/** An array as ONNX Runtime takes it, read and written in place. */
function ortTensor(data: TensorData, shape: readonly number[]): ort.Tensor {
  return data instanceof Float32Array ? new ort.Tensor('float32', data, shape) : new ort.Tensor('int64', data, shape);
}

/** What ONNX Runtime gave, where it gave it. */
function resultTensor(result: ort.Tensor): HostTensor {
  const tensor = host.tensor(result.data as TensorData, result.dims);
  bound.set(tensor, result);
  return tensor;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData) => new Uint8Array(buffer, byteOffset, byteLength);

function tensorOnGpu(result: ort.Tensor, living: Set<ort.Tensor>): DeviceTensor<Float32Array> {
  living.add(result);
  const tensor = keptTensor('the GPU', result.dims, () => {
    if (living.delete(result)) result.dispose();
  });
  bound.set(tensor, result);
  return tensor;
}
