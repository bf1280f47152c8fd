/**
 * Compares ways to choose modules at the same number kept, on one model and one task in memory.
 *
 *     npx tsx examples/programs/selections.ts
 */
import { heatMap, loadModel, selectModules, taskFromExamples, train } from 'diffora';

const model = await loadModel(process.env.DIFFORA_EXAMPLE_MODEL ?? 'sentence-transformers/all-MiniLM-L6-v2');

const things = ['train', 'meal', 'film', 'hotel', 'book', 'song', 'garden', 'phone'];
const judgements = { good: ['lovely', 'excellent', 'a delight'], bad: ['awful', 'a waste of time', 'broken'] };
const examples = Object.entries(judgements).flatMap(([label, words]) =>
  things.flatMap((thing) => words.map((word) => ({ text: `The ${thing} was ${word}.`, label }))),
);
const task = taskFromExamples(examples, { name: 'judgements' });

const settings = { rank: 4, batchSize: 8, maxLength: 16, lr: 2e-3 } as const;
const { maxLength } = settings;
/** What each way reads: a setting that nothing reads is refused. */
const ways = {
  diffora: { ...settings, searchSteps: 10 },
  'gradient-norm': { rank: 4, batchSize: 8, maxLength },
  random: { maxLength },
} as const;
for (const [name, own] of Object.entries(ways)) {
  const select = name as keyof typeof ways;
  const dam = await selectModules(model, task, { ...own, select, keep: 0.5 });
  console.log(heatMap(dam, { width: 80, colorLevel: 0 }));
  const accuracies: number[] = [];
  for (const seed of [1, 2]) {
    await using adapter = await train(model, task, { ...settings, method: 'lora', epochs: 2, dam, seed });
    accuracies.push(adapter.scores.accuracy!);
  }
  console.log(`${select}: accuracy ${accuracies.map((one) => one.toFixed(3)).join(' and ')}\n`);
}
