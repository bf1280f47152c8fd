import type { ColorSupportLevel } from 'chalk';
import type { MatrixFrame } from '../progress.js';
import { heatMap } from './heatMap.js';

/** A terminal, as far as it says how large it is. */
export interface SizedStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** A block of lines above the bar of a terminal, drawn anew in its place. */
export interface LiveMatrix {
  /** Draws a matrix where there is room for it. To be called while no bar is drawn. */
  draw(frame: MatrixFrame): void;
  /** Takes the block off the terminal. To be called while no bar is drawn. */
  erase(): void;
  /** False while the last one has stood for too short a time to be seen. */
  isDue(): boolean;
}

const narrowest = 80;
/** Lines below the block: the bar, and one to spare. */
const linesBelow = 3;
/** Milliseconds between two drawings. */
const pause = 250;

/** The Differential Adaptation Matrix while it forms, on a terminal of at least 80 columns that is high enough; else undefined. */
export function liveMatrix(
  stream: SizedStream,
  colorLevel: ColorSupportLevel,
  now: () => number,
): LiveMatrix | undefined {
  if (stream.isTTY !== true || (stream.columns ?? 0) < narrowest) return undefined;
  let height = 0;
  let last = Number.NEGATIVE_INFINITY;
  const erase = () => {
    if (height > 0) stream.write(`\r\u001b[${height}A\u001b[J`);
    height = 0;
  };
  return {
    isDue: () => now() - last >= pause,
    draw({ modules, values, gamma, rows, there }) {
      last = now();
      erase();
      const dam = {
        layers: values.length,
        modules: [...modules],
        values: values.map((row) => [...row]),
        gamma: gamma.map((row) => row.map((one): 0 | 1 => (one === 1 ? 1 : 0))),
        select: 'the search so far',
        ...(rows && { rows: [...rows] }),
        ...(there && { there: there.map((row) => row.map((one): 0 | 1 => (one === 1 ? 1 : 0))) }),
      };
      // A line as wide as the terminal would go on in the next one.
      const lines = heatMap(dam, { width: stream.columns! - 1, colorLevel }).split('\n');
      if (lines.length + linesBelow > (stream.rows ?? 0)) return;
      stream.write(`${lines.join('\n')}\n`);
      height = lines.length;
    },
    erase,
  };
}
