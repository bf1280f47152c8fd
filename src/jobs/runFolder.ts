import { join } from 'node:path';
import { adapterHash, saveAdapter, titleOf } from '../artifacts/adapterFolder.js';
import { parameterRecord, peakMemory, splitRecord, versions } from '../artifacts/runRecord.js';
import { writeFileAtomic } from '../files/atomic.js';
import type { Scores } from '../metrics/scores.js';
import { usualDevice } from '../runtime/devices/registry.js';
import type { Dam } from '../selection/dam.js';
import { type FlatConfig, flatConfig, type TrainConfig } from '../settings/config.js';
import type { LearnedTask } from '../tasks/task.js';
import type { TrainedRun } from './trainedRun.js';
import type { Workspace } from './workspace.js';

/** run.json: how a run came about and what it gave (docs/formats.md). */
export interface RunRecord {
  readonly format: 'diffora-run/1';
  readonly command: 'train' | 'select';
  /** The settings by name, without the groups. */
  readonly config: FlatConfig;
  /** Processes that did the run together, where there were several. */
  readonly ranks?: number;
  readonly versions: Readonly<Record<string, string>>;
  /** What ran the graphs. */
  readonly device: string;
  readonly task: string;
  readonly model: {
    readonly name: string;
    readonly source: string;
    readonly folder: string;
    readonly revision?: string;
    readonly family: string;
  };
  readonly data: Readonly<Record<string, ReturnType<typeof splitRecord>>>;
  readonly parameters?: ReturnType<typeof parameterRecord>;
  /** Of adapter/adapter_model.safetensors. */
  readonly adapter?: { readonly sha256: string };
  readonly scores?: { readonly dev: Scores };
  /** Mean loss of the held-out training examples, where it was asked for. */
  readonly validation?: { readonly loss: number; readonly examples: number };
  /** `skipped`: those of both that were left out; `best`: the step after which the adapter that is written was. */
  readonly steps: {
    readonly search: number;
    readonly train: number;
    readonly skipped?: number;
    readonly best?: number;
  };
  readonly seconds: Readonly<Record<string, number>>;
  readonly peakMemoryBytes: number;
}

/** Beside the run.json of a run. */
const repeatRun = 'npx diffora train --config run.json --output again';

/** Writes the adapter of a finished run into a folder. */
export async function saveTrained(
  folder: string,
  {
    opened,
    task,
    maxLength,
    trainedRows,
  }: Pick<Workspace, 'opened' | 'maxLength' | 'trainedRows'> & { readonly task: LearnedTask },
  run: TrainedRun,
  repeat?: string,
): Promise<void> {
  const { config, plan, parameters, dam, steps, totalSteps, scores, found } = run;
  const { data, optimisation } = config;
  await saveAdapter(folder, opened.model, plan, parameters, {
    task: { ...task, ...found },
    tokenizer: opened.tokenizer,
    maxLength,
    trainedRows,
    // PEFT takes the revision apart from the name.
    baseModel: opened.resolved.source === 'folder' ? data.model : data.model.split('@')[0]!,
    revision: opened.resolved.revision,
    totalSteps,
    paragraphs: [
      `${titleOf(plan.method)} on \`${task.name}\`${dam === undefined ? '' : `, modules selected by \`${dam.select}\``}: ${plan.placements.length} of ${opened.model.adaptable.length} modules adapted, ${steps.length} steps of batch size ${optimisation.batchSize}, seed ${config.run.seed}.`,
    ],
    scores,
    dam,
    repeat,
  });
}

/** Writes a finished run into a folder that is being built. */
export async function writeRun(
  folder: string,
  of: {
    workspace: Workspace;
    run: TrainedRun;
    command: RunRecord['command'];
    seconds: Readonly<Record<string, number>>;
    ranks?: number | undefined;
  },
): Promise<RunRecord> {
  const { workspace, run, command, seconds, ranks } = of;
  const { opened } = workspace;
  const adapter = join(folder, 'adapter');
  await saveTrained(adapter, workspace, run, repeatRun);
  const steps = [...(run.dam?.search?.history ?? []), ...run.steps];
  const left = steps.filter(({ skipped }) => skipped === true).length;
  const parameters = parameterRecord(opened.model, run.plan, run.parameters);
  const record: RunRecord = {
    ...commonRecord(workspace, run.config, command, ranks),
    parameters,
    adapter: { sha256: await adapterHash(adapter) },
    scores: { dev: run.scores },
    ...(run.validation === undefined
      ? {}
      : { validation: { loss: run.validation.loss, examples: run.validation.examples.length } }),
    steps: {
      search: run.dam?.search?.steps ?? 0,
      train: run.steps.length,
      ...(left === 0 ? {} : { skipped: left }),
      ...(run.bestStep === undefined ? {} : { best: run.bestStep }),
    },
    seconds,
    peakMemoryBytes: peakMemory(),
  };
  if (run.dam !== undefined) await writeFileAtomic(join(folder, 'dam.json'), damText(run.dam));
  const searchLines = run.dam?.search?.history.map((step) => ({ phase: 'search', ...step })) ?? [];
  const lines = [...searchLines, ...run.metrics];
  await writeFileAtomic(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFileAtomic(join(folder, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

/** The part of run.json that every command has. */
export function commonRecord(
  { opened, task, train, dev }: Workspace,
  config: TrainConfig,
  command: RunRecord['command'],
  ranks?: number,
) {
  const { resolved, model } = opened;
  return {
    format: 'diffora-run/1' as const,
    command,
    config: flatConfig(config),
    ...(ranks === undefined ? {} : { ranks }),
    versions: versions(),
    device: (model.device ?? usualDevice).name,
    model: {
      name: config.data.model,
      source: resolved.source,
      folder: resolved.folder,
      ...(resolved.revision === undefined ? {} : { revision: resolved.revision }),
      family: model.family,
    },
    task: task.name,
    data: { train: splitRecord(train.split, train.examples.length), dev: splitRecord(dev.split, dev.examples.length) },
  };
}

/** Writes what `diffora select` found into a folder that is being built. */
export async function writeSelection(folder: string, record: RunRecord, dam: Dam): Promise<void> {
  await writeFileAtomic(join(folder, 'dam.json'), damText(dam));
  await writeFileAtomic(join(folder, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
}

/** dam.json with a row of a matrix on a line, so that people can read it. */
function damText(dam: Dam): string {
  return `${JSON.stringify(dam, null, 2).replace(/\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g, (_, row: string) => `[${row.replace(/\s+/g, ' ')}]`)}\n`;
}
