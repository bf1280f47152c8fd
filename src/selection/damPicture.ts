import type { Dam } from './dam.js';
import { heatColor, heatRange, presentValues } from './heatColor.js';

/** Room for a cell, and for a letter of a title, in pixels. */
const [cellHeight, leastWidth, letter] = [26, 60, 7.2];

/**
 * The Differential Adaptation Matrix as an SVG: layers down, modules across, in each cell its value, the ground the colder
 * or warmer the lower or higher it is within this matrix; kept modules are framed and bold.
 */
export function damPicture({
  layers,
  modules,
  gamma,
  values,
  select,
  rows: names,
  there,
}: Pick<Dam, 'layers' | 'modules' | 'gamma' | 'values' | 'select' | 'rows' | 'there'>): string {
  const present = presentValues({ values, there });
  const range = heatRange(present);
  const isRelaxed = range.low >= 0 && range.high <= 1;
  const number = (value: number) => (isRelaxed ? value.toFixed(3) : value.toPrecision(3).replace('e+', 'e'));
  const widest = Math.max(...modules.map(({ length }) => length), ...values.flat().map((one) => number(one).length));
  const cellWidth = Math.max(leastWidth, Math.ceil(letter * (widest + 2)));
  const [left, top] = [names === undefined ? 74 : 92, 58];
  const [width, height] = [left + modules.length * cellWidth + 8, top + layers * cellHeight + 8];
  const kept = gamma.flat().filter((one) => one === 1).length;
  const legend = `framed: kept, ${kept} of ${present.flat().length}; values: ${select}, ${number(range.low)} to ${number(range.high)}`;
  const middle = (column: number) => left + (column + 0.5) * cellWidth;
  const titles = modules.map((name, column) => text(middle(column), top - 10, name, 'middle'));
  const cells = values.flatMap((row, layer) =>
    row.map((value, column) => {
      if (there?.[layer]?.[column] === 0) return '';
      const { rgb, isDark } = heatColor(value, range);
      const isKept = gamma[layer]![column] === 1;
      const [x, y] = [left + column * cellWidth + 2, top + layer * cellHeight + 2];
      const frame = isKept ? ' stroke="#000" stroke-width="2"' : '';
      const box = `<rect x="${x}" y="${y}" width="${cellWidth - 4}" height="${cellHeight - 4}" fill="rgb(${rgb.join(',')})"${frame}/>`;
      const style = `${isDark ? ' fill="#fff"' : ''}${isKept ? ' font-weight="bold"' : ''}`;
      return box + text(middle(column), y + 15, number(value), 'middle', style);
    }),
  );
  const rows = values.map((_, layer) => text(8, top + layer * cellHeight + 17, names?.[layer] ?? `layer ${layer}`));
  const shown = Math.max(width, Math.ceil(8 + letter * legend.length));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${shown} ${height}" width="${shown}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(legend)}</title>`,
    `<rect width="${shown}" height="${height}" fill="#fff"/>`,
    text(8, 18, legend),
    ...titles,
    ...rows,
    ...cells,
    '</svg>\n',
  ].join('\n');
}

function text(x: number, y: number, content: string, anchor = 'start', style = ''): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${style}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
