import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { CompareRecord } from '../../jobs/compare/records.js';
import { type Interval, mean } from '../../jobs/compare/statistics.js';
import type { MethodSummary, TableSummary } from '../../jobs/compare/summary.js';
import { type MatrixCell, type MatrixCells, matrixCells, shareOf } from '../matrixCells.js';
import { formatLoss, formatScore } from '../units.js';

/** Width of a figure in CSS pixels: one fits a phone, several stand side by side on a desk. */
const width = 360;
/** Room for a letter of a method's name, and most room for all of it. */
const letterWidth = 5.8;
const longestName = 150;
const rowHeight = 22;
/** Three decimals at most, in d3's language. */
const scoreFormat = '.3~f';
const lossFormat = '.4~f';

/** Plot draws into any document; this one is no browser's. */
const { document } = parseHTML('<!doctype html><html><body></body></html>');
const common: Plot.PlotOptions = { document: document as never, className: 'figure' };

export type Color = (method: string) => string;

/** Colours that stand on white and on black (Observable's ten), by method. */
export function colorsOf(methods: readonly string[]): Color {
  const scale = Plot.scale({ color: { type: 'categorical', scheme: 'observable10', domain: [...methods] } });
  return (method) => String(scale.apply(method));
}

/** Each seed's score a dot, the mean a line: [methods] down, the first metric across. */
export function seedDots({ methods, metrics }: TableSummary, color: Color): string {
  const metric = metrics[0]!;
  return dotsBySeed(methods, color, {
    label: metric,
    tickFormat: scoreFormat,
    format: formatScore,
    ofRun: ({ scores }) => scores?.[metric],
    ofMethod: ({ scores }) => scores[metric]?.mean,
  });
}

/** The same of the loss of held-out training examples. */
export function lossDots({ methods }: TableSummary, color: Color): string {
  return dotsBySeed(methods, color, {
    label: 'validation loss',
    tickFormat: lossFormat,
    format: formatLoss,
    ofRun: ({ validation }) => validation?.loss,
    ofMethod: ({ validationLoss }) => validationLoss?.mean,
  });
}

/** A quantity that every run has. */
interface Quantity {
  readonly label: string;
  readonly tickFormat: string;
  readonly format: (value: number) => string;
  readonly ofRun: (run: CompareRecord) => number | null | undefined;
  readonly ofMethod: (method: MethodSummary) => number | undefined;
}

function dotsBySeed(
  methods: readonly MethodSummary[],
  color: Color,
  { label, tickFormat, format, ofRun, ofMethod }: Quantity,
): string {
  const dots = methods.flatMap(({ method, runs }) =>
    runs.map((run) => ({ method, seed: run.seed, score: ofRun(run) ?? Number.NaN })),
  );
  const means = methods.map((one) => ({ method: one.method, score: ofMethod(one) ?? Number.NaN }));
  return draw({
    ...rows(methods),
    x: { label: `${label} →`, grid: true, nice: true, ticks: 5, tickFormat },
    marks: [
      Plot.tickX(finite(means), { x: 'score', y: 'method', stroke: ({ method }) => color(method), strokeWidth: 2 }),
      Plot.dot(finite(dots), {
        x: 'score',
        y: 'method',
        fill: ({ method }) => color(method),
        fillOpacity: 0.7,
        r: 3.5,
        title: ({ method, seed, score }) => `${method}, seed ${seed}: ${format(score)}`,
      }),
    ],
  });
}

/** Mean score against the numbers that are trained, head included. */
export function scoreAgainstSize(table: TableSummary, color: Color): string {
  return scoreAgainst(table, color, {
    label: 'trained numbers, head included →',
    of: ({ runs }) => {
      const sizes = runs.flatMap(({ parameters }) =>
        parameters ? parameters.kept + parameters.replaced + parameters.head : [],
      );
      return sizes.length === 0 ? undefined : mean(sizes);
    },
    text: (size) => `with ${Math.round(size).toLocaleString('en-US')} numbers`,
  });
}

