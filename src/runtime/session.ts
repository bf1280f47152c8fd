import type { EmittedGraph, Tensor } from '../graph/index.js';
import type { CompileOptions, Session } from './compiled.js';
import type { ComputeDevice } from './devices/computeDevice.js';
import { usualDevice } from './devices/registry.js';
import { openOn } from './openOn.js';

export type { Bindings, Session, Value } from './compiled.js';

/** How a graph is run. */
export interface SessionOptions extends CompileOptions {
  /** What runs the graph, but for what it has no kernel for, which the CPU runs. Default: the CPU. */
  readonly device?: ComputeDevice | undefined;
}

/**
 * Compiles the graph that leads to `outputs` for a device. Stored weights are mapped from their file and never pass
 * through JavaScript; packing them again is switched off (it costs time and memory and the step gains nothing).
 */
export async function openSession(
  outputs: Readonly<Record<string, Tensor>>,
  { device = usualDevice, ...options }: SessionOptions,
): Promise<Session> {
  return openOn(device, outputs, options);
}

/** The second half of {@link openSession}. */
export async function compileGraph(
  graph: EmittedGraph,
  { device = usualDevice, ...options }: SessionOptions,
): Promise<Session> {
  return device.compile(graph, options);
}
