import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OpenRun } from './openRun.js';
import { idOf, type Root } from './roots.js';
import { type Found, isRecords, scanner } from './scan.js';
import type { BoardEvent, ComparisonView, RunView } from './view.js';

/** Milliseconds between two looks at the folders while someone watches. */
const pause = 300;
/** Runs that have ended whose curves are held. */
const mostHeld = 60;

/** Every run and comparison under some folders, and who is told when they change. */
export class Library {
  private readonly runs = new Map<string, OpenRun>();
  private comparisons = new Map<string, ComparisonView>();
  private readonly scanners: (() => Promise<Found>)[];
  private readonly listeners = new Set<(event: BoardEvent) => void>();
  private readonly held: OpenRun[] = [];
  private told = new Map<string, string>();
  private looking: Promise<void> | undefined;
  private looked = 0;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;
  isCut = false;

  /** @param addTo what the board knows of a run beside its files */
  constructor(
    readonly roots: readonly Root[],
    private readonly addTo: (view: RunView, path: string) => RunView = (view) => view,
    /** Runs that have no folder yet. */
    private readonly coming: (known: (path: string) => boolean) => readonly RunView[] = () => [],
  ) {
    this.scanners = roots.map(({ path }) => scanner(path));
  }

  /** The runs as they are now. */
  async list(): Promise<{ readonly runs: readonly RunView[]; readonly comparisons: readonly ComparisonView[] }> {
    await this.look();
    return { runs: this.views(), comparisons: [...this.comparisons.values()] };
  }

  run(id: string): OpenRun | undefined {
    return this.runs.get(id);
  }

  /** A run that has no folder yet. */
  comingRun(id: string): RunView | undefined {
    return this.views().find((view) => view.id === id && !this.runs.has(id));
  }

  viewOf(run: OpenRun): RunView {
    return this.addTo(run.view, run.path);
  }

  /** A run with its curves. */
  async read(id: string): Promise<OpenRun | undefined> {
    await this.look();
    const run = this.runs.get(id);
    if (run === undefined) return undefined;
    await run.readLines();
    const place = this.held.indexOf(run);
    if (place >= 0) this.held.splice(place, 1);
    this.held.push(run);
    if (this.held.length > mostHeld) this.held.shift()!.forgetLines();
    return run;
  }

  /** Looks at the folders again and again until the last listener has gone. */
  listen(listener: (event: BoardEvent) => void): () => void {
    this.listeners.add(listener);
    this.plan();
    return () => void this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    await this.looking?.catch(() => undefined);
    for (const run of this.runs.values()) await run.close();
  }

  /** Looks at the folders, unless that was done just now. */
  async look(newer = pause): Promise<void> {
    if (this.isClosed) return;
    if (this.looking === undefined && Date.now() - this.looked < newer) return;
    this.looking ??= this.lookNow().finally(() => {
      this.looking = undefined;
      this.looked = Date.now();
    });
    await this.looking;
  }

  private plan(): void {
    if (this.timer !== undefined || this.isClosed || this.listeners.size === 0) return;
    this.timer = setTimeout(async () => {
      await this.look(0).catch(() => undefined);
      this.timer = undefined;
      this.plan();
    }, pause).unref();
  }

  private async lookNow(): Promise<void> {
    const seen = new Set<string>();
    const comparisons = new Map<string, ComparisonView>();
    let isCut = false;
    for (const [root, scan] of this.scanners.entries()) {
      const found = await scan();
      isCut ||= found.isCut;
      await inTurns(found.runs, async (one) => {
        const id = idOf(root, one.path.slice(this.roots[root]!.path.length + 1));
        let run = this.runs.get(id);
        if (run === undefined) {
          run = new OpenRun(root, this.roots, one);
          this.runs.set(id, run);
        }
        seen.add(id);
        await run.refresh(one);
      });
      for (const path of found.comparisons) {
        const id = idOf(root, path.slice(this.roots[root]!.path.length + 1));
        comparisons.set(id, await comparisonView(id, path, this.comparisons.get(id)));
      }
    }
    for (const [id, run] of this.runs) {
      if (seen.has(id) || (await run.gone())) continue;
      await run.close();
      this.runs.delete(id);
    }
    this.comparisons = comparisons;
    this.isCut = isCut;
    this.tell();
  }

  private views(): RunView[] {
    const own = [...this.runs.values()].map((run) => this.viewOf(run));
    const paths = new Set([...this.runs.values()].filter(({ view }) => !view.isGone).map(({ path }) => path));
    return [...own, ...this.coming((path) => paths.has(path))];
  }

  private tell(): void {
    const views = this.views();
    const now = new Map<string, string>();
    const runs: RunView[] = [];
    const comparisons: ComparisonView[] = [];
    for (const view of views) {
      const text = JSON.stringify(view);
      now.set(view.id, text);
      if (this.told.get(view.id) !== text) runs.push(view);
    }
    for (const view of this.comparisons.values()) {
      const [key, text] = [`comparison ${view.id}`, JSON.stringify(view)];
      now.set(key, text);
      if (this.told.get(key) !== text) comparisons.push(view);
    }
    const removed = [...this.told.keys()].filter((id) => !now.has(id));
    this.told = now;
    if (runs.length + comparisons.length + removed.length > 0)
      this.send({ type: 'changed', runs, comparisons, removed });
    for (const [id, { lines }] of this.runs) {
      const { series, frames, isReset, isEmpty } = lines.takeAdded();
      if (isReset) this.send({ type: 'reset', id });
      else if (!isEmpty) this.send({ type: 'points', id, series, frames });
    }
  }

  private send(event: BoardEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

/** Files that are read at a time. */
const together = 16;

async function inTurns<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < all.length) await work(all[next++]!);
  };
  await Promise.all(Array.from({ length: together }, lane));
}

/** Counts the lines of the records again where they have changed. */
async function comparisonView(id: string, path: string, before: ComparisonView | undefined): Promise<ComparisonView> {
  const names = (await readdir(path).catch(() => [])).filter(isRecords).sort();
  const files = names.map((name) => join(path, name));
  const report = await stat(join(path, 'report.html')).catch(() => undefined);
  const times = await Promise.all(
    files.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  const time = Math.max(report?.mtimeMs ?? 0, ...times);
  if (before !== undefined && before.time === time) return before;
  const counts = { trials: 0, runs: 0, failed: 0 };
  for (const file of files) {
    const handle = await open(file).catch(() => undefined);
    if (handle === undefined) continue;
    for await (const line of handle.readLines()) {
      // The head of a line tells its kind; the rest may be long.
      if (/"kind":\s*"trial"/.test(line.slice(0, 300))) counts.trials++;
      else if (line !== '') counts.runs++;
      if (/"status":\s*"failed"/.test(line.slice(0, 2000))) counts.failed++;
    }
  }
  return { id, name: basename(path), ...counts, hasReport: report !== undefined, time };
}
