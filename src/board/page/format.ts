const empty = '–';

/** `0.412`; four digits where it is small. */
export function number(value: number | null | undefined, digits = 4): string {
  if (value === null) return 'not finite';
  if (value === undefined || Number.isNaN(value)) return empty;
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace('e+', 'e');
  return Number(value.toPrecision(digits)).toString();
}

export function score(value: number | null | undefined): string {
  if (value === null) return 'undefined';
  return value === undefined ? empty : value.toFixed(4);
}

export function count(value: number | undefined): string {
  if (value === undefined) return empty;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return String(Math.round(value));
}

/** `1 run`, `2 runs` */
export const counted = (value: number, name: string): string => `${value} ${name}${value === 1 ? '' : 's'}`;

/** `1 h 03 min`, `2 min 05 s`, `8.2 s` */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return empty;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

export function bytes(value: number | undefined): string {
  if (value === undefined) return empty;
  if (value < 1000) return `${value} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let [size, unit] = [value / 1000, 0];
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** `just now`, `5 min ago`, a date. */
export function ago(time: number): string {
  const seconds = (Date.now() - time) / 1000;
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(time).toISOString().slice(0, 10);
}

/** A model by its last name. */
export function shortModel(model: string | undefined): string {
  if (model === undefined) return empty;
  return model
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!;
}

/** A task by its file's name. */
export const shortTask = (task: string | undefined): string =>
  task === undefined ? empty : task.split(/[/\\]/).at(-1)!;
