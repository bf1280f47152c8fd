import { SingleBar } from 'cli-progress';
import { printable } from '../printable.js';
import type { Phase } from '../progress.js';
import type { Reporter } from '../reporter.js';
import { fitted } from '../wrapped.js';
import type { Screen } from './heatMap.js';
import { liveMatrix } from './liveMatrix.js';
import { type Figures, figuresOf, type Memory, ownMemory, type Progress } from './progress.js';
import { formatScores } from './scores.js';
import { formatBytes, formatCount, formatRate, formatSeconds } from './units.js';

/** Where and how {@link terminalReporter} tells. */
export interface TerminalReporterOptions {
  /** Where everything goes: stderr, so that stdout holds results alone. */
  readonly stream: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly columns?: number;
    readonly rows?: number;
  };
  /** What the terminal shows of colours (chalk's levels), for the matrix of a search; default none. */
  readonly colorLevel?: Screen['colorLevel'] | undefined;
  /** Only warnings are shown. */
  readonly quiet?: boolean;
  /** Milliseconds; the process's clock by default. */
  readonly now?: () => number;
  /** What the process holds; asked of the system by default. */
  readonly memory?: () => Memory;
}

/** A reporter that can be put away, so that a bar of work that was broken off leaves the terminal in order. */
export type TerminalReporter = Reporter & {
  /** Takes the bar off the terminal. */
  close(): void;
};

/** Between two plain lines of a phase at least this long, at most that long. */
const shortestPause = 2000;
const longestPause = 10_000;

/** A bar with rate and time left on a terminal, plain lines elsewhere. A phase ends in a line that stays, unless it is one unit. */
export function terminalReporter(options: TerminalReporterOptions): TerminalReporter {
  const { stream, quiet, colorLevel = 0, now = () => performance.now(), memory = ownMemory } = options;
  const matrix = quiet ? undefined : liveMatrix(stream, colorLevel, now);
  let bar: Bar | undefined;
  const print = (line: string) => {
    bar?.hide();
    matrix?.erase();
    stream.write(`${fitted(printable(line), stream)}\n`);
    bar?.show();
  };
  const reporter: TerminalReporter = {
    info: (line) => {
      if (!quiet) print(line);
    },
    warn: (line) => print(`Warning: ${line}`),
    evaluated: (steps, scores) => {
      if (!quiet) print(`step ${formatCount(steps)}: ${formatScores(scores)}`);
    },
    phase: (name, total, from = 0) => {
      if (quiet) return { update: () => {}, end: () => {} };
      const progress: Progress = { name, total, from, done: from, measures: {}, started: now(), now, memory };
      if (stream.isTTY !== true) return lines(progress, print);
      const own = drawnBar(progress, stream);
      bar = own;
      own.show();
      return {
        update: (done, measures = {}) => Object.assign(progress, { done, measures }),
        end: () => {
          own.hide();
          matrix?.erase();
          bar = undefined;
          if (isWorthALine(progress)) print(summary(progress));
        },
      };
    },
    ...(matrix === undefined
      ? {}
      : {
          searched: (_step, _total, formed) => {
            if (!matrix.isDue()) return;
            bar?.hide();
            matrix.draw(formed());
            bar?.show();
          },
        }),
    close: () => {
      bar?.hide();
      matrix?.erase();
      bar = undefined;
      // The terminal's echo of Ctrl-C can leave a part of the bar behind.
      if (stream.isTTY === true) stream.write('\r\u001b[K');
    },
  };
  return reporter;
}

/** `loss 0.412` (of a search that of the validation half), or of work elsewhere `cola, lora, seed 1 train 45 %`. */
function measureParts({ loss, validationLoss = loss, running = [] }: Figures): string[] {
  const works = running.map(({ name, phase, done = 0, total = 0 }) =>
    phase === undefined ? name : `${name} ${phase} ${total > 0 ? Math.floor((100 * done) / total) : 100} %`,
  );
  return [
    ...(validationLoss === undefined
      ? []
      : [`loss ${validationLoss === null ? 'not finite' : validationLoss.toFixed(3)}`]),
    ...(works.length === 0 ? [] : [works.join(' · ')]),
  ];
}

const entropyParts = ({ entropy }: Figures) => (entropy === undefined ? [] : [`entropy ${entropy.toFixed(3)}`]);

