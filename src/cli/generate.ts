import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { usageError } from '../errors.js';
import { checkOutputFile, writeFileAtomic } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { jsonLines } from '../files/jsonText.js';
import { generateText } from '../jobs/generate.js';
import { formatCount } from '../report/units.js';
import { usualThreads } from '../settings/config.js';
import { numberAbove0, numberFrom, wholeNumber } from './numberFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags, givenSettings } from './trainFlags.js';

interface Flags extends CommonFlags {
  readonly model?: string;
  readonly adapter?: string;
  readonly prompt?: string;
  readonly input?: string;
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly chat?: boolean;
  readonly system?: string;
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
}

export function generateCommand(terminal: Terminal): Command {
  const command = new Command('generate')
    .description(
      'Continue a text with a causal model (LLaMA, Qwen, GPT-2, …), or write one anew with T5, with or without an adapter.',
    )
    .option('--model <model>', 'hub name, folder or .gguf file of a causal model, or a T5')
    .option('--adapter <folder>', 'adapter of such a model')
    .option('--prompt <text>', 'the text to continue')
    .option('--input <file>', 'a file with a prompt on each line')
    .option('--output <file>', 'write a JSON object a line, in the order of the input (default: to stdout)')
    .option('--overwrite', 'replace an output file that is there')
    .option('--chat', "put the prompt into the model's chat format")
    .option('--system <text>', "the system's message of a chat")
    .option('--max-new-tokens <count>', 'end after this many tokens', wholeNumber(1), 128)
    .option('--temperature <number>', '0: always the likeliest token; otherwise tokens are drawn', numberFrom(0), 0)
    .option('--top-k <count>', 'draw among the k likeliest tokens', wholeNumber(1))
    .option('--top-p <share>', 'draw among the likeliest tokens that together reach this probability', numberFrom(0, 1))
    .option('--repetition-penalty <number>', 'makes tokens that occurred less likely (1: no change)', numberAbove0);
  addCommonFlags(command);
  addTrainFlags(command, ['chatTemplate', 'seed', 'threads', 'device', 'anyBase']);
  return command
    .addHelpText(
      'after',
      `
Example:
  $ diffora generate --model HuggingFaceTB/SmolLM2-135M-Instruct --chat --prompt 'Name three rivers.'
  $ diffora generate --model story.gguf --prompt 'Once upon a time' --temperature 0.8 --top-p 0.9 --seed 7`,
    )
    .action(async (flags: Flags) => {
      const { model, adapter, output, overwrite = false, chat = false, system } = flags;
      checkFlags(flags);
      const { seed = 1, threads = usualThreads, device, anyBase, chatTemplate } = givenSettings({ ...flags });
      const streams = flags.prompt !== undefined && output === undefined && flags.json !== true;
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          if (output !== undefined) checkOutputFile(output, { overwrite });
          const prompts = flags.prompt === undefined ? await readPrompts(flags.input!) : [flags.prompt];
          const { maxNewTokens, temperature, topK, topP, repetitionPenalty } = flags;
          const sampling = { maxNewTokens, temperature, topK, topP, repetitionPenalty };
          const onText = (text: string) => {
            if (streams) terminal.stdout.write(text);
          };
          const results = await generateText({
            ...session,
            ...sampling,
            model,
            adapter,
            anyBase,
            prompts,
            chat,
            system,
            chatTemplate,
            seed,
            threads,
            device,
            onText,
          });
          if (output !== undefined) await writeFileAtomic(output, `${jsonLines(results)}\n`);
          const total = results.reduce((sum, { tokens }) => sum + tokens, 0);
          const rate = results.reduce(
            (sum, { tokensPerSecond, tokens }) => sum + (tokensPerSecond * tokens) / total,
            0,
          );
          if (streams) terminal.stdout.write('\n');
          session.reporter.info(`${formatCount(total)} tokens, ${rate.toFixed(1)} a second`);
          return results;
        },
        text: (results) => {
          if (streams) return '';
          return output === undefined
            ? jsonLines(results)
            : `${formatCount(results.length)} texts written to ${output}`;
        },
        json: (results) => {
          if (output !== undefined) return { output, texts: results.length };
          return flags.prompt === undefined ? { texts: results } : results[0]!;
        },
      });
    });
}

function checkFlags({
  model,
  adapter,
  prompt,
  input,
  output,
  overwrite,
  chat,
  system,
  temperature,
  seed,
}: Flags): void {
  if (model === undefined && adapter === undefined) throw usageError('Give --model or --adapter.');
  if ((prompt === undefined) === (input === undefined)) throw usageError('Give either --prompt or --input.');
  if (system !== undefined && chat !== true) throw usageError('--system goes with --chat.');
  if (overwrite === true && output === undefined) throw usageError('--overwrite goes with --output.');
  if (temperature === 0 && seed !== undefined) {
    throw usageError('--seed is read where tokens are drawn. Give --temperature, or leave it out.');
  }
  if (output !== undefined && output === input) throw usageError('--output is the --input file; choose another.');
}

async function readPrompts(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fileError(error, path, 'read');
  });
  const prompts = text.split(/\r?\n/).filter((line) => line !== '');
  if (prompts.length === 0) throw usageError(`${path} has no prompts: a prompt a line is read.`);
  return prompts;
}
