import type { ComputeDevice } from './computeDevice.js';
import { cpu } from './cpu.js';
import { cuda } from './cuda.js';
import { webgpu } from './webgpu.js';

/** What `--device` takes beside `cuda:1`, `cuda:2`, …; `auto`: the fastest that is there. */
export const deviceNames = ['cpu', 'auto', 'cuda', 'webgpu'] as const;

/** `cuda:1` and the like. */
export const numberedDevice = /^cuda:\d{1,3}$/;

/** The device that runs where nothing is said. */
export const usualDevice: ComputeDevice = cpu;

/** The device of a name, whether it is there or not; undefined for no name of one (`auto` is none). */
export function deviceNamed(name: string): ComputeDevice | undefined {
  if (numberedDevice.test(name)) return cuda(Number(name.slice('cuda:'.length)));
  return [cpu, cuda(), webgpu].find((one) => one.name === name);
}

/** Those that a machine may have beside its processor, the likely fastest first. @param cards of NVIDIA */
export function acceleratorsFor(cards: number): ComputeDevice[] {
  return [...Array.from({ length: cards }, (_, index) => cuda(index)), webgpu];
}