/** Mean score against the mean time of a run. */
export function scoreAgainstTime(table: TableSummary, color: Color): string {
  return scoreAgainst(table, color, {
    label: 'seconds of a run →',
    of: ({ seconds }) => seconds,
    text: (seconds) => `in ${Math.round(seconds)} s`,
  });
}

interface Cost {
  readonly label: string;
  readonly of: (method: MethodSummary) => number | undefined;
  readonly text: (cost: number) => string;
}

function scoreAgainst({ methods, metrics }: TableSummary, color: Color, { label, of, text }: Cost): string {
  const metric = metrics[0]!;
  const dots = methods.flatMap((one) => {
    const cost = of(one);
    return cost === undefined ? [] : [{ method: one.method, cost, score: one.scores[metric]?.mean ?? Number.NaN }];
  });
  return draw({
    height: 240,
    marginLeft: 48,
    x: { label, tickFormat: '~s', nice: true, grid: true },
    y: { label: `↑ ${metric}`, nice: true, grid: true, tickFormat: scoreFormat },
    marks: [
      Plot.dot(finite(dots), {
        x: 'cost',
        y: 'score',
        fill: ({ method }) => color(method),
        r: 5,
        title: ({ method, cost, score }) => `${method}: ${formatScore(score)} ${text(cost)}`,
      }),
    ],
  });
}

/** Paired differences to the reference with their 95 % intervals. */
export function differences({ methods, metrics }: TableSummary, reference: string, color: Color): string {
  const known = methods.flatMap(({ method, difference }) =>
    difference === undefined ? [] : [{ method, ...difference }],
  );
  return intervals(methods, reference, color, known, {
    label: metrics[0]!,
    tickFormat: scoreFormat,
    format: formatScore,
  });
}

/** The same of the loss of held-out training examples. */
export function lossDifferences({ methods }: TableSummary, reference: string, color: Color): string {
  const known = methods.flatMap(({ method, lossDifference: of }) => (of === undefined ? [] : [{ method, ...of }]));
  const loss = { label: 'validation loss', tickFormat: lossFormat, format: formatLoss };
  return intervals(methods, reference, color, known, loss);
}

function intervals(
  methods: readonly MethodSummary[],
  reference: string,
  color: Color,
  known: readonly (Interval & { readonly method: string })[],
  { label, tickFormat, format }: Pick<Quantity, 'label' | 'tickFormat' | 'format'>,
): string {
  const shown = known.filter(({ low, high }) => Number.isFinite(low) && Number.isFinite(high));
  return draw({
    ...rows(methods.filter(({ method }) => method !== reference)),
    x: { label: `${label}: method − ${reference} →`, grid: true, nice: true, ticks: 5, tickFormat },
    marks: [
      Plot.ruleX([0], { strokeOpacity: 0.6 }),
      Plot.link(shown, {
        x1: 'low',
        x2: 'high',
        y1: 'method',
        y2: 'method',
        stroke: ({ method }) => color(method),
        strokeWidth: 2,
      }),
      Plot.dot(shown, {
        x: 'mean',
        y: 'method',
        fill: ({ method }) => color(method),
        r: 4,
        title: ({ method, mean: center, low, high }) =>
          `${method}: ${format(center)} (95 %: ${format(low)} to ${format(high)})`,
      }),
    ],
  });
}

/** Training loss, mean over seeds. */
export function learningCurves({ methods }: TableSummary, color: Color): string {
  const points = methods.flatMap(({ method, runs }) => {
    const curves = runs.flatMap(({ curve }) => (curve === undefined ? [] : [curve]));
    return (curves[0] ?? []).map(([step], i) => {
      const losses = curves.flatMap((curve) => curve[i]?.[1] ?? []);
      return { method, step, loss: mean(losses) };
    });
  });
  return draw({
    height: 240,
    marginLeft: 48,
    x: { label: 'step →', nice: true },
    y: { label: '↑ training loss', nice: true, grid: true },
    marks: [
      Plot.line(points, { x: 'step', y: 'loss', z: 'method', stroke: ({ method }) => color(method), strokeWidth: 1.5 }),
    ],
  });
}

