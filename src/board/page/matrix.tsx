import { useEffect, useRef, useState } from 'preact/hooks';
import { shortModuleNames } from '../../report/moduleNames.js';
import { heatColor, heatRange } from '../../selection/heatColor.js';
import type { FrameView, MatrixView, SeriesView } from '../view.js';
import { Chart } from './chart.jsx';
import { number } from './format.js';

/** Milliseconds that a frame stands while the forming is played. */
const beat = 120;

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
  const frames: readonly FrameView[] = [...matrix.frames, ...(matrix.final === undefined ? [] : [matrix.final])];
  // Undefined: the newest, whatever comes.
  const [chosen, choose] = useState<number | undefined>(undefined);
  const [isPlaying, play] = useState(false);
  const last = frames.length - 1;
  const place = Math.min(chosen ?? last, last);
  const frame = frames[place]!;
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
  const steps = matrix.frames.at(-1)?.step;
  const where =
    frame.step === undefined
      ? 'the matrix that decided'
      : `after step ${frame.step + 1}${isGoingOn || steps === undefined ? '' : ` of ${steps + 1}`}`;
  const kept = frame.gamma.flat().filter((one) => one === 1).length;
  const all = frame.gamma.length * matrix.modules.length;
  const curves = [
    ['entropy', 'Entropy of the matrix (1 undecided, 0 binary)'],
    ['spread', 'Spread of its logits'],
  ] as const;
  return (
    <section class="card matrix" aria-labelledby="matrix-title">
      <header class="row">
        <h2 id="matrix-title">Differential Adaptation Matrix</h2>
        <p class="muted">
          {kept} of {all} modules kept, {where}
          {matrix.select === undefined ? '' : `; chosen by ${matrix.select}`}
        </p>
      </header>
      <div class="forming">
        <div>
          <Heat frame={frame} modules={matrix.modules} />
          <Legend frame={frame} />
          {matrix.frames.length > 0 && (
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
                  aria-valuetext={where}
                  onInput={(event) => {
                    const at = Number(event.currentTarget.value);
                    play(false);
                    choose(at >= last ? undefined : at);
                  }}
                />
              </label>
              <output>{frame.step === undefined ? 'final' : `step ${frame.step + 1}`}</output>
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
                mark={frame.step === undefined ? undefined : frame.step + 1}
              />
            );
          })}
        </div>
      </div>
    </section>
  );
}

/** The cells: their value, colder or warmer ground, kept ones framed. Arrow keys go from cell to cell. */
function Heat({ frame, modules }: { readonly frame: FrameView; readonly modules: readonly string[] }) {
  const { values, gamma } = frame;
  const [focus, setFocus] = useState<readonly [number, number]>([0, 0]);
  const [hover, setHover] = useState<readonly [number, number] | undefined>(undefined);
  const table = useRef<HTMLTableElement>(null);
  const titles = shortModuleNames(modules);
  const range = heatRange(values);
  const isRelaxed = range.low >= 0 && range.high <= 1;
  const text = (value: number) =>
    isRelaxed ? value.toFixed(2).replace(/^0\./, '.') : value.toPrecision(2).replace('e+', 'e');
  const said = (layer: number, column: number) =>
    `layer ${layer}, ${modules[column]}: ${number(values[layer]![column])}, ${gamma[layer]![column] === 1 ? 'kept' : 'not kept'}`;
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
    const layer = Math.max(0, Math.min(values.length - 1, focus[0] + move[0]));
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
            {titles.map((title, column) => (
              <th key={modules[column]} scope="col" title={modules[column]}>
                <span>{title}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {values.map((row, layer) => (
            <tr key={layer}>
              <th scope="row">{layer}</th>
              {row.map((value, column) => {
                const { rgb } = heatColor(value, range);
                const isKept = gamma[layer]![column] === 1;
                return (
                  <td
                    key={modules[column]}
                    data-cell={`${layer}-${column}`}
                    role="gridcell"
                    tabIndex={focus[0] === layer && focus[1] === column ? 0 : -1}
                    class={`${isKept ? 'kept' : ''} ${isDark(rgb) ? 'on-dark' : ''}`}
                    style={{ backgroundColor: `rgb(${rgb.join(',')})` }}
                    onFocus={() => {
                      setFocus([layer, column]);
                      setHover([layer, column]);
                    }}
                    onPointerEnter={() => setHover([layer, column])}
                    onPointerLeave={() => setHover(undefined)}
                  >
                    <span aria-hidden="true">{text(value)}</span>
                    <span class="hidden">{said(layer, column)}</span>
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="told" aria-hidden="true">
        {hover === undefined || values[hover[0]]?.[hover[1]] === undefined
          ? 'Point at a cell for its numbers.'
          : said(hover[0], hover[1])}
      </p>
    </div>
  );
}

/** True where white is read better on a colour than black (WCAG 2.2, contrast ratio). */
function isDark(rgb: readonly [number, number, number]): boolean {
  const [red, green, blue] = rgb.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179;
}

function Legend({ frame }: { readonly frame: FrameView }) {
  const range = heatRange(frame.values);
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
