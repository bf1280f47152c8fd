/**
 * Trains so many steps at a time: stops, and goes on where it was when it is started again; with a progress bar of its own.
 *
 *     npx tsx examples/programs/resume.ts [steps] [output folder]
 */
import { fileURLToPath } from 'node:url';
import { parseTrainConfig, type Reporter, silent, trainToFolder } from 'diffora';

const [steps = '100', output = 'diffora-resumed'] = process.argv.slice(2);
const config = parseTrainConfig(
  {
    model: process.env.DIFFORA_EXAMPLE_MODEL ?? 'sentence-transformers/all-MiniLM-L6-v2',
    task: fileURLToPath(new URL('tickets.csv', import.meta.url)),
    textColumn: 'message',
    labelColumn: 'team',
    method: 'lora',
    epochs: 40,
    batchSize: 4,
    maxLength: 32,
    saveSteps: 20,
  },
  'this program',
);

const stop = new AbortController();
const bar: Reporter = {
  ...silent,
  info: (line) => console.log(line),
  phase: (name, total, from = 0) => ({
    update(done, measures) {
      if (name === 'train' && done === from + Number(steps)) stop.abort();
      const width = Math.round((30 * done) / total);
      const loss = measures?.loss == null ? '' : `  loss ${measures.loss.toFixed(3)}`;
      if (process.stderr.isTTY)
        process.stderr.write(`\r${name} [${'#'.repeat(width).padEnd(30)}] ${done}/${total}${loss} `);
    },
    end: () => process.stderr.write('\n'),
  }),
};

try {
  const { record } = await trainToFolder({ config, output, resume: true, reporter: bar, signal: stop.signal });
  console.log(`finished after ${record.steps.train} steps:`, record.scores?.dev);
} catch (error) {
  if (!stop.signal.aborted) throw error;
  console.log(`\nstopped; start again with the same folder to go on: ${output}`);
}
