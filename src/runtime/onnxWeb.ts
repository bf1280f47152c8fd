import type * as ort from 'onnxruntime-node';
import type { EmittedGraph } from '../graph/index.js';
import { type Dialect, weightName, wholeDialect } from '../graph/onnx/dialect.js';
import type { StoredLocation } from '../graph/tensor.js';
import type { Bindings, CompileOptions, Session } from './compiled.js';
import type { ComputeDevice } from './devices/computeDevice.js';
import { webgpuDialect } from './devices/webgpuDialect.js';
import { type DeviceTensor, host, type TensorData } from './deviceTensor.js';
import { accepted, fedBy, finished, sessionEntries, sessionOptions } from './onnxSession.js';

/** What of the package onnxruntime-web is used. */
export type OnnxRuntimeWeb = Pick<typeof ort, 'InferenceSession' | 'Tensor'>;

/** What runs graphs in a tab. */
export type WebDeviceName = 'wasm' | 'webgpu';

/** In WebAssembly ONNX Runtime has all that it has on a processor. Weights are handed over: there are no files. */
const wasmDialect: Dialect = { ...wholeDialect, weightsApart: true };

/**
 * A device of a browser's tab.
 * @param read the bytes of a weight: they are copied into the memory of ONNX Runtime and not kept
 */
export function webDevice(
  name: WebDeviceName,
  runtime: OnnxRuntimeWeb,
  read: (location: StoredLocation) => Promise<Uint8Array>,
): ComputeDevice {
  return {
    name,
    precision: 'fp32',
    otherPrecisions: {},
    dialect: name === 'wasm' ? wasmDialect : { ...webgpuDialect, weightsApart: true },
    compile: (graph, options) => compileOnWeb(graph, name, runtime, read, options),
    cure: 'Take the device wasm, which every browser has.',
  };
}

async function compileOnWeb(
  graph: EmittedGraph,
  provider: WebDeviceName,
  { InferenceSession, Tensor }: OnnxRuntimeWeb,
  read: (location: StoredLocation) => Promise<Uint8Array>,
  { threads }: CompileOptions,
): Promise<Session> {
  const weights: { path: string; data: Uint8Array }[] = [];
  for (const [i, location] of graph.stored.entries()) weights.push({ path: weightName(i), data: await read(location) });
  const session = await accepted(
    InferenceSession.create(graph.bytes, {
      ...sessionOptions(provider, threads),
      externalData: weights,
      extra: { session: sessionEntries },
    }),
  );
  const inputNames = graph.inputs.map(({ name }) => name);
  const outputNames = graph.outputs.map(({ name }) => name);
  const fedAs = (value: Bindings[string]) => {
    const [data, shape] = 'device' in value ? [value.host(), value.shape] : [value.data, value.shape];
    return data instanceof Float32Array ? new Tensor('float32', data, shape) : new Tensor('int64', data, shape);
  };
  return {
    inputNames,
    outputNames,
    nodeCount: graph.nodeCount,
    async run(feeds, into = {}) {
      const results = await finished(session.run(fedBy(inputNames, feeds, fedAs)));
      const found = outputNames.map((name) => {
        const { data, dims } = results[name]!;
        const place = into[name];
        if (place === undefined) return [name, host.tensor(data as TensorData, dims)] as const;
        return [name, written(place, data as TensorData)] as const;
      });
      return Object.fromEntries(found);
    },
    release: () => session.release(),
  };
}

/** In WebAssembly results lie in a memory of their own: they are copied to where they are wanted. */
function written(place: Bindings[string], data: TensorData) {
  const tensor: DeviceTensor = 'device' in place ? place : host.tensor(place.data, place.shape);
  tensor.write(data);
  return host.tensor(tensor.host(), tensor.shape);
}
