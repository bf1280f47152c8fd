/**
 * Trains DiffoRA on a CSV file of one's own, saves the adapter, and predicts.
 *
 *     npx tsx examples/programs/tickets.ts [output folder]
 */
import { fileURLToPath } from 'node:url';
import { heatMap, loadModel, loadTask, train } from 'diffora';

const [output = 'diffora-tickets'] = process.argv.slice(2);
const model = await loadModel(process.env.DIFFORA_EXAMPLE_MODEL ?? 'sentence-transformers/all-MiniLM-L6-v2');
const file = fileURLToPath(new URL('tickets.csv', import.meta.url));
const task = await loadTask(file, { textColumn: 'message', labelColumn: 'team' });

const adapter = await train(model, task, {
  method: 'diffora',
  keep: 0.5,
  epochs: 10,
  batchSize: 4,
  maxLength: 32,
  seed: 1,
});
console.log(heatMap(adapter.dam!, { width: 80, colorLevel: 0 }));
console.log(`${adapter.trainable} numbers trained in ${adapter.steps.length} steps; scores:`, adapter.scores);

const messages = ['I paid for a year and now it asks me to pay again', 'It freezes as soon as I print'];
for (const [i, prediction] of (await adapter.predict(messages)).entries()) {
  if ('label' in prediction) console.log(`${prediction.label} (${prediction.score.toFixed(2)}): ${messages[i]}`);
}
await adapter.save(output, { overwrite: true });
await adapter.close();
console.log(`The adapter is in ${output}; PEFT loads it as it is.`);
