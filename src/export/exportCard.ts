import { derivedCard, pipelineName } from '../artifacts/derivedCard.js';
import type { Scores } from '../metrics/scores.js';
import { knownTask } from '../tasks/known/knownTask.js';
import type { ExportedFile, ExportFormat } from './format.js';
import type { ExportSource } from './source.js';

export interface ExportCardInput {
  readonly format: ExportFormat;
  readonly source: ExportSource;
  /** With the scores of each on `scoredTask`. */
  readonly files: readonly (ExportedFile & { readonly scores?: Scores | undefined })[];
  readonly adapterAlone: boolean;
  /** Name of the task whose dev rows were scored. */
  readonly scoredTask?: string | undefined;
  readonly notes: readonly string[];
}

/** README.md of an exported folder. */
export function exportCard({ format, source, files, adapterAlone, scoredTask, notes }: ExportCardInput): string {
  const { baseModel, task, opened, outputs } = source;
  const what = adapterAlone
    ? `takes this adapter of \`${task!.name}\` beside it`
    : `${task === undefined ? '' : `with an adapter of \`${task.name}\` folded in, `}for ${format.description}`;
  const [first] = files;
  const hub = task?.name === scoredTask && task !== undefined ? knownTask(task)?.hub : undefined;
  const scored =
    scoredTask === undefined || first?.scores === undefined
      ? undefined
      : { name: scoredTask, split: 'dev', hub, scores: first.scores };
  const shown = notes.map((note) => `\n\n${note}`).join('');
  return derivedCard({
    baseModel,
    relation: adapterAlone ? 'adapter' : task === undefined ? 'quantized' : 'finetune',
    library: format.library,
    tags: ['diffora'],
    taskType: opened.model.taskType,
    isHeadless: outputs === 'states',
    what,
    table: fileTable(files, scored?.name),
    use: `${format.use(pipelineName(opened.model.taskType, outputs === 'states'), files)}${shown}`,
    scored,
  });
}

/** Files with what each gives on the task's dev rows. */
function fileTable(files: ExportCardInput['files'], task: string | undefined): string {
  const metrics = task === undefined ? [] : Object.keys(files[0]?.scores ?? {});
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(['file', 'bytes', ...metrics.map((metric) => `${metric} (${task}, dev)`)]),
    line(['---', '---:', ...metrics.map(() => '---:')]),
    ...files.map(({ file, bytes, scores }) => {
      const values = metrics.map((metric) => String(scores?.[metric as keyof Scores] ?? ''));
      return line([file, bytes.toLocaleString('en-US'), ...values]);
    }),
  ].join('\n');
}
