import { Chalk, type ChalkInstance, type ColorSupportLevel } from 'chalk';
import type { Dam } from '../selection/dam.js';
import { type HeatRange, heatColor, heatRange, presentValues } from '../selection/heatColor.js';
import { shortModuleNames } from './moduleNames.js';

/** What the text is made for. */
export interface Screen {
  /** Columns of the terminal. */
  readonly width: number;
  /** Chalk's levels: 0 none, 1 sixteen colours, 2 256, 3 all. */
  readonly colorLevel: ColorSupportLevel;
}

/** What of a matrix is shown. */
export type HeatMapInput = Pick<Dam, 'layers' | 'modules' | 'gamma' | 'values' | 'select' | 'rows' | 'there'>;

/** How much a cell says, from most to least. */
interface Style {
  readonly titles: readonly string[];
  readonly rowTitle: (layer: number) => string;
  readonly number: (value: number) => string;
}

/**
 * The Differential Adaptation Matrix as a heat map: a legend, layers down, modules across, in each cell the relaxed
 * value, its background the colder or warmer the lower or higher it is within this matrix. Kept modules stand in
 * brackets, so that they show without colour too. On narrow screens titles and numbers get shorter, then the columns
 * are set in blocks one below the other.
 */
export function heatMap(dam: HeatMapInput, { width, colorLevel }: Screen): string {
  const chalk = new Chalk({ level: colorLevel });
  const range = heatRange(presentValues(dam));
  const short = shortModuleNames(dam.modules);
  const layer = (index: number) => dam.rows?.[index] ?? `layer ${index}`;
  // Entries of a relaxed matrix lie in [0, 1]; other measures of a module may be of any size.
  const isRelaxed = range.low >= 0 && range.high <= 1;
  const number = (digits: number) => (value: number) =>
    isRelaxed ? value.toFixed(digits) : value.toPrecision(digits).replace('e+', 'e');
  const bare = (value: number) => (!isRelaxed ? number(1)(value) : value >= 0.995 ? '1.0' : value.toFixed(2).slice(1));
  const narrow: Style = { titles: short, rowTitle: dam.rows === undefined ? String : layer, number: bare };
  const styles: Style[] = [
    { titles: dam.modules, rowTitle: layer, number: number(3) },
    { titles: short, rowTitle: layer, number: number(3) },
    { titles: short, rowTitle: layer, number: number(2) },
    narrow,
    { ...narrow, titles: short.map((title) => cut(title, longest(dam, bare) + 2)) },
  ];
  const style = styles.find((one) => widthOf(dam, one) <= width) ?? styles.at(-1)!;
  const blocks = inBlocks(dam, style, width).map((columns) => block(dam, style, columns, range, chalk));
  return [...legend(dam, range, style, { width, colorLevel }), '', blocks.join('\n\n')].join('\n');
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Length of the longest number. */
function longest(dam: HeatMapInput, number: Style['number']): number {
  return Math.max(
    ...presentValues(dam)
      .flat()
      .map((value) => number(value).length),
  );
}

/** Room for a title or for `[number]`. */
function cellWidth(dam: HeatMapInput, { titles, number }: Style, column: number): number {
  return Math.max(titles[column]!.length, longest(dam, number) + 2);
}

function rowTitleWidth(dam: HeatMapInput, { rowTitle }: Style): number {
  return Math.max(...Array.from({ length: dam.layers }, (_, layer) => rowTitle(layer).length));
}

function widthOf(dam: HeatMapInput, style: Style): number {
  return style.titles.reduce((sum, _, i) => sum + 1 + cellWidth(dam, style, i), rowTitleWidth(dam, style));
}

/** As many columns beside each other as the width holds, at least one. */
function inBlocks(dam: HeatMapInput, style: Style, width: number): number[][] {
  const blocks: number[][] = [];
  let room = 0;
  for (let column = 0; column < dam.modules.length; column++) {
    const needed = 1 + cellWidth(dam, style, column);
    if (blocks.length === 0 || needed > room) {
      blocks.push([]);
      room = width - rowTitleWidth(dam, style);
    }
    blocks.at(-1)!.push(column);
    room -= needed;
  }
  return blocks;
}

function block(dam: HeatMapInput, style: Style, columns: readonly number[], range: HeatRange, chalk: ChalkInstance) {
  const margin = rowTitleWidth(dam, style);
  const titles = columns.map((column) => centred(style.titles[column]!, cellWidth(dam, style, column)));
  const rows = dam.values.map((row, layer) => {
    const cells = columns.map((column) => {
      if (dam.there?.[layer]?.[column] === 0) return ' '.repeat(cellWidth(dam, style, column));
      const kept = dam.gamma[layer]![column] === 1;
      const text = style.number(row[column]!);
      return paint(centred(kept ? `[${text}]` : text, cellWidth(dam, style, column)), row[column]!, kept, range, chalk);
    });
    return [style.rowTitle(layer).padEnd(margin), ...cells].join(' ');
  });
  return [[' '.repeat(margin), ...titles].join(' ').trimEnd(), ...rows.map((row) => row.trimEnd())].join('\n');
}

function centred(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return `${' '.repeat(left)}${text}`.padEnd(width);
}

const sixteen = ['bgBlue', 'bgCyan', 'bgWhite', 'bgYellow', 'bgRed'] as const;

function paint(text: string, value: number, kept: boolean, range: HeatRange, chalk: ChalkInstance): string {
  if (chalk.level === 0) return text;
  const { position, rgb, isDark } = heatColor(value, range);
  const named = sixteen[Math.round(position)]!;
  const dark = chalk.level === 1 ? named === 'bgBlue' || named === 'bgRed' : isDark;
  const ground = chalk.level === 1 ? chalk[named] : chalk.bgRgb(...rgb);
  const ink = dark ? ground.whiteBright : ground.black;
  return kept ? ink.bold(text) : ink(text);
}

/** What brackets and colours mean; one line where there is room, else one for each. */
function legend(dam: HeatMapInput, range: HeatRange, style: Style, { width, colorLevel }: Screen): string[] {
  const kept = dam.gamma.flat().filter((one) => one === 1).length;
  const all = presentValues(dam).flat().length;
  const chalk = new Chalk({ level: colorLevel });
  const sample = Array.from({ length: 9 }, (_, i) => {
    const value = range.low + (i / 8) * (range.high - range.low);
    return paint(' ', value, false, range, chalk);
  }).join('');
  const bounds = [style.number(range.low), style.number(range.high)] as const;
  const scale = colorLevel === 0 ? `${bounds[0]} to ${bounds[1]}` : `${bounds[0]} ${sample} ${bounds[1]}`;
  const marks = `[ ] kept: ${kept} of ${all} modules`;
  const values = `values: ${dam.select}, ${scale}`;
  // The sample of the scale takes nine columns; its colours take none.
  const length = marks.length + 3 + `values: ${dam.select}, `.length + bounds.join().length + 10;
  return length <= width ? [`${marks}   ${values}`] : [marks, values];
}
