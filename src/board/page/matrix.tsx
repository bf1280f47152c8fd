import { useEffect, useRef, useState } from 'preact/hooks';
import { type MatrixCell, type MatrixCells, matrixCells } from '../../report/matrixCells.js';
import { heatColor } from '../../selection/heatColor.js';
import type { FrameView, MatrixView, SeriesView } from '../view.js';
import { Chart } from './chart.jsx';
import { number } from './format.js';

/** Milliseconds that a frame stands while the forming is played. */
const beat = 120;

const curves = [
  ['entropy', 'Entropy of the matrix (1 undecided, 0 binary)'],
  ['spread', 'Spread of its logits'],
] as const;

/** A step of the search, undefined of the matrix that decided, and the matrix that is shown with it. */
interface Moment {
  readonly step: number | undefined;
  readonly frame: FrameView;
}

/** The steps that can be looked at: those whose matrix is known; of a run that wrote none down those of its history, too. */
function momentsOf({ frames, final }: MatrixView, series: Readonly<Record<string, SeriesView>>): readonly Moment[] {
  const decided = final === undefined ? [] : [{ step: undefined, frame: final }];
  if (frames.length > 0 || final === undefined)
    return [...frames.map((frame) => ({ step: frame.step, frame })), ...decided];
  return [...(series['search entropy']?.x ?? []).map((at) => ({ step: at - 1, frame: final })), ...decided];
}

function valueAt(series: SeriesView | undefined, x: number): number | null | undefined {
  const place = series?.x.findIndex((one) => one >= x) ?? -1;
  return place < 0 ? undefined : series!.y[place];
}

/** The Differential Adaptation Matrix: as it formed, step by step, and as it decided. */
export function Matrix({
  matrix,
  series,
  isGoingOn,
}: {
  readonly matrix: MatrixView;
  readonly series: Readonly<Record<string, SeriesView>>;
  readonly isGoingOn: boolean;
}) {
  const moments = momentsOf(matrix, series);
  const isFormed = matrix.frames.length > 0;
  // Undefined: the newest, whatever comes.
  const [chosen, choose] = useState<number | undefined>(undefined);
  const [isPlaying, play] = useState(false);
  const last = moments.length - 1;
  const place = Math.min(chosen ?? last, last);
  const { step, frame } = moments[place]!;
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setTimeout(() => {
      if (place >= last) {
        play(false);
        choose(undefined);
      } else choose(place + 1);
    }, beat);
    return () => clearTimeout(timer);
  }, [isPlaying, place, last]);
  const steps = moments.findLast((one) => one.step !== undefined)?.step;
  const where =
    step === undefined
      ? 'the matrix that decided'
      : `after step ${step + 1}${isGoingOn || steps === undefined ? '' : ` of ${steps + 1}`}`;
  const said = curves.flatMap(([name]) => {
    const value = step === undefined ? undefined : valueAt(series[`search ${name}`], step + 1);
    return value === undefined ? [] : [`${name} ${number(value)}`];
  });
  const shown = matrixCells({ ...matrix, ...frame });
  return (
    <section class="card matrix" aria-labelledby="matrix-title">
      <header class="row">
        <h2 id="matrix-title">Differential Adaptation Matrix</h2>
        <p class="muted">
          {shown.kept} of {shown.all} modules kept, {isFormed ? where : 'the matrix that decided'}
          {matrix.select === undefined ? '' : `; chosen by ${matrix.select}`}
        </p>
      </header>
      <div class="forming">
        <div>
          <Heat matrix={shown} modules={matrix.modules} />
          <Legend range={shown.range} />
          {!isFormed && moments.length > 1 && (
            <p class="muted">
              How it formed was not written down matrix by matrix: the slider reads off the numbers of its steps.
            </p>
          )}
          {moments.length > 1 && (
            <div class="player">
              <button
                type="button"
                class="quiet"
                onClick={() => {
                  if (!isPlaying && place >= last) choose(0);
                  play(!isPlaying);
                }}
              >
                {isPlaying ? 'Pause' : 'Play'}
              </button>
              <label>
                <span class="hidden">Step of the search</span>
                <input
                  type="range"
                  min={0}
                  max={last}
                  value={place}
                  aria-valuetext={[where, ...said].join(', ')}
                  onInput={(event) => {
                    const at = Number(event.currentTarget.value);
                    play(false);
                    choose(at >= last ? undefined : at);
                  }}
                />
              </label>
              <output>
                {step === undefined ? 'final' : [`step ${step + 1}`, ...(isFormed ? [] : said)].join(', ')}
              </output>
            </div>
          )}
        </div>
        <div class="charts">
          {curves.map(([name, title]) => {
            const one = series[`search ${name}`];
            return one === undefined ? null : (
              <Chart
                key={name}
                title={title}
                lines={[{ name, color: name === 'entropy' ? 0 : 1, ...one }]}
                xTitle="step of the search"
                format={number}
                height={130}
                mark={step === undefined ? undefined : step + 1}
              />
            );
          })}
        </div>
      </div>
    </section>
  );
}

