import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { collate } from '../../src/engine/batching.js';
import { batchFeeds } from '../../src/engine/modelGraph.js';
import { openProgram, type Program } from '../../src/engine/program.js';
import { onTokens, tokenFeeds } from '../../src/engine/tokenRows.js';
import type { Tensor } from '../../src/graph/index.js';
import type { Model, TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { expectClose, oraclePath, readOracle, type TensorKeys } from '../fixtures.js';
import { nightly } from '../nightly.js';
import { parametersOf } from './tinyBert.js';

interface Described {
  readonly tasks: readonly { readonly taskType: TaskType; readonly numLabels: number; readonly head: TensorKeys }[];
}

const names = readdirSync(oraclePath('families'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  // Texts that are written while others are read have a test of their own (test/infer/textWriter.test.ts).
  .filter((name) => !name.endsWith('t5'));

/** Any batches of rows, of lengths from one token to the longest that the model takes. */
const batches = ({ maxLength, vocabSize }: Model) =>
  fc.array(fc.array(fc.integer({ min: 5, max: vocabSize - 1 }), { minLength: 1, maxLength }), {
    minLength: 2,
    maxLength: 5,
  });

const forms = { padded: (logits: Tensor) => logits, packed: onTokens };
const cases = names.flatMap((name) => Object.entries(forms).map(([form, of]) => ({ name, form, of })));

describe.each(cases)('$name, $form', ({ name, of }) => {
  let model: Model;
  let program: Program<'logits'>;
  beforeAll(async () => {
    const oracle = await readOracle<Described>(`families/${name}`);
    const { taskType, numLabels, head } = oracle.description.tasks[0]!;
    model = openModel(await openCheckpoint(oraclePath('families', name)), { taskType, numLabels });
    program = await openProgram(model, {
      plan: noAdapters,
      parameters: parametersOf(oracle.all(head)),
      threads: 1,
      outputs: (graph) => ({ logits: of(graph.logits()) }),
    });
  });
  afterAll(() => program.release());

  /** Logits of each row, those of padding left out. */
  async function logitsOf(rows: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const examples = rows.map((ids, index) => {
      const inputIds = Int32Array.from(ids);
      return { inputIds, tokenTypeIds: new Int32Array(ids.length), label: undefined, index };
    });
    const batch = collate(examples, model.padTokenId);
    const { logits } = await program.run({ ...batchFeeds(batch, false), ...tokenFeeds(batch) });
    const perRow = logits.data.length / rows.length;
    const perToken = model.outputsOf === 'sequence' ? undefined : model.numLabels;
    return rows.map(({ length }, i) => {
      return logits.data.slice(i * perRow, i * perRow + (perToken === undefined ? perRow : length * perToken));
    });
  }

  it('says of a row what it says of it alone, whatever is beside it', async () => {
    const claim = fc.asyncProperty(batches(model), async (rows) => {
      const together = await logitsOf(rows);
      for (const [i, row] of rows.entries()) {
        const [alone] = await logitsOf([row]);
        expectClose(`row ${i} of ${rows.map(({ length }) => length)}`, together[i]!, alone!, {
          relative: 1e-4,
          floor: 1e-4,
        });
      }
    });
    await fc.assert(claim, { numRuns: nightly ? 100 : 5, seed: 1 });
  });
});
