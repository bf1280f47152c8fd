import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type * as inBrowser from '../../src/browser/index.js';
import { type ExampleRow, loadModel, silent, type TrainSettings, taskFromExamples, train } from '../../src/index.js';

declare const diffora: typeof inBrowser;

/** What a page gives of a training, as JSON carries it. */
export interface Told {
  readonly losses: readonly (number | null)[];
  readonly matrix: inBrowser.MatrixFrame | undefined;
  readonly frames: number;
  /** Median of the steps after the first, in milliseconds. */
  readonly stepMs: number;
  readonly scores: inBrowser.Scores;
  readonly predictions: readonly { readonly label: unknown; readonly score: number }[];
  readonly files: readonly (readonly [name: string, base64: string])[];
  readonly notes: readonly string[];
}

export interface Order {
  readonly url: string;
  readonly device: 'wasm' | 'webgpu';
  readonly rows: readonly ExampleRow[];
  readonly settings: object;
  readonly texts: readonly string[];
}

/** Trains in the page. */
export const inPage = (page: Page, order: Order): Promise<Told> =>
  page.evaluate(async ({ url, device, rows, settings, texts: asked }) => {
    const notes: string[] = [];
    const onNote = (sentence: string) => notes.push(sentence);
    let frames = 0;
    const times: number[] = [];
    const onStep = () => times.push(performance.now());
    const model = await diffora.loadModel({ url, device, onNote });
    const task = diffora.taskFromExamples(rows);
    const adapter = await diffora.train(model, task, settings, { onNote, onStep, onMatrix: () => frames++ });
    const predictions = await adapter.predict(asked);
    const base64 = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    const files = [...(await adapter.save())].map(([name, bytes]) => [name, base64(bytes)] as const);
    await adapter.close();
    const { steps, matrix, scores } = adapter;
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    const stepMs = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
    return { losses: steps.map(({ loss }) => loss), matrix, frames, stepMs, scores, predictions, files, notes };
  }, order);

/** The same in Node. */
export async function inNode(
  folder: string,
  { rows, settings, texts }: Pick<Order, 'rows' | 'texts'> & { readonly settings: TrainSettings },
) {
  const model = await loadModel(folder);
  const times: number[] = [];
  const reporter = { ...silent, stepped: () => times.push(performance.now()) };
  await using adapter = await train(model, taskFromExamples(rows), { ...settings, threads: 1 }, { reporter });
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  const stepMs = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
  const { steps, dam, scores } = adapter;
  return { losses: steps.map(({ loss }) => loss!), dam, scores, stepMs, predictions: await adapter.predict(texts) };
}

/** Each within the tolerance. */
export function expectNear(found: readonly (number | null)[], expected: readonly number[], tolerance: number) {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries())
    expect(Math.abs(found[i]! - value), `${i}: ${found[i]}`).toBeLessThan(tolerance);
}
