/** Bytes in decimal units, as disks and `ls --si` count: `812 MB`. */
export function formatBytes(bytes: number): string {
  return scaled(bytes, [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
    [1, 'B'],
  ]);
}

/** A large number of parameters, to three digits: `22.7 M`; below 10,000 in full. */
export function formatParameters(count: number): string {
  if (count < 10_000) return formatCount(count);
  return scaled(count, [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ]);
}

/** A whole number with its thousands apart: `1,043`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 0 });
}

/** A duration: `0.8 s`, `12 s`, `3 min 05 s`, `1 h 02 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} min`;
}

/** Speed of work: `9.8/s`, and `2.4 s each` where a unit takes longer than a second; with a name of units `0.42 ex/s`. */
export function formatRate(perSecond: number, unit?: string): string {
  const per = unit === undefined ? '/s' : ` ${unit}/s`;
  if (perSecond >= 10) return `${formatCount(perSecond)}${per}`;
  if (perSecond >= 1) return `${perSecond.toFixed(1)}${per}`;
  return unit === undefined ? `${(1 / perSecond).toFixed(1)} s each` : `${perSecond.toFixed(2)}${per}`;
}

/** A metric: three decimals. */
export function formatScore(score: number): string {
  return score.toFixed(3);
}

/** A loss: four decimals. */
export function formatLoss(loss: number): string {
  return loss.toFixed(4);
}

/** A share of one as per cent: two significant digits, so that 0.0054 does not become 1 %. */
export function formatShare(share: number): string {
  const percent = 100 * share;
  return `${percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2))} %`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

/** Three significant digits in the largest unit of which there is at least one; units go from large to small. */
function scaled(value: number, units: readonly (readonly [size: number, name: string])[]): string {
  // 999,600 is 1.00 M and not 1000 k.
  const [size, name] = units.find(([one]) => value >= one * 0.9995) ?? units.at(-1)!;
  const amount = value / size;
  const digits = size === 1 || amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return `${amount.toFixed(digits)} ${name}`;
}
