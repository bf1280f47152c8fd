import { emitGraph, type Tensor } from '../graph/index.js';
import type { CompileOptions, Session } from './compiled.js';
import type { ComputeDevice } from './devices/computeDevice.js';

/** Compiles the graph that leads to `outputs` for a device, in the operators that it has. */
export function openOn(
  device: ComputeDevice,
  outputs: Readonly<Record<string, Tensor>>,
  options: CompileOptions,
): Promise<Session> {
  return device.compile(emitGraph(outputs, device.dialect), options);
}
