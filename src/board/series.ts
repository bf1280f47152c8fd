import type { SeriesView } from './view.js';

/** Points that are held of a curve, at most: more than a screen has columns to tell apart. */
const most = 1000;

/**
 * A curve of any length in little memory: once it has too many points, every two neighbours become their mean, and from
 * then on twice as many values go into a point.
 */
export class Series {
  private readonly xs: number[] = [];
  private readonly ys: (number | null)[] = [];
  private stride = 1;
  private pending = { count: 0, finite: 0, sum: 0, x: 0 };

  add(x: number, y: number | null): void {
    const { pending } = this;
    pending.count++;
    pending.x = x;
    if (y !== null) {
      pending.finite++;
      pending.sum += y;
    }
    if (pending.count < this.stride) return;
    this.xs.push(x);
    this.ys.push(meanOf(pending));
    this.pending = { count: 0, finite: 0, sum: 0, x: 0 };
    if (this.xs.length > most) this.halve();
  }

  /** Forgets what comes at `x` or after it, as where a run goes on from an earlier step. */
  cut(x: number): void {
    const kept = this.xs.findIndex((one) => one >= x);
    if (kept >= 0) {
      this.xs.length = kept;
      this.ys.length = kept;
    }
    if (this.pending.x >= x) this.pending = { count: 0, finite: 0, sum: 0, x: 0 };
  }

  get last(): number {
    return this.pending.count > 0 ? this.pending.x : (this.xs.at(-1) ?? Number.NEGATIVE_INFINITY);
  }

  view(): SeriesView {
    if (this.pending.count === 0) return { x: [...this.xs], y: [...this.ys] };
    return { x: [...this.xs, this.pending.x], y: [...this.ys, meanOf(this.pending)] };
  }

  private halve(): void {
    const pairs = Math.floor(this.xs.length / 2);
    for (let i = 0; i < pairs; i++) {
      const [first, second] = [this.ys[2 * i]!, this.ys[2 * i + 1]!];
      this.xs[i] = this.xs[2 * i + 1]!;
      this.ys[i] = first === null ? second : second === null ? first : (first + second) / 2;
    }
    const rest = this.xs.length % 2 === 1 ? this.xs.at(-1) : undefined;
    const restY = this.ys.at(-1)!;
    this.xs.length = pairs;
    this.ys.length = pairs;
    if (rest !== undefined)
      this.pending = {
        count: this.stride,
        finite: restY === null ? 0 : this.stride,
        sum: (restY ?? 0) * this.stride,
        x: rest,
      };
    this.stride *= 2;
  }
}

function meanOf({ finite, sum }: { readonly finite: number; readonly sum: number }): number | null {
  return finite === 0 ? null : sum / finite;
}
