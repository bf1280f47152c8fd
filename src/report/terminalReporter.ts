import { SingleBar } from 'cli-progress';
import type { Phase, Reporter } from '../train/reporter.js';
import { formatCount, formatRate, formatSeconds } from './units.js';

export interface TerminalReporterOptions {
  /** Where everything goes: stderr, so that stdout holds results alone. */
  readonly stream: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** Only warnings are shown. */
  readonly quiet?: boolean;
  /** Milliseconds; the process's clock by default. */
  readonly now?: () => number;
}

/** A reporter that can be put away, so that a bar of work that was broken off leaves the terminal in order. */
export type TerminalReporter = Reporter & { close(): void };

/** Between two plain lines of a phase at least this long, at most that long. */
const shortestPause = 2000;
const longestPause = 10_000;

/** A bar with rate and time left on a terminal, plain lines elsewhere. A phase ends in a line that stays, unless it is one unit. */
export function terminalReporter({ stream, quiet, now = () => performance.now() }: TerminalReporterOptions) {
  let bar: Bar | undefined;
  const print = (line: string) => {
    bar?.hide();
    stream.write(`${line}\n`);
    bar?.show();
  };
  const reporter: TerminalReporter = {
    info: (line) => {
      if (!quiet) print(line);
    },
    warn: (line) => print(`Warning: ${line}`),
    phase: (name, total, from = 0) => {
      if (quiet) return { update: () => {}, end: () => {} };
      const progress: Progress = { name, total, from, done: from, detail: '', started: now(), now };
      if (stream.isTTY !== true) return lines(progress, print);
      const own = drawnBar(progress, stream);
      bar = own;
      own.show();
      return {
        update: (done, detail = '') => Object.assign(progress, { done, detail }),
        end: () => {
          own.hide();
          bar = undefined;
          if (isWorthALine(progress)) print(summary(progress));
        },
      };
    },
    close: () => {
      bar?.hide();
      bar = undefined;
      // The terminal's echo of Ctrl-C can leave a part of the bar behind.
      if (stream.isTTY === true) stream.write('\r\u001b[K');
    },
  };
  return reporter;
}

/** How far a phase is; updated in place. */
interface Progress {
  readonly name: string;
  readonly total: number;
  /** Units that were done before; rates are of the others. */
  readonly from?: number;
  done: number;
  detail: string;
  readonly started: number;
  readonly now: () => number;
}

const secondsOf = ({ started, now }: Progress) => Math.max((now() - started) / 1000, 1e-3);

/** Parts of a line from the most to the least important, as far as they are known. */
function partsOf(progress: Progress): string[] {
  const { done, total, detail, from = 0 } = progress;
  if (done === from) return [];
  const rate = (done - from) / secondsOf(progress);
  const left = done < total ? [`${formatSeconds(Math.ceil((total - done) / rate))} left`] : [];
  return [...left, formatRate(rate), ...(detail === '' ? [] : [detail])];
}

/** One unit is not, nor is what was all done before. */
const isWorthALine = ({ total, done, from = 0 }: Progress) => total > 1 && (from === 0 || done > from);

function summary(progress: Progress): string {
  const { name, detail, from = 0 } = progress;
  const done = progress.done - from;
  const seconds = secondsOf(progress);
  const parts = [`${formatCount(done)} in ${formatSeconds(seconds)}`, formatRate(done / seconds), detail];
  return `${name}: ${parts.filter((part) => part !== '').join(', ')}`;
}

/** Plain lines: at each tenth, but not too many and not too few. */
function lines(progress: Progress, print: (line: string) => void): Phase {
  let [last, tenth] = [progress.started, 0];
  return {
    update: (done, detail = '') => {
      Object.assign(progress, { done, detail });
      const { name, total, now } = progress;
      const reached = Math.floor((10 * done) / total);
      const pause = now() - last;
      const due = pause >= longestPause || (pause >= shortestPause && reached > tenth);
      if (!due || done >= total) return;
      [last, tenth] = [now(), reached];
      const percent = Math.floor((100 * done) / total);
      print(`${name} ${formatCount(done)}/${formatCount(total)} (${percent} %), ${partsOf(progress).join(', ')}`);
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
const shortestBar = 8;

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

/** `train ━━━━━━──── 45 % 54/120  7 s left  9.8/s  loss 0.412`, as much of it as fits. */
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
