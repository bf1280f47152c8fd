import { readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import { modelLogits } from '../../src/engine/modelGraph.js';
import type { Decoder } from '../../src/infer/decoder.js';
import { generate } from '../../src/infer/generate.js';
import { openTextWriter, type TextWriter } from '../../src/infer/textWriter.js';
import { openWritingDecoder } from '../../src/infer/writingDecoder.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { openSession } from '../../src/runtime/session.js';
import { expectClose, oraclePath } from '../fixtures.js';

interface Text {
  readonly source: readonly number[];
  /** What transformers' `generate` gives, greedily, and with a penalty of 1.5 on what was written. */
  readonly written: readonly number[];
  readonly penalised: readonly number[];
}

/** test/oracle/family_t5.py */
const { cases, maxNewTokens } = JSON.parse(readFileSync(oraclePath('written', 't5.json'), 'utf8')) as {
  readonly maxNewTokens: number;
  readonly cases: readonly { readonly model: string; readonly factor: number; readonly texts: readonly Text[] }[];
};
const [end, unused] = [1, { plan: noAdapters, parameters: [], threads: 1 }];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A checkpoint of the family oracle with its weights times a factor. */
async function scaled(name: string, factor: number): Promise<Model> {
  const place = join(folder, `${name}-${factor}`);
  const { tensors } = await openCheckpoint(oraclePath('families', name));
  await mkdir(place);
  await copyFile(oraclePath('families', name, 'config.json'), join(place, 'config.json'));
  const changed = [...tensors.values()].map(async (tensor) => ({
    name: tensor.name,
    shape: tensor.shape,
    data: (await readTensor(tensor)).map((value) => value * factor),
  }));
  await writeSafetensors(join(place, 'model.safetensors'), await Promise.all(changed));
  return openModel(await openCheckpoint(place), { taskType: 'SEQ_2_SEQ_LM', numLabels: 0 });
}

/** As transformers gives it, the end among the tokens. */
const withEnd = ({ ids, finish }: { ids: readonly number[]; finish: string }) =>
  finish === 'stop' ? [...ids, end] : [...ids];

describe.each(cases.map((one) => [`${one.model}, weights times ${one.factor}`, one] as const))(
  'an encoder-decoder writes (%s)',
  (_, { model: name, factor, texts }) => {
    let model: Model;
    let writer: TextWriter;
    let decoder: Decoder;
    beforeAll(async () => {
      model = await scaled(name, factor);
      writer = await openTextWriter(model, unused);
      decoder = await openWritingDecoder(model, unused);
    });
    afterAll(() => Promise.all([writer.release(), decoder.release()]));

    const options = { maxNewTokens, stopTokenIds: [end] };
    const sources = texts.map(({ source }) => source);

    it('what transformers writes, token for token', async () => {
      const written = await writer.write(sources, options);
      expect(written.map(withEnd)).toEqual(texts.map((text) => text.written));
    });

    it('the same whatever is beside it, as texts come and go', async () => {
      const many = [...sources, ...sources.toReversed(), ...sources];
      const done: number[] = [];
      const all = await writer.write(many, { ...options, onDone: (count) => done.push(count) });
      for (const [i, source] of many.entries()) expect(all[i]).toEqual((await writer.write([source], options))[0]);
      expect(done).toEqual(many.map((__, i) => i + 1));
    });

    it.each([
      ['written', 1],
      ['penalised', 1.5],
    ] as const)('token by token what is %s, the penalty being on what is written alone', async (key, penalty) => {
      for (const text of texts) {
        const settings = {
          ...options,
          temperature: 0,
          seed: 0,
          maxLength: model.maxLength,
          repetitionPenalty: penalty,
        };
        const run = generate(decoder, text.source, settings);
        const ids: number[] = [];
        let step = await run.next();
        for (; step.done !== true; step = await run.next()) ids.push(step.value);
        expect(withEnd({ ids, finish: step.value })).toEqual(text[key]);
      }
    });

    it('from the logits that the whole text has, and from any state again', async () => {
      const target = [model.encoderDecoder!.startTokenId, 5, 9, 3, 12, 7, 4, 8, 11, 2, 6, 10, 5, 13, 3, 9];
      const source = sources.find(({ length }) => length > 8)!;
      const session = await openSession(
        { logits: modelLogits(model, { plan: noAdapters, parameters: new Map() }) },
        { threads: 1 },
      );
      const ids = (values: readonly number[]) => ({
        data: BigInt64Array.from(values, BigInt),
        shape: [1, values.length],
      });
      const feeds = { input_ids: ids(source), attention_mask: ids(source.map(() => 1)), target_ids: ids(target) };
      const whole = (await session.run(feeds)).logits!.data as Float32Array;
      await session.release();
      const size = whole.length / target.length;
      const tolerance = { relative: 1e-4, floor: 1e-4 * factor };
      let at = await decoder.next(decoder.emptyState, source);
      const first = at;
      for (const [i, id] of [...target.slice(1), undefined].entries()) {
        expectClose(`token ${i + 1}`, at.logits, whole.subarray(i * size, (i + 1) * size), tolerance);
        if (id !== undefined) at = await decoder.next(at.state, [id]);
      }
      const several = await decoder.next(first.state, target.slice(1, 4));
      expectClose('again', several.logits, whole.subarray(3 * size, 4 * size), tolerance);
    });
  },
);

it('ends where it is told to', async () => {
  const model = openModel(await openCheckpoint(oraclePath('families', 't5')), {
    taskType: 'SEQ_2_SEQ_LM',
    numLabels: 0,
  });
  const writer = await openTextWriter(model, unused);
  const stopped = AbortSignal.abort();
  await expect(writer.write([[3, 4]], { maxNewTokens: 4, stopTokenIds: [], signal: stopped })).rejects.toThrow();
  expect(await writer.write([], { maxNewTokens: 4, stopTokenIds: [] })).toEqual([]);
  await writer.release();
});

it('is refused for a model of one half', async () => {
  const model = openModel(await openCheckpoint(oraclePath('families', 'llama')), {
    taskType: 'CAUSAL_LM',
    numLabels: 0,
  });
  await expect(openTextWriter(model, unused)).rejects.toThrow('cannot write a text while it reads another');
});
