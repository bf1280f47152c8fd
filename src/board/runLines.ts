import { isJsonObject } from '../files/jsonText.js';
import { Series } from './series.js';
import type { FrameView, MatrixView, PhaseView, SeriesView } from './view.js';

/** Lines that a run told which are held: the last ones. */
const mostMessages = 500;
/** Matrices of a search that are held: every second is left out where there are more. */
const mostFrames = 240;

type Line = Readonly<Record<string, unknown>>;

/** What the lines of progress.jsonl or metrics.jsonl have said so far, in bounded memory. */
export class RunLines {
  readonly series = new Map<string, Series>();
  readonly messages: { isWarning: boolean; text: string }[] = [];
  private frames: FrameView[] = [];
  private frameStride = 1;
  private modules: readonly string[] = [];
  private standing: Pick<MatrixView, 'rows' | 'there'> = {};
  private final: FrameView | undefined;
  select: string | undefined;
  begun: { readonly command: string; readonly time: number; readonly config: Line } | undefined;
  phase: PhaseView | undefined;
  totalSteps: number | undefined;
  seconds: number | undefined;
  memoryBytes: number | undefined;
  loss: number | null | undefined;
  end: { readonly outcome: string; readonly error?: string | undefined } | undefined;
  /** What came since it was last asked for. */
  private added: { points: Map<string, [number, number | null][]>; frames: FrameView[]; isReset: boolean } =
    noneAdded();

  /** Takes a line; what is none of ours is passed over. */
  add(text: string): void {
    let line: unknown;
    try {
      line = JSON.parse(text);
    } catch {
      return;
    }
    if (!isJsonObject(line)) return;
    if (typeof line.seconds === 'number') this.seconds = line.seconds;
    if (typeof line.event === 'string') this.event(line.event, line);
    else if (typeof line.phase === 'string' && typeof line.step === 'number')
      this.measured(line.phase, line.step, line);
  }

  private event(event: string, line: Line): void {
    switch (event) {
      case 'begin':
        this.end = undefined;
        this.phase = undefined;
        this.begun = {
          command: textOf(line.command) ?? '',
          time: Date.parse(textOf(line.time) ?? '') || 0,
          config: isJsonObject(line.config) ? line.config : {},
        };
        return;
      case 'phase':
        this.phase = {
          name: textOf(line.name) ?? '',
          done: numberOf(line.from) ?? 0,
          total: numberOf(line.total) ?? 0,
        };
        return;
      case 'pace':
        this.pace(line);
        return;
      case 'info':
      case 'warning':
        this.messages.push({ isWarning: event === 'warning', text: (textOf(line.message) ?? '').slice(0, 4000) });
        if (this.messages.length > mostMessages) this.messages.shift();
        return;
      case 'matrix':
        this.matrix(line);
        return;
      case 'selected': {
        this.final = frameOf(line, this.namesOf(line));
        this.select = textOf(line.select);
        if (this.final !== undefined) this.added.frames.push(this.final);
        return;
      }
      case 'end':
        this.end = { outcome: textOf(line.outcome) ?? '', error: textOf(line.error) };
        return;
    }
  }

  private pace(line: Line): void {
    const done = numberOf(line.done) ?? 0;
    const name = textOf(line.name) ?? '';
    this.phase = { name, done, total: numberOf(line.total) ?? 0 };
    this.memoryBytes = numberOf(line.memoryBytes) ?? this.memoryBytes;
    if (this.seconds === undefined) return;
    const tokens = numberOf(line.tokensPerSecond);
    if (tokens !== undefined) this.point('tokensPerSecond', this.seconds, tokens);
    if (this.memoryBytes !== undefined) this.point('memory', this.seconds, this.memoryBytes);
  }

