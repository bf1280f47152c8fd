import { DiffoError } from '../errors.js';
import { openConfiguredTask } from '../jobs/configuredTask.js';
import { estimateRun, type RunEstimate } from '../jobs/estimate.js';
import { silent } from '../reporter.js';
import type { TrainConfig } from '../settings/config.js';
import { loadSplit } from '../tasks/splits.js';

/** What a process of the board is to find out of a run that has not begun. */
export interface WorkerTask {
  readonly of: 'preview' | 'estimate';
  readonly config: TrainConfig;
}

/** Rows as their task reads them. */
export interface Preview {
  readonly task: string;
  readonly kind: string;
  readonly labels: readonly string[];
  readonly train: PreviewedSplit;
  readonly dev: PreviewedSplit | undefined;
  /** Why there is no dev split. */
  readonly withoutDev?: string | undefined;
}

export interface PreviewedSplit {
  readonly rows: number;
  readonly source: string;
  readonly labelCounts: Readonly<Record<string, number>>;
  readonly first: readonly Readonly<Record<string, unknown>>[];
}

export type WorkerAnswer =
  | { readonly preview: Preview; readonly warnings: readonly string[] }
  | { readonly estimate: RunEstimate; readonly warnings: readonly string[] }
  | { readonly error: string };

const shownRows = 8;
const longestCell = 300;

async function preview(config: TrainConfig, warn: (line: string) => void): Promise<Preview> {
  const task = await openConfiguredTask(config.data, { ...silent, warn });
  const seen = async (name: 'train' | 'dev'): Promise<PreviewedSplit> => {
    const { examples, source, labelCounts } = await loadSplit(task, name);
    const first = examples.slice(0, shownRows).map(({ id: _, label, ...row }) => ({
      ...Object.fromEntries(Object.entries(row).map(([key, value]) => [key, shortened(value)])),
      ...(label === undefined ? {} : { label: task.labels[label] ?? label }),
    }));
    return { rows: examples.length, source, labelCounts, first };
  };
  const train = await seen('train');
  const { name, labels } = task;
  try {
    return { task: name, kind: task.kind.name, labels, train, dev: await seen('dev') };
  } catch (error) {
    if (!(error instanceof DiffoError)) throw error;
    return { task: name, kind: task.kind.name, labels, train, dev: undefined, withoutDev: error.message };
  }
}

function shortened(value: unknown): unknown {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > longestCell ? `${text.slice(0, longestCell)} …` : text;
}

// A board that is gone waits for no answer.
process.once('disconnect', () => process.exit());

process.once('message', async ({ of, config }: WorkerTask) => {
  const warnings: string[] = [];
  const warn = (line: string) => void warnings.push(line);
  let answer: WorkerAnswer;
  try {
    answer =
      of === 'preview'
        ? { preview: await preview(config, warn), warnings }
        : { estimate: await estimateRun(config, { ...silent, warn }), warnings };
  } catch (error) {
    answer = {
      error: error instanceof DiffoError ? error.message : 'This is a defect of diffora and no fault of the settings.',
    };
  }
  process.send!(answer, () => process.disconnect());
});
