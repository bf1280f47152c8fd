import { adapterSize } from '../adapters/plan.js';
import { withRunOutput } from '../artifacts/runOutput.js';
import { peakMemory, secondsSince } from '../artifacts/runRecord.js';
import { countParameters } from '../engine/parameters.js';
import type { Scores } from '../metrics/scores.js';
import type { Reporter } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { rankForBudget } from '../selection/targets.js';
import { parseTrainConfig, type TrainConfig, type TrainConfigInput } from '../settings/config.js';
import { type RunRecord, writeRun } from './runFolder.js';
import { trainIn } from './trainedRun.js';
import { openWorkspace } from './workspace.js';

export interface DemoOptions {
  readonly output: string;
  readonly overwrite?: boolean;
  readonly seed: number;
  readonly threads: number;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

/** One method of the demo's comparison. */
export interface DemoRow {
  readonly name: string;
  /** Trained numbers, head included. */
  readonly parameters: number;
  readonly scores: Scores;
  readonly seconds: number;
}

export interface DemoResult {
  readonly rows: readonly DemoRow[];
  readonly dam: Dam;
  /** run.json of the DiffoRA run, which is the one that is kept. */
  readonly record: RunRecord;
  readonly seconds: number;
  readonly peakMemoryBytes: number;
  readonly output: string;
}

/** Small enough for five minutes on two cores, large enough that the methods differ. */
const settings = {
  task: 'spam',
  maxTrainSamples: 1200,
  maxLength: 64,
  batchSize: 16,
  epochs: 2,
} as const;
const rank = 8;

/**
 * `diffora demo`: learns where to adapt all-MiniLM-L6-v2 on a mail corpus, and compares the result with the head alone
 * and with LoRA on all modules at the same number of trained parameters. The DiffoRA run is written to `output`.
 */
export async function runDemo({
  output,
  overwrite,
  seed,
  threads,
  reporter,
  signal,
}: DemoOptions): Promise<DemoResult> {
  const started = performance.now();
  const configOf = (own: Pick<TrainConfigInput, 'method' | 'rank'>) =>
    parseTrainConfig({ ...settings, seed, threads, ...own }, 'demo');
  const config = configOf({ method: 'diffora', rank });
  return withRunOutput(output, { overwrite, checkpoints: false }, async ({ finish }) => {
    const workspace = await openWorkspace(config, reporter, signal);
    const rows: DemoRow[] = [];
    const compare = async (name: string, one: TrainConfig) => {
      reporter.info(`${name}:`);
      const methodStarted = performance.now();
      const run = await trainIn(workspace, one, { reporter, signal });
      const seconds = secondsSince(methodStarted);
      rows.push({ name, parameters: countParameters(run.parameters), scores: run.scores, seconds });
      return run;
    };
    await compare('head only', configOf({ method: 'head' }));
    const diffora = await compare('DiffoRA', config);
    const fitted = rankForBudget(workspace.opened.model.adaptable, adapterSize(diffora.plan));
    const uniform = configOf({ method: 'lora', rank: fitted });
    await compare(`LoRA on all modules, rank ${fitted}`, uniform);
    const seconds = secondsSince(started);
    const of = {
      workspace,
      run: diffora,
      command: 'demo',
      seconds: { ...diffora.seconds, total: seconds },
    } as const;
    const record = await finish((folder) => writeRun(folder, of));
    return { rows, dam: diffora.dam!, record, seconds, peakMemoryBytes: peakMemory(), output };
  });
}
