import * as z from 'zod';
import { DiffoError, usageError } from '../errors.js';
import { inOrder, type LogTarget } from './log.js';

const client = '@wandb/sdk';
const project = 'diffora';

/** What is used of a run of the client. */
interface WandbRun {
  log(data: Record<string, unknown>, step?: number): void;
  finish(code?: number): Promise<void>;
}
const moduleSchema = z.object({ default: z.object({ init: z.function() }) });

/**
 * Weights & Biases, by its own client, which is to be installed beside diffora. The key and the place are the client's
 * matter: WANDB_API_KEY, WANDB_BASE_URL; WANDB_PROJECT names the project.
 * @param load imports the client
 */
export function wandbLog(load: () => Promise<unknown> = () => import(client as string)): LogTarget {
  return {
    title: 'Weights & Biases',
    isFile: false,
    async open({ name, config, warn }) {
      const imported = await load().catch((error) => {
        throw usageError(
          `--log wandb needs the package ${client}, which cannot be loaded. Install it: npm install ${client}. (${error.code ?? error})`,
        );
      });
      const parsed = moduleSchema.safeParse(imported);
      if (!parsed.success)
        throw usageError(`--log wandb: this version of ${client} has no init(). Known to work: 0.5.`);
      const { init } = parsed.data.default as unknown as { init(options: object): Promise<WandbRun> };
      const settings = { project: process.env.WANDB_PROJECT ?? project, name, config };
      const run = await init(settings).catch((error) => {
        throw new DiffoError(
          `Weights & Biases did not start a run: ${error instanceof Error ? error.message : error}`,
          { cause: error },
        );
      });
      const queue = inOrder('The log of Weights & Biases', warn);
      // Its steps rise over all tags together, ours do for each; so ours go along as a value.
      let step = 0;
      return {
        scalars: (values, ownStep) => queue.add(async () => run.log({ ...values, step: ownStep }, step++)),
        end: async (outcome) => {
          queue.add(() => run.finish(outcome === 'finished' ? 0 : 1));
          await queue.done();
        },
      };
    },
  };
}
