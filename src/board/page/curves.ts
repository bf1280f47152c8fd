import { dot, lineY, plot, ruleX } from '@observablehq/plot';
import type { SeriesView } from '../view.js';

/** A line of a chart. */
export interface Line extends SeriesView {
  readonly name: string;
  /** Number of its colour. */
  readonly color: number;
}

export interface CurvesOptions {
  readonly lines: readonly Line[];
  readonly width: number;
  readonly height: number;
  readonly format: (value: number) => string;
  readonly formatX: (value: number) => string;
  /** A mark at this x. */
  readonly mark: number | undefined;
  /** So far it goes to the right at least. */
  readonly xMost: number | undefined;
}

/** Curves as they were drawn, and where their values lie, in pixels. */
export interface Curves {
  readonly svg: Element;
  /** Of the ground. */
  readonly top: number;
  readonly bottom: number;
  x(value: number): number;
  y(value: number): number;
  /** Value at a place. */
  xOf(pixel: number): number;
}

const margins = { marginLeft: 52, marginRight: 12, marginTop: 10, marginBottom: 26 };

const colorOf = ({ color }: Line): string => `var(--c${color % 8})`;

/** Curves with axes. */
export function drawCurves({ lines, width, height, format, formatX, mark, xMost }: CurvesOptions): Curves {
  // Between two steps there is none.
  const isWhole = lines.every(({ x }) => x.every(Number.isInteger));
  // Room for the widest label, and some between two of them; there may be half as many again as are asked for.
  const last = Math.max(0, ...lines.map(({ x }) => x.at(-1) ?? 0));
  const labelWidth = 6.5 * formatX(last).length + 24;
  const points = (line: Line) => line.x.map((x, i) => ({ x, y: line.y[i] }));
  const shown = plot({
    width,
    height,
    ...margins,
    className: 'curves',
    x: {
      label: null,
      ticks: Math.max(2, Math.round(width / Math.max(85, 1.5 * labelWidth))),
      tickSize: 0,
      tickFormat: (x: number) => (isWhole && !Number.isInteger(x) ? '' : formatX(x)),
    },
    y: {
      label: null,
      ticks: Math.max(2, Math.round(height / 55)),
      tickSize: 0,
      // What reads the same as the tick below it would mislead.
      tickFormat: (y: number, i: number, ticks: readonly number[] = []) =>
        i > 0 && i < ticks.length && format(ticks[i - 1]!) === format(y) ? '' : format(y),
      grid: true,
      nice: true,
      ...flat(lines),
    },
    marks: [
      ...(xMost === undefined ? [] : [ruleX([xMost], { stroke: 'none' })]),
      ...(mark === undefined ? [] : [ruleX([mark], { strokeDasharray: '3 3' })]),
      ...lines.map((line) =>
        line.x.length === 1
          ? dot(points(line), { x: 'x', y: 'y', fill: colorOf(line), r: 3 })
          : lineY(points(line), { x: 'x', y: 'y', stroke: colorOf(line), strokeWidth: 1.8 }),
      ),
    ],
  });
  // The policy of the page takes styles from its own file alone.
  shown.querySelector('style')?.remove();
  const [x, y] = [shown.scale('x')!, shown.scale('y')!];
  return {
    svg: shown,
    top: margins.marginTop,
    bottom: height - margins.marginBottom,
    x: (value) => x.apply(value),
    y: (value) => y.apply(value),
    xOf: (pixel) => x.invert!(pixel),
  };
}

/** Room around values that are all one. */
function flat(lines: readonly Line[]): { readonly domain?: [number, number] } {
  const values = new Set(lines.flatMap(({ y }) => y.filter((one) => one !== null)));
  if (values.size !== 1) return {};
  const [value] = values as unknown as [number];
  const room = value === 0 ? 1 : Math.abs(value) * 0.1;
  return { domain: [value - room, value + room] };
}