/** Examples and tokens, where there are such, else units. */
function rateParts({ unitsPerSecond, examplesPerSecond, tokensPerSecond }: Figures): string[] {
  if (examplesPerSecond === undefined) return unitsPerSecond === undefined ? [] : [formatRate(unitsPerSecond)];
  return [
    formatRate(examplesPerSecond, 'ex'),
    ...(tokensPerSecond === undefined ? [] : [formatRate(tokensPerSecond, 'tok')]),
  ];
}

/** Parts of a line from the most to the least important, as far as they are known. */
function partsOf(progress: Progress): string[] {
  const figures = figuresOf(progress);
  const { done, total, secondsLeft, memoryBytes } = figures;
  if (done === progress.from) return measureParts(figures);
  return [
    ...(done < total && secondsLeft !== undefined ? [`${formatSeconds(Math.ceil(secondsLeft))} left`] : []),
    ...measureParts(figures),
    ...rateParts(figures),
    ...(memoryBytes === undefined ? [] : [formatBytes(memoryBytes)]),
    ...entropyParts(figures),
  ];
}

/** One unit is not, nor is what was all done before. */
const isWorthALine = ({ total, done, from }: Progress) => total > 1 && (from === 0 || done > from);

function summary(progress: Progress): string {
  const figures = figuresOf(progress);
  const { done, seconds, peakMemoryBytes } = figures;
  const parts = [
    `${formatCount(done - progress.from)} in ${formatSeconds(seconds)}`,
    ...measureParts(figures),
    ...entropyParts(figures),
    ...rateParts(figures),
    ...(peakMemoryBytes === undefined ? [] : [`peak ${formatBytes(peakMemoryBytes)}`]),
  ];
  return `${progress.name}: ${parts.join(', ')}`;
}

/** Plain lines: at each tenth, but not too many and not too few. */
function lines(progress: Progress, print: (line: string) => void): Phase {
  let [last, tenth] = [progress.started, 0];
  return {
    update: (done, measures = {}) => {
      Object.assign(progress, { done, measures });
      const { name, total, now } = progress;
      const reached = Math.floor((10 * done) / total);
      const pause = now() - last;
      const due = pause >= longestPause || (pause >= shortestPause && reached > tenth);
      if (!due || done >= total) return;
      [last, tenth] = [now(), reached];
      const percent = Math.floor((100 * done) / total);
      const parts = [`${name} ${formatCount(done)}/${formatCount(total)} (${percent} %)`, ...partsOf(progress)];
      print(parts.join(', '));
    },
    end: () => {
      if (isWorthALine(progress)) print(summary(progress));
    },
  };
}

interface Bar {
  show(): void;
  hide(): void;
}

const longestBar = 24;
const shortestBar = 4;

/** cli-progress draws; it reads `progress` at each frame. */
function drawnBar(progress: Progress, stream: TerminalReporterOptions['stream']): Bar {
  let bar: SingleBar | undefined;
  return {
    show: () => {
      bar = new SingleBar({
        stream,
        format: () => barLine(progress, (stream.columns ?? 80) - 1),
        clearOnComplete: true,
        forceRedraw: true,
        fps: 5,
        // `true` leaves the terminal's wrapping as it is, so nothing has to be put back when the process ends.
        linewrap: true,
        hideCursor: false,
        gracefulExit: false,
      });
      bar.start(progress.total, 0);
    },
    hide: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** `train ━━━━━━──── 45 % 54/120  7 s left  loss 0.412  9.8 ex/s  300 tok/s  412 MB`, as much of it as fits. */
export function barLine(progress: Progress, width: number): string {
  const { name, total, done } = progress;
  const share = total > 0 ? Math.min(done / total, 1) : 1;
  const count = `${String(Math.floor(100 * share)).padStart(3)} %  ${formatCount(done)}/${formatCount(total)}`;
  let line = count;
  for (const part of partsOf(progress)) {
    if (name.length + shortestBar + line.length + part.length + 4 > width) break;
    line += `  ${part}`;
  }
  const room = Math.min(longestBar, width - name.length - line.length - 2);
  if (room < 1) return `${name} ${line}`.slice(0, width);
  const full = Math.round(share * room);
  return `${name} ${'━'.repeat(full)}${'─'.repeat(room - full)} ${line}`;
}