  private measured(phase: string, step: number, line: Line): void {
    const at = step + 1;
    switch (phase) {
      case 'train':
        this.totalSteps = numberOf(line.totalSteps) ?? this.totalSteps;
        this.loss = numberOf(line.loss) ?? null;
        this.progress('train', at, line);
        this.point('loss', at, numberOf(line.loss) ?? null);
        this.point('learningRate', at, numberOf(line.learningRate) ?? null);
        this.point('gradientNorm', at, numberOf(line.gradientNorm) ?? null);
        return;
      case 'search':
        this.progress('search', at, line);
        this.point('search validation loss', at, numberOf(line.validationLoss) ?? null);
        this.point('search training loss', at, numberOf(line.trainLoss) ?? null);
        this.point('search entropy', at, numberOf(line.entropy) ?? null);
        this.point('search spread', at, numberOf(line.spread) ?? null);
        return;
      case 'evaluate':
        if (!isJsonObject(line.scores)) return;
        for (const [name, score] of Object.entries(line.scores).slice(0, 20)) {
          this.point(`score ${name}`, at, numberOf(score) ?? null);
        }
        return;
    }
  }

  /** A step says how far its phase is, more often than the pace does. */
  private progress(name: string, done: number, line: Line): void {
    const total = numberOf(line.totalSteps);
    if (total !== undefined)
      this.phase = { name: this.phase?.name.startsWith(name) ? this.phase.name : name, done, total };
  }

  private matrix(line: Line): void {
    const step = numberOf(line.step);
    const frame = frameOf(line, this.namesOf(line));
    if (frame === undefined || step === undefined) return;
    this.frames = this.frames.filter((one) => one.step! < step);
    this.frames.push({ step, ...frame });
    this.added.frames.push({ step, ...frame });
    if (this.frames.length > mostFrames) {
      this.frameStride *= 2;
      this.frames = this.frames.filter((_, i) => i % 2 === 0 || i === this.frames.length - 1);
    }
  }

  private namesOf({ modules, rows, there }: Line): readonly string[] {
    if (Array.isArray(modules)) {
      this.modules = modules.map(String);
      this.standing = {
        rows: Array.isArray(rows) ? rows.map(String) : undefined,
        there: isMatrix(there, this.modules.length) ? there : undefined,
      };
    }
    return this.modules;
  }

  private point(name: string, x: number, y: number | null): void {
    let series = this.series.get(name);
    if (series === undefined) {
      series = new Series();
      this.series.set(name, series);
    }
    // A run that goes on from a checkpoint tells again of the steps after it.
    if (x <= series.last) {
      series.cut(x);
      this.added.isReset = true;
    }
    series.add(x, y);
    const points = this.added.points.get(name);
    if (points === undefined) this.added.points.set(name, [[x, y]]);
    else if (points.length < 5000) points.push([x, y]);
    else this.added.isReset = true;
  }

  views(): Record<string, SeriesView> {
    return Object.fromEntries([...this.series].map(([name, one]) => [name, one.view()]));
  }

  matrixView(): MatrixView | undefined {
    if (this.frames.length === 0 && this.final === undefined) return undefined;
    return { modules: this.modules, ...this.standing, select: this.select, frames: this.frames, final: this.final };
  }

  /** What has come since the last call. */
  takeAdded(): {
    series: Record<string, SeriesView>;
    frames: readonly FrameView[];
    isReset: boolean;
    isEmpty: boolean;
  } {
    const { points, frames, isReset } = this.added;
    this.added = noneAdded();
    const series = Object.fromEntries(
      [...points].map(([name, all]) => [name, { x: all.map(([x]) => x), y: all.map(([, y]) => y) }]),
    );
    return { series, frames, isReset, isEmpty: points.size === 0 && frames.length === 0 };
  }
}

const noneAdded = () => ({
  points: new Map<string, [number, number | null][]>(),
  frames: [] as FrameView[],
  isReset: false,
});

const numberOf = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);
const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);

/** A matrix of a line, where it is as wide as it should be. */
function frameOf({ values, gamma }: Line, modules: readonly string[]): FrameView | undefined {
  if (!isMatrix(values, modules.length) || !isMatrix(gamma, modules.length) || values.length !== gamma.length)
    return undefined;
  return { values, gamma };
}

function isMatrix(value: unknown, columns: number): value is number[][] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 1000 || columns === 0) return false;
  return value.every(
    (row) =>
      Array.isArray(row) && row.length === columns && row.every((one) => typeof one === 'number' || one === null),
  );
}
