import { availableParallelism, cpus, totalmem } from 'node:os';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { type Card, graphicsDrivers, nvidiaCards } from '../runtime/devices/machine.js';
import { probe } from '../runtime/devices/probe.js';
import { acceleratorsFor, usualDevice } from '../runtime/devices/registry.js';
import { webgpu } from '../runtime/devices/webgpu.js';

/** A device that a machine may have, and what a trial of it gave. */
export interface FoundDevice {
  /** As `--device` takes it. */
  readonly device: string;
  readonly isThere: boolean;
  /** Of the processor or the card, where its driver says it. */
  readonly name?: string | undefined;
  readonly memoryBytes?: number | undefined;
  readonly driver?: string | undefined;
  /** Largest difference of the loss and gradients of a small training step from the CPU's, over the largest of each. */
  readonly difference?: number | undefined;
  /** A product of two 1024 × 1024 matrices, in milliseconds. */
  readonly productMs?: number | undefined;
  /** Why it is not there, and what to do. */
  readonly reason?: string | undefined;
}

/**
 * `diffora devices`: the processor, every NVIDIA card, and WebGPU, each tried in a process of its own by a training step that is
 * compared with the CPU's.
 */
export async function findDevices({ reporter = silent, signal }: ProgressOptions = {}): Promise<FoundDevice[]> {
  const cards = await nvidiaCards();
  const drivers = (await graphicsDrivers()).join(', ');
  const found: FoundDevice[] = [];
  // Without a card CUDA is shown once, with the reason.
  const accelerators = acceleratorsFor(Math.max(cards.length, 1));
  const phase = reporter.phase('devices', accelerators.length + 1);
  for (const [i, device] of [usualDevice, ...accelerators].entries()) {
    signal?.throwIfAborted();
    const facts = i === 0 ? processor() : (cards[i - 1] ?? { driver: device.name === webgpu.name ? drivers : '' });
    const trial = await probe(device, availableParallelism());
    found.push({
      device: device.name,
      ...presentFacts(facts),
      ...(trial.isThere ? trial : { isThere: false, reason: `${trial.reason}. ${device.cure}` }),
    });
    phase.update(i + 1);
  }
  phase.end();
  return found;
}

function processor(): Partial<Card> {
  return { name: cpus()[0]?.model ?? '', memoryBytes: totalmem(), driver: `${availableParallelism()} threads` };
}

function presentFacts(facts: Partial<Card>): Partial<Card> {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== '' && value !== undefined));
}