/** A bar a method: seconds, or megabytes. */
export function bars(
  methods: readonly MethodSummary[],
  label: string,
  value: (one: MethodSummary) => number | undefined,
  color: Color,
): string {
  const data = methods.map((one) => ({ method: one.method, value: value(one) ?? 0 }));
  return draw({
    ...rows(methods),
    x: { label: `${label} →`, grid: true, nice: true },
    marks: [
      Plot.barX(data, {
        x: 'value',
        y: 'method',
        fill: ({ method }) => color(method),
        title: ({ method, value: amount }) => `${method}: ${Math.round(amount).toLocaleString('en-US')}`,
      }),
      Plot.ruleX([0]),
    ],
  });
}

type Matrix = NonNullable<CompareRecord['dam']>;

/** A run's matrix: the darker the larger within it; kept modules are framed. */
export function matrixMap(matrix: Matrix, widthOfMap: number): string {
  const shown = matrixCells(matrix);
  return heatMap(shown, widthOfMap, ({ value, isKept }) => ({
    share: shareOf(value, shown.range),
    framed: isKept,
    title: `${value.toPrecision(3)}, ${isKept ? 'kept' : 'left out'}`,
  }));
}

/** The share of the runs that keep each module. */
export function meanMap(matrices: readonly Matrix[], widthOfMap: number): string {
  return heatMap(matrixCells(matrices[0]!), widthOfMap, ({ layer, column }) => {
    const kept = matrices.filter(({ gamma }) => gamma[layer]![column] === 1).length;
    return { share: kept / matrices.length, framed: false, title: `kept in ${kept} of ${matrices.length} runs` };
  });
}

/** A cell for each module; where none stands, the ground shows. */
function heatMap(
  { cells: rows, rowNames, columnNames }: MatrixCells,
  widthOfMap: number,
  describe: (cell: MatrixCell) => { readonly share: number; readonly framed: boolean; readonly title: string },
): string {
  const isOfOneKind = rowNames.every((name, layer) => name === `layer ${layer}`);
  const rowTitles = rowNames.map((name, layer) => (isOfOneKind ? String(layer) : name));
  const cells = rows.flat().flatMap((cell) => {
    if (cell === undefined) return [];
    const { share, framed, title } = describe(cell);
    const shown = { row: rowTitles[cell.layer]!, module: columnNames[cell.column]!, value: share, framed };
    return [{ ...shown, title: `${rowNames[cell.layer]}, ${shown.module}: ${title}` }];
  });
  return draw({
    width: widthOfMap,
    height: 50 + 16 * rows.length,
    marginLeft: isOfOneKind ? 24 : 76,
    marginBottom: 42,
    marginTop: 4,
    marginRight: 4,
    x: { domain: columnNames, label: null, tickSize: 0, tickRotate: -45 },
    y: { domain: rowTitles, label: null, tickSize: 0 },
    color: { scheme: 'blues', domain: [0, 1] },
    marks: [
      Plot.cell(cells, {
        x: 'module',
        y: 'row',
        fill: 'value',
        stroke: ({ framed }) => (framed ? '#e15759' : 'none'),
        strokeWidth: 2,
        inset: 1.5,
        title: 'title',
      }),
    ],
  });
}

/** A row for each method, in the order of the configuration. */
function rows(methods: readonly Pick<MethodSummary, 'method'>[]): Plot.PlotOptions {
  const domain = methods.map(({ method }) => method);
  const marginLeft = Math.min(longestName, 16 + letterWidth * Math.max(...domain.map(({ length }) => length)));
  return { marginLeft, height: 48 + rowHeight * domain.length, y: { domain, label: null, tickSize: 0 } };
}

function finite<T extends { readonly score: number }>(points: readonly T[]): T[] {
  return points.filter(({ score }) => Number.isFinite(score));
}

function draw(options: Plot.PlotOptions): string {
  return String((Plot.plot({ width, ...common, ...options }) as unknown as { outerHTML: string }).outerHTML);
}
