import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Curves, Line } from './curves.js';

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
  /** So far it goes to the right at least. */
  readonly xMost?: number | undefined;
}

/** Drawn once it is there: no table waits for it. */
const drawing = () => import('./curves.js');

/** Curves with axes. A pointer or the arrow keys read values off; a screen reader hears them. */
export function Chart({
  title,
  lines: given,
  xTitle,
  format,
  formatX = String,
  mark,
  height = 190,
  hasLegend = true,
  xMost,
}: Props) {
  const lines = useSame(given);
  const [box, width] = useWidth();
  const ground = useRef<HTMLDivElement>(null);
  const [curves, setCurves] = useState<Curves | undefined>(undefined);
  const [at, setAt] = useState<number | undefined>(undefined);
  useEffect(() => {
    let isWanted = width > 0;
    void drawing().then(({ drawCurves }) => {
      if (!isWanted) return;
      const drawn = drawCurves({ lines, width, height, format, formatX, mark, xMost });
      ground.current?.replaceChildren(drawn.svg);
      setCurves(drawn);
    });
    return () => {
      isWanted = false;
    };
  }, [lines, width, height, format, formatX, mark, xMost]);
  const xs = useMemo(
    () => lines.reduce<readonly number[]>((longest, { x }) => (x.length > longest.length ? x : longest), []),
    [lines],
  );
  const index = at === undefined || xs.length === 0 ? undefined : Math.min(at, xs.length - 1);
  const x = index === undefined ? undefined : xs[index];
  const read = x === undefined ? [] : lines.map((line) => ({ line, value: nearest(line, x) }));
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
    const wanted = curves?.xOf(event.clientX - bounds.left);
    setAt(xs.length === 0 || wanted === undefined ? undefined : nearestIndex(xs, wanted));
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
        <div ref={ground} aria-hidden="true" style={{ height }} />
        {curves !== undefined && x !== undefined && (
          <svg class="over" width={width} height={height} aria-hidden="true" focusable="false">
            <line class="cross" x1={curves.x(x)} x2={curves.x(x)} y1={curves.top} y2={curves.bottom} />
            {read.map(
              ({ line, value }) =>
                typeof value === 'number' && (
                  <circle
                    key={line.name}
                    class={`dot c${line.color % 8}`}
                    cx={curves.x(x)}
                    cy={curves.y(value)}
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

/** The lines that were given before, where nothing of them has changed: then nothing is drawn anew. */
function useSame(lines: readonly Line[]): readonly Line[] {
  const kept = useRef(lines);
  const isSame = (a: Line, b: Line | undefined) =>
    a.x === b?.x && a.y === b.y && a.name === b.name && a.color === b.color;
  if (lines.length !== kept.current.length || !lines.every((line, i) => isSame(line, kept.current[i])))
    kept.current = lines;
  return kept.current;
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

function nearestIndex(xs: readonly number[], wanted: number): number {
  let best = 0;
  for (const [i, x] of xs.entries()) if (Math.abs(x - wanted) < Math.abs(xs[best]! - wanted)) best = i;
  return best;
}

function nearest({ x, y }: Line, wanted: number): number | null | undefined {
  return x.length === 0 ? undefined : y[nearestIndex(x, wanted)];
}
