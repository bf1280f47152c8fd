import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { collate } from '../../src/engine/batching.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { openLaneSteps } from '../../src/engine/laneSteps.js';
import { stackLanes } from '../../src/engine/laneUpdate.js';
import { adapterParameters, headParameters, type Parameter } from '../../src/engine/parameters.js';
import { openModel } from '../../src/models/registry.js';
import { randomStream } from '../../src/random.js';
import { openGates } from '../../src/selection/moduleGates.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';

const families = ['bert', 'roberta', 'distilbert', 'deberta-v3', 'gpt2', 'llama'] as const;
const lanes = 3;

describe('several trainings in one graph', () => {
  it.each([...families.map((family) => [family, [4, 4, 4]] as const), ['bert', [4, 3, 4]] as const])(
    '%s, batches of %s: each has the loss and the gradients that it has alone',
    async (family, sizes) => {
      const model = openModel(await openCheckpoint(oraclePath('families', family)), {
        taskType: 'SEQ_CLS',
        numLabels: 3,
      });
      const plan = planOf(model);
      const gates = openGates(model, 0);
      const random = randomStream(1, 'lanes');
      const each: Parameter[][] = [];
      for (let lane = 0; lane < lanes; lane++) {
        const own = [
          ...(await adapterParameters(plan, model, lane)),
          ...(await headParameters(model, lane)),
          openGates(model, 0).parameter,
        ];
        for (const { values } of own) for (let i = 0; i < values.length; i++) values[i]! += 0.1 * random.normal();
        each.push(own);
      }
      const objective = objectives.classification;
      const batches = each.map((_, lane) =>
        collate(
          examples(12, 'a')
            .slice(lane, lane + sizes[lane]!)
            .map((one, i) => ({ ...one, inputIds: one.inputIds.map((id) => 10 + (id % 50)), label: (lane + i) % 3 })),
          model.padTokenId,
          objective,
          8,
        ),
      );
      const options = { objective, plan, parameters: each[0]!, wrt: each[0]!, gates: gates.of, threads: 1 };
      const together = await openLaneSteps(model, options, { count: lanes, tensors: stackLanes(each).tensors });
      await together.run(
        batches.map((batch) => [batch]),
        0,
      );
      for (const [lane, parameters] of each.entries()) {
        const alone = await openGradientStep(model, {
          ...options,
          parameters,
          wrt: parameters,
          largestBatch: { batch: 4, seq: 8 },
        });
        const loss = await alone.run(batches[lane]!, 0);
        expect(together.losses[lane]).toBeCloseTo(loss, 5);
        for (const [k, gradient] of alone.gradients.entries()) {
          const own = together.gradients[k]!.subarray(lane * gradient.length, (lane + 1) * gradient.length);
          expectClose(parameters[k]!.name, own, gradient, { relative: 1e-3, floor: 2e-6 });
        }
        await alone.release();
      }
      await together.release();
    },
  );
});
