import { Command } from 'commander';
import type { TaskFile } from '../artifacts/taskFile.js';
import { usageError } from '../errors.js';
import { checkOutputFile, writeFileAtomic } from '../files/atomic.js';
import { jsonLines } from '../files/jsonText.js';
import { predictTask } from '../jobs/predict.js';
import { type PredictInput, readPredictInput } from '../jobs/predictInput.js';
import { predictWithModel } from '../jobs/predictModel.js';
import { formatCount } from '../report/units.js';
import { flagOf } from '../settings/asFlags.js';
import { usualThreads } from '../settings/config.js';
import { type AdapterFlags, addAdapterFlags } from './adapterFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags, givenSettings } from './trainFlags.js';

interface Flags extends CommonFlags, AdapterFlags {
  readonly adapter?: string;
  readonly text?: string;
  readonly pair?: string;
  readonly input?: string;
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly model?: string;
}

export function predictCommand(terminal: Terminal): Command {
  const command = new Command('predict')
    .description(
      'Predict one text, or each row of a file: label, probability (or score) and logits; an answer; or a text.',
    )
    .option('--adapter <folder>', 'run folder or adapter folder')
    .option('--text <text>', 'the text')
    .option('--pair <text>', 'the second text, for tasks about pairs')
    .option('--input <file>', "a file of rows with the task's columns: .jsonl, .csv, .tsv, .parquet or .json")
    .option('--output <file>', 'write a JSON object a line, in the order of the input (default: to stdout)')
    .option('--overwrite', 'replace an output file that is there')
    .option(
      '--model <model>',
      "the adapter's base model in another place; without --adapter, a model whose own head runs",
    );
  addAdapterFlags(command);
  addCommonFlags(command);
  addTrainFlags(command, ['maxLength', 'stride', 'nullScoreDiffThreshold', 'threads', 'device', 'anyBase']);
  return command
    .addHelpText(
      'after',
      `
Example:
  $ diffora predict --adapter runs/reviews --text 'Arrived late, works well'
  $ diffora predict --adapter runs/reviews --input new.jsonl --output labels.jsonl
  $ diffora predict --model my-checkpoint --text 'Arrived late, works well' --json`,
    )
    .action(async (flags: Flags) => {
      const { adapter, output, overwrite = false, model, taskType } = flags;
      const input = inputOf(flags);
      const { threads = usualThreads, ...settings } = givenSettings({ ...flags });
      if (adapter === undefined) {
        const idle = (['stride', 'nullScoreDiffThreshold', 'anyBase'] as const).find(
          (key) => settings[key] !== undefined,
        );
        if (idle !== undefined) throw usageError(`${flagOf(idle)} is read with --adapter alone. Leave it out.`);
        if (taskType !== undefined) throw usageError('--task-type is read with --adapter alone. Leave it out.');
        if (model === undefined)
          throw usageError('Give --adapter, or --model for a checkpoint with a head of its own.');
        await predictOwn(terminal, flags, {
          model,
          input,
          maxLength: settings.maxLength,
          threads,
          device: settings.device,
        });
        return;
      }
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          if (output !== undefined) checkOutputFile(output, { overwrite });
          const examples = (task: TaskFile) => readPredictInput(input, task);
          const found = await predictTask({ ...settings, adapter, model, taskType, threads, examples, ...session });
          if (output !== undefined) await writeFileAtomic(output, `${jsonLines(found.predictions)}\n`);
          return found;
        },
        text: ({ task, predictions }) => {
          if (output !== undefined) return `${formatCount(predictions.length)} predictions written to ${output}`;
          return 'text' in input ? predictions.map((one) => task.kind.line(one)).join('\n') : jsonLines(predictions);
        },
        json: ({ predictions }) => {
          if (output !== undefined) return { output, predictions: predictions.length };
          return 'text' in input ? predictions[0]! : { predictions };
        },
      });
    });
}

/** Without an adapter: a JSON object a line, as the head gives it. */
async function predictOwn(
  terminal: Terminal,
  flags: Flags,
  job: {
    model: string;
    input: PredictInput;
    maxLength: number | undefined;
    threads: number;
    device: string | undefined;
  },
): Promise<void> {
  const { output, overwrite = false } = flags;
  const { input, ...options } = job;
  await perform(terminal, flags, {
    output,
    run: async (session) => {
      if (output !== undefined) checkOutputFile(output, { overwrite });
      const examples = (task: TaskFile) => readPredictInput(input, task);
      const predictions = await predictWithModel({ ...options, examples, ...session });
      if (output !== undefined) await writeFileAtomic(output, `${jsonLines(predictions)}\n`);
      return predictions;
    },
    text: (predictions) =>
      output === undefined
        ? jsonLines(predictions)
        : `${formatCount(predictions.length)} predictions written to ${output}`,
    json: (predictions) => {
      if (output !== undefined) return { output, predictions: predictions.length };
      return 'text' in input ? predictions[0]! : { predictions };
    },
  });
}

function inputOf({ text, pair, input, output, overwrite }: Flags): PredictInput {
  if (overwrite === true && output === undefined) throw usageError('--overwrite goes with --output.');
  if ((text === undefined) === (input === undefined)) throw usageError('Give either --text or --input.');
  if (input === undefined) return { text: text!, pair };
  if (pair !== undefined) throw usageError('--pair goes with --text; an --input file has a column for it.');
  if (output === input) throw usageError('--output is the --input file; choose another.');
  return { file: input };
}
