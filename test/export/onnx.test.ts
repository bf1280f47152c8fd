import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeModel } from '../../src/export/onnx/file.js';
import { fp32 } from '../../src/export/onnx/fp32.js';
import { inferenceGraph } from '../../src/export/onnx/graph.js';
import { onnx } from '../../src/export/onnx.js';
import type { ExportSource } from '../../src/export/source.js';
import { openModelFile } from '../../src/runtime/onnxNode.js';
import type { Value } from '../../src/runtime/session.js';
import { expectClose, type Oracle } from '../fixtures.js';
import {
  type FamilyBatch,
  type FamilyCase,
  type FamilyTask,
  familyNames,
  familySource,
  readFamily,
} from './familySources.js';

const folder = mkdtempSync(join(tmpdir(), 'diffora-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const all = { dtypes: [], adapterAlone: false };

/** Logits of the task's largest size; merged weights are rounded once more than a branch beside them. */
const tolerance = { relative: 1e-4, floor: 1e-4 };

let count = 0;
async function written(source: ExportSource) {
  const path = join(folder, `${count++}.onnx`);
  const model = fp32.apply(inferenceGraph(source), new Set());
  await writeModel(path, model);
  return { model, session: await openModelFile(path, { threads: 1 }) };
}

const feedsOf = (oracle: Oracle<FamilyCase>, batch: FamilyBatch): Record<string, Value> => ({
  input_ids: oracle.at(batch.inputIds),
  attention_mask: oracle.at(batch.attentionMask),
  token_type_ids: oracle.at(batch.tokenTypeIds),
});

/** Empty caches, and positions by the mask as transformers.js counts them. */
function causalFeeds(source: ExportSource, feeds: Record<string, Value>): Record<string, Value> {
  const { layers, heads, headSize } = source.opened.model.cached!;
  const { attention_mask: mask } = feeds as { attention_mask: Value };
  const [batch, seq] = mask.shape as [number, number];
  const empty: Value = { data: new Float32Array(), shape: [batch, heads, 0, headSize] };
  const names = Array.from({ length: layers }, (_, i) => [`past_key_values.${i}.key`, `past_key_values.${i}.value`]);
  const positions = new BigInt64Array(batch * seq);
  for (let row = 0; row < batch; row++) {
    let next = 0n;
    for (let i = row * seq; i < (row + 1) * seq; i++) positions[i] = mask.data[i] === 0n ? 1n : next++;
  }
  return {
    ...feeds,
    position_ids: { data: positions, shape: [batch, seq] },
    ...Object.fromEntries(names.flat().map((name) => [name, empty])),
  };
}

/** What the file gives in the form of the oracle, padding left out where nobody reads it. */
function comparable(results: Record<string, { data: ArrayLike<number | bigint> }>, task: FamilyTask): number[] {
  if (task.taskType !== 'QUESTION_ANS') return Array.from(results.logits!.data, Number);
  const end = results.end_logits!.data;
  return Array.from(results.start_logits!.data, Number).flatMap((start, i) => [start, Number(end[i])]);
}

function visible(values: ArrayLike<number | bigint>, mask: Value, task: FamilyTask): number[] {
  if (task.taskType !== 'TOKEN_CLS') return Array.from(values, Number);
  const width = values.length / mask.data.length;
  return Array.from(values, Number).filter((_, i) => mask.data[Math.floor(i / width)] === 1n);
}

describe.each(familyNames)('%s as ONNX', (name) => {
  it('gives the logits of transformers, and of PEFT with an adapter folded in', async () => {
    const oracle = await readFamily(name);
    for (const task of oracle.description.tasks) {
      for (const adapted of [false, true]) {
        const source = await familySource(name, oracle, task, { adapted });
        const reason = await onnx.refuse(source, all);
        if (source.opened.model.encoder === undefined && task.taskType !== 'CAUSAL_LM') {
          expect(reason).toMatch(/transformers.js runs no .* with a \w+ head, only for generation/);
          continue;
        }
        expect(reason).toBeUndefined();
        const { session } = await written(source);
        for (const batch of task.batches) {
          const plain = feedsOf(oracle, batch);
          const isCausal = task.taskType === 'CAUSAL_LM';
          const results = await session.run(isCausal ? causalFeeds(source, plain) : plain);
          let values: ArrayLike<number | bigint> = comparable(results, task);
          if (batch.rows !== undefined) {
            const vocabulary = source.opened.model.vocabSize;
            const all = values as number[];
            values = Array.from(oracle.at(batch.rows).data as BigInt64Array, Number).flatMap((row) =>
              all.slice(row * vocabulary, (row + 1) * vocabulary),
            );
          }
          const expected = oracle.at(adapted ? batch.logits : batch.baseLogits).data;
          const mask = oracle.at(batch.attentionMask);
          const what = `${task.kind} ${batch.name}${adapted ? ' adapted' : ''}`;
          expectClose(what, visible(values, mask, task), visible(expected, mask, task), tolerance);
        }
        await session.release();
      }
    }
  });

  it('holds operators of the ONNX standard alone', async () => {
    const oracle = await readFamily(name);
    const source = await familySource(name, oracle, oracle.description.tasks[0]!);
    if ((await onnx.refuse(source, all)) !== undefined) return;
    const { nodes } = inferenceGraph(source);
    expect(nodes.filter(({ domain }) => domain !== '')).toEqual([]);
    expect(nodes.filter(({ opType }) => opType === 'SimplifiedLayerNormalization')).toEqual([]);
  });
});

describe('a causal file', () => {
  const ids = [7, 23, 5, 41, 12, 8, 33, 19];
  const integers = (values: readonly number[], rows: number): Value => ({
    data: BigInt64Array.from(values, BigInt),
    shape: [rows, values.length / rows],
  });

  it.each(['llama', 'mistral', 'qwen2', 'gpt2'])(
    '%s: pads a batch on the left without a change of a text',
    async (name) => {
      const oracle = await readFamily(name);
      const task = oracle.description.tasks.find(({ taskType }) => taskType === 'CAUSAL_LM')!;
      const source = await familySource(name, oracle, task);
      const { session } = await written(source);
      const { vocabSize } = source.opened.model;
      const run = (feeds: Record<string, Value>) => session.run(causalFeeds(source, feeds));
      const short = ids.slice(0, 5);
      const alone = await run({
        input_ids: integers(short, 1),
        attention_mask: integers(
          short.map(() => 1),
          1,
        ),
      });
      const both = await run({
        input_ids: integers([...ids, 0, 0, 0, ...short], 2),
        attention_mask: integers([...ids.map(() => 1), 0, 0, 0, ...short.map(() => 1)], 2),
      });
      const last = (results: typeof alone, tokens: number) =>
        results.logits!.data.slice((tokens - 1) * vocabSize, tokens * vocabSize);
      expectClose('the padded text', last(both, 2 * ids.length), last(alone, short.length), {
        relative: 1e-5,
        floor: 1e-5,
      });

      // One token more, on the caches of both.
      const caches = Object.fromEntries(
        Object.entries(both).flatMap(([key, value]) =>
          key.startsWith('present.') ? [[key.replace('present', 'past_key_values'), value] as const] : [],
        ),
      );
      const next = await session.run({
        ...caches,
        input_ids: integers([9, 9], 2),
        attention_mask: integers([...ids.map(() => 1), 1, 0, 0, 0, ...short.map(() => 1), 1], 2),
        position_ids: integers([ids.length, short.length], 2),
      });
      const whole = [...short, 9];
      const expected = await run({
        input_ids: integers(whole, 1),
        attention_mask: integers(
          whole.map(() => 1),
          1,
        ),
      });
      expectClose('the token after it', last(next, 2), last(expected, whole.length), { relative: 1e-5, floor: 1e-5 });
      await session.release();
    },
  );
});