/** The cells: their value, colder or warmer ground, kept ones framed. Arrow keys go from cell to cell. */
function Heat({ matrix, modules }: { readonly matrix: MatrixCells; readonly modules: readonly string[] }) {
  const { cells, range, rowNames, columnNames } = matrix;
  const [focus, setFocus] = useState<readonly [number, number]>([0, 0]);
  const [hover, setHover] = useState<readonly [number, number] | undefined>(undefined);
  const table = useRef<HTMLTableElement>(null);
  const isRelaxed = range.low >= 0 && range.high <= 1;
  const text = (value: number) =>
    isRelaxed ? value.toFixed(2).replace(/^0\./, '.') : value.toPrecision(2).replace('e+', 'e');
  const said = (layer: number, column: number) => {
    const cell = cells[layer]![column];
    if (cell === undefined) return `${rowNames[layer]}, ${modules[column]}: there is none in this layer`;
    return `${cell.name}: ${number(cell.value)}, ${cell.isKept ? 'kept' : 'not kept'}`;
  };
  const go = (event: KeyboardEvent) => {
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const layer = Math.max(0, Math.min(cells.length - 1, focus[0] + move[0]));
    const column = Math.max(0, Math.min(modules.length - 1, focus[1] + move[1]));
    setFocus([layer, column]);
    setHover([layer, column]);
    table.current?.querySelector<HTMLElement>(`[data-cell="${layer}-${column}"]`)?.focus();
  };
  return (
    <div class="heat-scroll">
      <table class="heat" role="grid" ref={table} aria-label="Layers down, modules across" onKeyDown={go}>
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Layer</span>
            </th>
            {columnNames.map((title, column) => (
              <th key={modules[column]} scope="col" title={modules[column]}>
                <span>{title}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {cells.map((row, layer) => (
            <tr key={layer}>
              <th scope="row">{rowNames[layer]!.replace(/^layer /, '')}</th>
              {row.map((cell, column) => {
                const rgb = cell === undefined ? undefined : heatColor(cell.value, range).rgb;
                return (
                  <td
                    key={modules[column]}
                    data-cell={`${layer}-${column}`}
                    role="gridcell"
                    tabIndex={focus[0] === layer && focus[1] === column ? 0 : -1}
                    class={classOf(cell, rgb)}
                    style={rgb && { backgroundColor: `rgb(${rgb.join(',')})` }}
                    onFocus={() => {
                      setFocus([layer, column]);
                      setHover([layer, column]);
                    }}
                    onPointerEnter={() => setHover([layer, column])}
                    onPointerLeave={() => setHover(undefined)}
                  >
                    <span aria-hidden="true">{cell === undefined ? '' : text(cell.value)}</span>
                    <span class="hidden">{said(layer, column)}</span>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="told" aria-hidden="true">
        {hover === undefined || hover[0] >= cells.length || hover[1] >= modules.length
          ? 'Point at a cell for its numbers.'
          : said(hover[0], hover[1])}
      </p>
    </div>
  );
}

/** True where white is read better on a colour than black (WCAG 2.2, contrast ratio). */
function isDark(rgb: Rgb): boolean {
  const [red, green, blue] = rgb.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179;
}

type Rgb = readonly [red: number, green: number, blue: number];

function classOf(cell: MatrixCell | undefined, rgb: Rgb | undefined): string {
  if (cell === undefined || rgb === undefined) return 'absent';
  return `${cell.isKept ? 'kept' : ''} ${isDark(rgb) ? 'on-dark' : ''}`;
}

function Legend({ range }: Pick<MatrixCells, 'range'>) {
  return (
    <p class="legend">
      <span class="sample kept">framed</span> kept
      <span class="scale" aria-hidden="true">
        {Array.from({ length: 9 }, (_, i) => {
          const { rgb } = heatColor(range.low + (i / 8) * (range.high - range.low), range);
          return <span key={i} style={{ backgroundColor: `rgb(${rgb.join(',')})` }} />;
        })}
      </span>
      <span>
        {number(range.low, 3)} to {number(range.high, 3)}
      </span>
    </p>
  );
}
