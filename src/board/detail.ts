import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { stringify } from 'yaml';
import { CHECKPOINTS_FOLDER } from '../artifacts/checkpoints/format.js';
import { isJsonObject } from '../files/jsonText.js';
import { readDam } from '../selection/readDam.js';
import { asFlags, shellQuoted, toldSettings } from '../settings/asFlags.js';
import { unreadSettings } from '../settings/config.js';
import type { OpenRun } from './openRun.js';
import { Series } from './series.js';
import type { FileView, MatrixView, RunDetail, RunView, SeriesView } from './view.js';

/** Files of a run that are listed. */
const mostFiles = 200;
const largestRecord = 4 * 2 ** 20;

/** All that is shown of a run whose lines have been read. */
export async function runDetail(run: OpenRun, view: RunView): Promise<RunDetail> {
  const { lines } = run;
  const record = view.state === 'done' ? await readRecord(run.path) : undefined;
  const config = isJsonObject(record?.config) ? record.config : (lines.begun?.config ?? {});
  const settings = told(config);
  const scores = isJsonObject(record?.scores) && isJsonObject(record.scores.dev) ? record.scores.dev : undefined;
  const { matrix, series } = await matrixOf(run, view);
  return {
    run: view,
    series: { ...series, ...lines.views() },
    totalSteps: lines.totalSteps,
    matrix,
    config,
    scores: scores as Record<string, number | null> | undefined,
    record,
    command: commandText(view, settings),
    yaml: stringify(settings),
    messages: lines.messages,
    files: await filesOf(run.path),
  };
}

/** The same of a run that waits, begins, or failed before it had a folder. */
export function comingDetail(run: RunView): RunDetail {
  return { run, series: {}, config: {}, command: '', yaml: '', messages: [], files: [] };
}

/** The settings that say something: neither the usual ones, nor such that the method does not read. */
export function told(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  let unread: ReadonlySet<string> = new Set();
  try {
    unread = new Set(unreadSettings(config, 'config').map(({ key }) => key));
  } catch {
    // Of another version, or changed by hand: shown as it is.
  }
  return toldSettings(config, (key) => unread.has(key));
}

export function commandText(
  { command = 'train', name }: Pick<RunView, 'command' | 'name'>,
  settings: Readonly<Record<string, unknown>>,
): string {
  if (command === 'demo') return 'npx diffora demo';
  const known = command === 'select' ? 'select' : 'train';
  return [`npx diffora ${known}`, ...asFlags(settings), `--output ${shellQuoted(`${name}-again`)}`].join(' \\\n  ');
}

/** The matrix of a run: as it formed, where that was written down, and as dam.json has it. */
async function matrixOf(
  run: OpenRun,
  view: RunView,
): Promise<{ matrix: MatrixView | undefined; series: Record<string, SeriesView> }> {
  const formed = run.lines.matrixView();
  const isWritten = view.state === 'done' && !view.isGone;
  const dam = isWritten ? await readDam(join(run.path, 'dam.json')).catch(() => undefined) : undefined;
  if (dam === undefined) return { matrix: formed, series: {} };
  const { modules, rows, there, select, values, gamma } = dam;
  const curves: Record<string, Series> = {};
  for (const step of dam.search?.history ?? []) {
    const { validationLoss, trainLoss, entropy, spread } = step;
    const all = { 'validation loss': validationLoss, 'training loss': trainLoss, entropy, spread };
    for (const [name, value] of Object.entries(all)) {
      curves[`search ${name}`] ??= new Series();
      curves[`search ${name}`]!.add(step.step + 1, value);
    }
  }
  const fits = formed === undefined || formed.modules.join() === modules.join();
  return {
    matrix: { modules, rows, there, select, frames: fits ? (formed?.frames ?? []) : [], final: { values, gamma } },
    series: Object.fromEntries(Object.entries(curves).map(([name, one]) => [name, one.view()])),
  };
}

async function readRecord(folder: string): Promise<Record<string, unknown> | undefined> {
  const file = join(folder, 'run.json');
  const { size } = await stat(file).catch(() => ({ size: Number.POSITIVE_INFINITY }));
  if (size > largestRecord) return undefined;
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The files of a folder; links are left out. */
async function filesOf(folder: string): Promise<FileView[]> {
  const found: FileView[] = [];
  const visit = async (path: string, depth: number): Promise<void> => {
    const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
    for (const one of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (found.length >= mostFiles || one.name.startsWith('.')) continue;
      const full = join(path, one.name);
      if (one.isDirectory() && depth < 3 && one.name !== CHECKPOINTS_FOLDER) await visit(full, depth + 1);
      if (!one.isFile()) continue;
      const { size } = await stat(full).catch(() => ({ size: 0 }));
      found.push({ path: relative(folder, full).split(sep).join('/'), bytes: size });
    }
  };
  await visit(folder, 0);
  return found;
}
