import { type Dim, input } from '../graph/index.js';
import type { Session } from './compiled.js';
import type { ComputeDevice } from './devices/computeDevice.js';
import type { DeviceTensor, HostTensor } from './deviceTensor.js';
import { openOn } from './openOn.js';
import type { Releasable } from './release.js';

/** Tensors as graphs are fed them: on a device that keeps results, copies there. */
export interface Placed extends Releasable {
  readonly tensors: Readonly<Record<string, DeviceTensor<Float32Array>>>;
}

interface Copy {
  readonly tensor: Promise<DeviceTensor<Float32Array>>;
  users: number;
}

/** By the tensor of the host and the device's name; a copy is given back by the last of its users. */
const copiesOf = new WeakMap<HostTensor<Float32Array>, Map<string, Copy>>();

/**
 * Copies tensors whose numbers do not change to a device once, for all graphs that are fed them, where they would go there with
 * every run. A device that keeps no results gets them as they are.
 */
export async function placeOn(
  device: ComputeDevice,
  tensors: Readonly<Record<string, HostTensor<Float32Array>>>,
): Promise<Placed> {
  if (device.keepsResults !== true) return { tensors, release: async () => {} };
  const used: { tensor: HostTensor<Float32Array>; copy: Copy }[] = [];
  const release = async () => {
    for (const { tensor, copy } of used.splice(0)) {
      if (--copy.users > 0) continue;
      copiesOf.get(tensor)?.delete(device.name);
      (await copy.tensor.catch(() => undefined))?.dispose();
    }
  };
  try {
    const placed: [string, DeviceTensor<Float32Array>][] = [];
    for (const [name, tensor] of Object.entries(tensors)) {
      const byDevice = copiesOf.get(tensor) ?? new Map<string, Copy>();
      copiesOf.set(tensor, byDevice);
      const copy = byDevice.get(device.name) ?? { tensor: copied(tensor, device), users: 0 };
      byDevice.set(device.name, copy);
      copy.users++;
      used.push({ tensor, copy });
      placed.push([name, await copy.tensor]);
    }
    return { tensors: Object.fromEntries(placed), release };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * What copies tensors to a device, by its name and their rank, as long as the process lives: ONNX Runtime gives a tensor's memory back
 * through the session that made it.
 */
const copiers = new Map<string, Promise<Session>>();
/** The runs of the copiers, one after the other. */
const copying: { last: Promise<unknown> } = { last: Promise.resolve() };

function copied(tensor: HostTensor<Float32Array>, device: ComputeDevice): Promise<DeviceTensor<Float32Array>> {
  const key = `${device.name} ${tensor.shape.length}`;
  const opening = copiers.get(key) ?? openCopier(device, tensor.shape.length);
  copiers.set(key, opening);
  opening.catch(() => copiers.delete(key));
  const copy = copying.last.then(async () => {
    const session = await opening;
    await session.run({ given: tensor });
    return session.kept!.get('kept')!;
  });
  copying.last = copy.catch(() => {});
  return copy;
}

function openCopier(device: ComputeDevice, rank: number): Promise<Session> {
  const sizes: Dim[] = Array.from({ length: rank }, (_, axis) => `size ${axis}`);
  return openOn(device, { kept: input('given', 'float32', sizes) }, { threads: 1, onDevice: ['kept'] });
}
