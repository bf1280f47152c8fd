import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { SeriesView } from '../view.js';

/** A line of a chart. */
export interface Line extends SeriesView {
  readonly name: string;
  /** Number of its colour. */
  readonly color: number;
}

interface Props {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly xTitle: string;
  readonly format: (value: number) => string;
  readonly formatX?: (value: number) => string;
  /** A mark at this x. */
  readonly mark?: number | undefined;
  readonly height?: number;
  /** Names the lines below it. */
  readonly hasLegend?: boolean;
  /** Further it does not go to the right. */
  readonly xMost?: number | undefined;
}

const margin = { left: 52, right: 12, top: 10, bottom: 26 };

/** Curves with axes. A pointer or the arrow keys read values off; a screen reader hears them. */
export function Chart({
  title,
  lines,
  xTitle,
  format,
  formatX = String,
  mark,
  height = 190,
  hasLegend = true,
  xMost,
}: Props) {
  const [box, width] = useWidth();
  const [at, setAt] = useState<number | undefined>(undefined);
  const drawn = useMemo(() => lines.map((line) => thinned(line, Math.max(100, width))), [lines, width]);
  const scale = useMemo(() => scalesOf(drawn, width, height, xMost), [drawn, width, height, xMost]);
  const xs = drawn.reduce<readonly number[]>((longest, { x }) => (x.length > longest.length ? x : longest), []);
  const index = at === undefined || xs.length === 0 ? undefined : Math.min(at, xs.length - 1);
  const x = index === undefined ? undefined : xs[index];
  const read = x === undefined ? [] : drawn.map((line) => ({ line, value: nearest(line, x) }));
  const texts = read.map(
    ({ line, value }) =>
      `${lines.length > 1 ? `${line.name} ` : ''}${value === null || value === undefined ? 'no value' : format(value)}`,
  );
  const said = x === undefined ? 'no point chosen' : `${xTitle} ${formatX(x)}: ${texts.join(', ')}`;
  const move = (by: number) =>
    setAt((before) => Math.max(0, Math.min(xs.length - 1, (before ?? (by > 0 ? -1 : xs.length)) + by)));
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      PageUp: 10,
      PageDown: -10,
      Home: -1e9,
      End: 1e9,
    };
    const by = steps[event.key];
    if (event.key === 'Escape') setAt(undefined);
    if (by === undefined) return;
    event.preventDefault();
    move(by);
  };
  const onPointerMove = (event: PointerEvent) => {
    const bounds = (event.currentTarget as Element).getBoundingClientRect();
    const wanted = scale.xOf(event.clientX - bounds.left);
    setAt(xs.length === 0 ? undefined : nearestIndex(xs, wanted));
  };
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <span class="read" aria-hidden="true">
          {x === undefined ? lastText(lines, format) : `${formatX(x)} · ${lines.length > 4 ? '' : texts.join(' · ')}`}
        </span>
      </figcaption>
      <div
        ref={box}
        class="plot"
        role="slider"
        tabIndex={0}
        aria-label={`${title}, ${lines.length === 1 ? 'a curve' : `${lines.length} curves`} over ${xTitle}`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, xs.length - 1)}
        aria-valuenow={index ?? Math.max(0, xs.length - 1)}
        aria-valuetext={said}
        onKeyDown={onKeyDown}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setAt(undefined)}
        onBlur={() => setAt(undefined)}
      >
        {width > 0 && (
          <svg width={width} height={height} aria-hidden="true" focusable="false">
            {scale.yTicks.map((tick) => (
              <g key={tick}>
                <line class="grid" x1={margin.left} x2={width - margin.right} y1={scale.y(tick)} y2={scale.y(tick)} />
                <text class="tick" x={margin.left - 7} y={scale.y(tick) + 4} text-anchor="end">
                  {format(tick)}
                </text>
              </g>
            ))}
            {scale.xTicks.map((tick) => (
              <text key={tick} class="tick" x={scale.x(tick)} y={height - 9} text-anchor="middle">
                {formatX(tick)}
              </text>
            ))}
            {mark !== undefined && (
              <line class="mark" x1={scale.x(mark)} x2={scale.x(mark)} y1={margin.top} y2={height - margin.bottom} />
            )}
            {drawn.map((line) => (
              <path key={line.name} class={`line c${line.color % 8}`} d={pathOf(line, scale)} />
            ))}
            {drawn.map(
              (line) =>
                line.x.length === 1 &&
                line.y[0] !== null && (
                  <circle
                    key={line.name}
                    class={`dot c${line.color % 8}`}
                    cx={scale.x(line.x[0]!)}
                    cy={scale.y(line.y[0]!)}
                    r={3}
                  />
                ),
            )}
            {x !== undefined && (
              <line class="cross" x1={scale.x(x)} x2={scale.x(x)} y1={margin.top} y2={height - margin.bottom} />
            )}
            {read.map(
              ({ line, value }) =>
                x !== undefined &&
                typeof value === 'number' && (
                  <circle
                    key={line.name}
                    class={`dot c${line.color % 8}`}
                    cx={scale.x(x)}
                    cy={scale.y(value)}
                    r={3.5}
                  />
                ),
            )}
          </svg>
        )}
      </div>
      {hasLegend && lines.length > 1 && (
        <ul class="legend-list">
          {lines.map(({ name, color }) => (
            <li key={name} class={`c${color % 8}`}>
              <span>{name}</span>
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}

function lastText(lines: readonly Line[], format: (value: number) => string): string {
  if (lines.length !== 1) return '';
  const last = lines[0]!.y.at(-1);
  return last === undefined || last === null ? '' : format(last);
}

/** The width that an element has, and a place to put it. */
function useWidth() {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => setWidth(Math.floor(box.current?.clientWidth ?? 0)), []);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  return [box, width] as const;
}

interface Scale {
  x(value: number): number;
  y(value: number): number;
  /** Value at a place. */
  xOf(pixel: number): number;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
}

function scalesOf(lines: readonly Line[], width: number, height: number, xMost: number | undefined): Scale {
  const [x0, x1] = extent(
    lines.map(({ x }) => x),
    xMost,
  );
  const [low, high] = extent(lines.map(({ y }) => y));
  const yStep = stepOf(low, high, Math.max(2, Math.round(height / 55)));
  const y0 = Math.floor(low / yStep + 1e-9) * yStep;
  const y1 = Math.ceil(high / yStep - 1e-9) * yStep;
  const xStep = stepOf(x0, x1, Math.max(2, Math.round(width / 85)));
  // Between two steps there is none.
  const isWhole = lines.every(({ x }) => x.every(Number.isInteger));
  const [inner, tall] = [width - margin.left - margin.right, height - margin.top - margin.bottom];
  return {
    x: (value) => round(margin.left + (inner * (value - x0)) / (x1 - x0 || 1)),
    y: (value) => round(margin.top + tall - (tall * (value - y0)) / (y1 - y0 || 1)),
    xOf: (pixel) => x0 + ((pixel - margin.left) / (inner || 1)) * (x1 - x0),
    xTicks: ticksOf(x0, x1, isWhole ? Math.max(1, xStep) : xStep),
    yTicks: ticksOf(y0, y1, yStep),
  };
}

const round = (value: number) => Math.round(value * 10) / 10;

function extent(all: readonly (readonly (number | null)[])[], most?: number): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const values of all) {
    for (const value of values) {
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (most !== undefined && most > high) high = most;
  if (!Number.isFinite(low)) return [0, 1];
  if (low === high) return low === 0 ? [0, 1] : [low - Math.abs(low) * 0.1, high + Math.abs(high) * 0.1];
  return [low, high];
}

/** A round number of which about `count` lie between two values. */
function stepOf(low: number, high: number, count: number): number {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.99) ?? 1;
}

/** The multiples of a step from `low` to `high`. */
function ticksOf(low: number, high: number, step: number): number[] {
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9 && ticks.length < 20; i++) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** Means of neighbours, so that there are no more points than pixels. */
function thinned(line: Line, most: number): Line {
  const every = Math.ceil(line.x.length / most);
  if (every <= 1) return line;
  const [x, y]: [number[], (number | null)[]] = [[], []];
  for (let start = 0; start < line.x.length; start += every) {
    const values = line.y.slice(start, start + every).filter((one) => one !== null);
    x.push(line.x[Math.min(line.x.length, start + every) - 1]!);
    y.push(values.length === 0 ? null : values.reduce((sum, one) => sum + one, 0) / values.length);
  }
  return { ...line, x, y };
}

function pathOf({ x, y }: Line, scale: Scale): string {
  let path = '';
  let isDown = false;
  for (const [i, value] of y.entries()) {
    if (value === null) {
      isDown = false;
      continue;
    }
    path += `${isDown ? 'L' : 'M'}${scale.x(x[i]!)} ${scale.y(value)}`;
    isDown = true;
  }
  return path;
}

function nearestIndex(xs: readonly number[], wanted: number): number {
  let best = 0;
  for (const [i, x] of xs.entries()) if (Math.abs(x - wanted) < Math.abs(xs[best]! - wanted)) best = i;
  return best;
}

function nearest({ x, y }: Line, wanted: number): number | null | undefined {
  return x.length === 0 ? undefined : y[nearestIndex(x, wanted)];
}
