/** Cold to warm, dark enough at both ends for white text; the middle takes black. Red, green and blue up to 255. */
export const heatRamp = [
  [33, 60, 140],
  [66, 133, 190],
  [222, 222, 222],
  [240, 150, 80],
  [190, 35, 30],
] as const;

/** Least and greatest value of a matrix. */
export interface HeatRange {
  readonly low: number;
  readonly high: number;
}

/** The values of a matrix where modules stand. */
export function presentValues({
  values,
  there,
}: {
  readonly values: readonly (readonly number[])[];
  readonly there?: readonly (readonly number[])[] | undefined;
}): number[][] {
  return values.map((row, layer) => row.filter((_, column) => there?.[layer]?.[column] !== 0));
}

export function heatRange(values: readonly (readonly number[])[]): HeatRange {
  const all = values.flat();
  return { low: Math.min(...all), high: Math.max(...all) };
}

/** The ground of a cell. `position`: in the ramp, from 0. `isDark`: white text is read on it. */
export function heatColor(value: number, { low, high }: HeatRange) {
  const heat = high === low ? 0.5 : (value - low) / (high - low);
  const position = heat * (heatRamp.length - 1);
  const from = Math.min(Math.floor(position), heatRamp.length - 2);
  const mixed = (channel: 0 | 1 | 2) => {
    const [start, end] = [heatRamp[from]![channel], heatRamp[from + 1]![channel]];
    return Math.round(start + (position - from) * (end - start));
  };
  const rgb = [mixed(0), mixed(1), mixed(2)] as const;
  return { position, rgb, isDark: 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] <= 120 };
}
