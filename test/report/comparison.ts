import { parseCompareConfig } from '../../src/jobs/compare/config.js';
import type { CompareRecord } from '../../src/jobs/compare/records.js';
import type { Comparison } from '../../src/jobs/compare/run.js';
import { randomStream } from '../../src/random.js';
import { classification } from '../../src/tasks/kinds/classification.js';

const labels = Array.from({ length: 300 }, (_, i) => i % 2);
const modules = ['attention.self.query', 'attention.self.value', 'intermediate.dense', 'output.dense'];

/** A comparison of three methods on two tasks with known shares of errors: on the second, two do as well as each other. */
export function madeUpComparison(): Comparison {
  const methods = ['head', { name: 'LoRA | <b>all</b>', method: 'lora' }, 'diffora'];
  const config = parseCompareConfig(
    { title: 'Made up', tasks: ['cola', 'rte'], methods, budget: 1000, validationLoss: true },
    'made-up.yaml',
  );
  const errors: Record<string, number[]> = { cola: [0.4, 0.3, 0.05], rte: [0.4, 0.2, 0.2] };
  const task = { kind: classification, labels: ['no', 'yes'], metrics: ['accuracy', 'f1'] as const };
  const runs = config.tasks.flatMap(({ name }) =>
    config.methods.flatMap(({ name: method }, m) =>
      config.seeds.map((seed): CompareRecord => {
        const stream = randomStream(seed, name, method);
        const predicted = labels.map((label) => (stream.uniform() < errors[name]![m]! ? 1 - label : label));
        const accuracy = predicted.filter((one, i) => one === labels[i]).length / labels.length;
        const values = Array.from({ length: 3 }, () => modules.map(() => stream.uniform()));
        return {
          ...{
            format: 'diffora-compare/1',
            kind: 'run',
            key: `${name}${m}${seed}`,
            model: config.models[0]!,
            task: name,
          },
          ...{ method, seed, lr: 1e-3, status: 'done', code: 'code', data: {}, threads: 1, adapterBytes: 4000 },
          scores: { accuracy, f1: accuracy },
          // Of the last two methods the last has the lower loss on every example, and on rte too.
          validation: validationOf(seed, m),
          parameters: { trainable: 1500, adapter: 990, kept: m === 0 ? 0 : 990, replaced: 0, head: 510 },
          seconds: { total: 60 + m },
          peakMemoryBytes: 4e8,
          curve: [
            [10, 0.7],
            [20, 0.7 - m / 10],
          ],
          predicted,
          ...(m === 2
            ? { dam: { modules, values, gamma: values.map((row) => row.map((one) => (one > 0.5 ? 1 : 0))) } }
            : {}),
        };
      }),
    ),
  );
  const failed: CompareRecord = { ...runs[0]!, status: 'failed', error: 'out of luck, "quoted"' };
  const { scores: _, parameters: __, predicted: ___, validation: ____, ...bare } = failed;
  const facts = config.tasks.map(({ name }) => {
    return {
      name,
      labels,
      examples: labels.length,
      task: { ...task, name, columns: { text: 'text', label: 'label' }, splits: [], load: unread },
    };
  });
  return {
    config,
    tasks: facts,
    runs: [bare, ...runs.slice(1)],
    leftOut: [],
    trials: [],
    missing: 1,
    trained: 18,
    found: 0,
  };
}

function validationOf(seed: number, method: number) {
  const stream = randomStream(seed, 'losses');
  const examples = Array.from({ length: 40 }, (): [number, number] => [stream.uniform() - method / 100, 1]);
  return { loss: examples.reduce((sum, [one]) => sum + one, 0) / examples.length, examples };
}

function unread(): never {
  throw new Error('a report reads no data');
}
