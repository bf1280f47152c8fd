import { describe, expect, it } from 'vitest';
import { silent } from '../../src/reporter.js';
import { cardsOf } from '../../src/runtime/devices/machine.js';
import { openDevice } from '../../src/runtime/devices/openDevice.js';
import { probe } from '../../src/runtime/devices/probe.js';
import { acceleratorsFor, deviceNamed, numberedDevice } from '../../src/runtime/devices/registry.js';
import { selfTest } from '../../src/runtime/devices/selfTest.js';
import { webgpu } from '../../src/runtime/devices/webgpu.js';
import { errorOf } from '../data/files.js';
import { hasWebgpu } from '../webgpu.js';

describe('a device', () => {
  it('has the name that --device gives it, cards of NVIDIA a number from the second on', () => {
    expect(['cpu', 'cuda', 'cuda:0', 'cuda:12', 'webgpu'].map((name) => deviceNamed(name)?.name)).toEqual([
      'cpu',
      'cuda',
      'cuda',
      'cuda:12',
      'webgpu',
    ]);
    expect(['auto', 'gpu', 'cuda:', 'cuda:x', 'CUDA'].map(deviceNamed)).toEqual(Array(5).fill(undefined));
    expect(acceleratorsFor(2).map(({ name }) => name)).toEqual(['cuda', 'cuda:1', 'webgpu']);
    expect(numberedDevice.test('cuda:1')).toBe(true);
  });

  it('that nobody knows is wrong usage', async () => {
    const error = await errorOf(openDevice('gpu'));
    expect(error.message).toBe('"gpu" is no device; there are cpu, auto, cuda, webgpu, and cuda:1, cuda:2, …');
    expect(error.exitCode).toBe(2);
  });

  it('of NVIDIA is read off nvidia-smi: name, MiB, driver', () => {
    const printed = 'NVIDIA H200, 143771, 580.95.05\nNVIDIA A2, [N/A], 580.95.05\n';
    expect(cardsOf(printed)).toEqual([
      { name: 'NVIDIA H200', memoryBytes: 143_771 * 2 ** 20, driver: 'NVIDIA 580.95.05' },
      { name: 'NVIDIA A2', memoryBytes: undefined, driver: 'NVIDIA 580.95.05' },
    ]);
    expect(cardsOf('')).toEqual([]);
  });

  it('that a machine cannot have is not there, and says what it needs', async () => {
    const error = await errorOf(openDevice('cuda:99'));
    expect(error.message).toMatch(/^The device cuda:99 is not there: .*\. It needs Linux on x86-64.*onnxruntime-gpu/);
    expect(error.exitCode).toBe(1);
  });

  it('refuses a precision that it does not have, by name', async () => {
    const error = await errorOf(openDevice('cpu', { precision: 'bf16' }));
    expect(error.message).toBe(
      'The device cpu computes products in fp32, and bf16 is not built for it. Leave precision out.',
    );
    expect(error.exitCode).toBe(2);
    expect((await openDevice('cpu', { precision: 'fp32' })).precision).toBe('fp32');
    expect((await errorOf(openDevice('cuda:99', { precision: 'fp16' }))).message).toContain(
      'in tf32 and fp32, and fp16 is',
    );
  });

  it('is tried by a training step, in which the CPU differs from itself by nothing', async () => {
    const { difference, productMs } = await selfTest(deviceNamed('cpu')!, 1);
    expect(difference).toBe(0);
    expect(productMs).toBeGreaterThan(0);
  });

  it('is tried in a process of its own, whose end is an answer', async () => {
    expect(await probe(deviceNamed('cuda:99')!, 1)).toMatchObject({ isThere: false });
  });

  it.skipIf(!hasWebgpu)('by WebGPU differs from the CPU by rounding', async () => {
    expect((await selfTest(webgpu, 1)).difference).toBeLessThan(1e-4);
  });

  it('is the fastest that is there where any is asked for, and that is said', async () => {
    const lines: string[] = [];
    const { name } = await openDevice('auto', { reporter: { ...silent, info: (line) => lines.push(line) } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(new RegExp(`^Device: ${name}, the fastest at a product of 1024 × 1024 matrices \\(cpu `));
  });
});
