import { availableParallelism } from 'node:os';
import { DiffoError, usageError } from '../../errors.js';
import { input, ops } from '../../graph/index.js';
import { type ProgressOptions, silent } from '../../reporter.js';
import { openSession, type Session } from '../session.js';
import type { ComputeDevice, Precision } from './computeDevice.js';
import { nvidiaCards } from './machine.js';
import { probe } from './probe.js';
import { acceleratorsFor, deviceNamed, deviceNames, usualDevice } from './registry.js';

/** How a device is opened. */
export interface OpenDeviceOptions extends ProgressOptions {
  /** What products are to be computed in; default: what the device has, `tf32` for CUDA and `fp32` for others. */
  readonly precision?: Precision | undefined;
}

/**
 * A device by its name, tried: `cpu`, `cuda`, `cuda:1`, `webgpu`, or `auto`, which takes the fastest that is there by a
 * product of matrices, and tells the reporter which.
 * @throws DiffoError (usage) for a name of no device, or a precision that it does not have; one that says what to install where the device is not there
 * @example
 * const model = await loadModel('sentence-transformers/all-MiniLM-L6-v2', { device: 'webgpu' });
 */
export async function openDevice(name: string, options: OpenDeviceOptions = {}): Promise<ComputeDevice> {
  if (name === 'auto') return atPrecision(await fastestDevice(options), options.precision);
  const device = deviceNamed(name);
  if (device === undefined) {
    throw usageError(`"${name}" is no device; there are ${deviceNames.join(', ')}, and cuda:1, cuda:2, …`);
  }
  const placed = atPrecision(device, options.precision);
  if (device !== usualDevice && !held.has(device.name)) held.set(device.name, await tryDevice(device));
  return placed;
}

/** @throws DiffoError (usage) where the device has no such precision, or has been opened with another */
function atPrecision(device: ComputeDevice, precision = device.precision): ComputeDevice {
  const others = Object.keys(device.otherPrecisions);
  const known = opened.get(device.name);
  if (precision !== device.precision && !others.includes(precision)) {
    const has = [device.precision, ...others].join(' and ');
    throw usageError(
      `The device ${device.name} computes products in ${has}, and ${precision} is not built for it. Leave precision out.`,
    );
  }
  if (known !== undefined && known !== precision) {
    throw usageError(
      `The device ${device.name} computes in ${known} in this process already. Take ${precision} in a process of its own.`,
    );
  }
  opened.set(device.name, precision);
  device.otherPrecisions[precision]?.();
  return { ...device, precision };
}

/** What each device of this process computes in. */
const opened = new Map<string, Precision>();

/**
 * A session a device that was opened, as long as the process lives: with the last session on it ONNX Runtime would give up the
 * device and the programs that it compiled (WebGPU), and what follows would compile them anew.
 */
const held = new Map<string, Session>();

/** Runs the smallest graph there is. */
async function tryDevice(device: ComputeDevice): Promise<Session> {
  const missing = device.lacks?.();
  if (missing !== undefined) throw new DiffoError(`The device ${device.name} is not there: ${missing}. ${device.cure}`);
  const x = input('x', 'float32', ['one']);
  try {
    const session = await openSession({ y: ops.add(x, x) }, { threads: 1, device });
    await session.run({ x: { data: Float32Array.of(1), shape: [1] } });
    return session;
  } catch (error) {
    const reason = reasonOf(error);
    throw new DiffoError(`The device ${device.name} is not there: ${reason}. ${device.cure}`, { cause: error });
  }
}

/** What ONNX Runtime says, without where in its code it says so. */
export function reasonOf(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error);
  const last = said
    .trim()
    .split('\n')[0]!
    .replace(/^ONNX Runtime (refused the graph|failed in a step): /, '');
  const plain = last.replace(/^.*was false\. /, '').replace(/^.*\.cc:\d+ /, '');
  return plain.replace(/\.$/, '');
}

async function fastestDevice({ reporter = silent }: ProgressOptions): Promise<ComputeDevice> {
  const threads = availableParallelism();
  const candidates = acceleratorsFor((await nvidiaCards()).length);
  const trials: { device: ComputeDevice; ms: number }[] = [];
  for (const device of [usualDevice, ...candidates]) {
    const found = await probe(device, threads);
    if (found.isThere) trials.push({ device, ms: found.productMs });
  }
  const [first = { device: usualDevice, ms: 0 }] = trials.toSorted((a, b) => a.ms - b.ms);
  const others = trials.map(({ device, ms }) => `${device.name} ${ms.toPrecision(2)} ms`).join(', ');
  reporter.info(`Device: ${first.device.name}, the fastest at a product of 1024 × 1024 matrices (${others})`);
  return first.device;
}
