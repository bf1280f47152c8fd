import { once } from 'node:events';
import { Command } from 'commander';
import { serve } from '../serve/serve.js';
import { serveShape } from '../serve/settings.js';
import { type AdapterFlags, addAdapterFlags } from './adapterFlags.js';
import { wholeNumber } from './numberFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags, givenSettings } from './trainFlags.js';

interface Flags extends CommonFlags, AdapterFlags {
  readonly adapter?: readonly string[];
  readonly model?: string;
  readonly host?: string;
  readonly port?: number;
  readonly apiKey?: string;
  readonly maxBatch?: number;
  readonly maxQueue?: number;
  readonly maxBody?: number;
}

/** What help says of a setting. */
const help = (name: keyof typeof serveShape) => {
  const usual = serveShape[name].safeParse(undefined).data;
  return `${serveShape[name].description}${usual === undefined ? '' : ` (default: ${usual})`}`;
};

export function serveCommand(terminal: Terminal): Command {
  const command = new Command('serve')
    .description("Serve adapters and models over HTTP, as OpenAI's clients speak it.")
    .option(
      '--adapter <folders...>',
      'run folders or adapter folders of one base; each is a model, called as its folder',
    )
    .option('--model <model>', 'the base of the adapters, or a model alone; it is served itself, too')
    .option('--port <port>', help('port'), wholeNumber(0))
    .option('--host <address>', help('host'))
    .option('--api-key <key>', `${help('apiKey')} (default: DIFFORA_API_KEY of the environment, else none)`)
    .option('--max-batch <count>', help('maxBatch'), wholeNumber(1))
    .option('--max-queue <count>', help('maxQueue'), wholeNumber(1))
    .option('--max-body <bytes>', help('maxBody'), wholeNumber(1));
  addAdapterFlags(command);
  addCommonFlags(command);
  addTrainFlags(command, ['threads', 'device', 'anyBase']);
  return command
    .addHelpText(
      'after',
      `
Ctrl-C or SIGTERM: what is under way is finished, then the server ends with exit code 0.

Example:
  $ diffora serve --adapter runs/reviews runs/mails
  $ diffora serve --model HuggingFaceTB/SmolLM2-135M-Instruct --port 8000`,
    )
    .action(async (flags: Flags) => {
      const { adapter: adapters, model, host, port, maxBatch, maxQueue, maxBody, taskType } = flags;
      const apiKey = flags.apiKey ?? (process.env.DIFFORA_API_KEY || undefined);
      const { threads, device, anyBase } = givenSettings({ ...flags });
      const listening = { host, port, apiKey, maxBatch, maxQueue, maxBody, threads, device };
      await perform(terminal, flags, {
        run: async ({ reporter, signal }) => {
          const { url, models, close } = await serve({
            ...listening,
            adapters,
            model,
            taskType,
            anyBase,
            reporter,
            signal,
          });
          reporter.info(`Listening on ${url}, serving ${models.join(', ')}; Ctrl-C ends it`);
          if (!signal.aborted) await once(signal, 'abort');
          await close();
          return { url, models };
        },
        text: () => 'closed',
      });
    });
}
