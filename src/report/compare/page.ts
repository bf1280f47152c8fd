import type { CompareConfig } from '../../jobs/compare/config.js';
import { isClear, type TableSummary } from '../../jobs/compare/summary.js';
import { formatCount } from '../units.js';
import * as plots from './plots.js';
import {
  budgetPart,
  factsOf,
  failuresOf,
  intervalText,
  introduction,
  lossCells,
  lossTitles,
  notesOf,
  scoreText,
  verdicts,
} from './results.js';

/** Widths of the heat maps in CSS pixels. */
const mapWidth = 172;

/** report.html: one file without scripts and without anything from elsewhere. */
export function reportPage(config: CompareConfig, tables: readonly TableSummary[], missing: number): string {
  const color = plots.colorsOf(config.methods.map(({ name }) => name));
  const chips = config.methods.map(
    ({ name }) => `<li><span style="background:${color(name)}"></span>${text(name)}</li>`,
  );
  const links = tables.map((table) => `<a href="#${idOf(table)}">${text(headingOf(table, config))}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(config.title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main>
<h1>${text(config.title)}</h1>
<p>${markdownBold(text(introduction(config, missing)))}</p>
<nav aria-label="Tasks">${links.join(' ')}</nav>
<ul class="chips" aria-label="Colours of the methods">${chips.join('')}</ul>
${tables.map((table) => section(config, table, color)).join('\n')}
</main>
</body>
</html>
`;
}

function section(config: CompareConfig, table: TableSummary, color: plots.Color): string {
  const { methods, metrics, examples } = table;
  const figures = [
    ['Scores by seed, and their mean', plots.seedDots(table, color)],
    [`Differences to ${config.reference}, 95 % intervals`, plots.differences(table, config.reference, color)],
    ...(table.byLoss === undefined
      ? []
      : [
          ['Validation loss by seed, lower is better', plots.lossDots(table, color)] as const,
          [
            `Validation loss: differences to ${config.reference}, 95 % intervals`,
            plots.lossDifferences(table, config.reference, color),
          ] as const,
        ]),
    ['Score against trained numbers', plots.scoreAgainstSize(table, color)],
    ['Score against time', plots.scoreAgainstTime(table, color)],
    ['Learning curves, mean over seeds', plots.learningCurves(table, color)],
    ['Time of a run', plots.bars(methods, 'seconds', ({ seconds }) => seconds, color)],
    [
      'Peak memory of a run',
      plots.bars(methods, 'megabytes', ({ peakMemoryBytes: bytes }) => bytes && bytes / 1e6, color),
    ],
  ] as const;
  const failures = failuresOf(methods).map((line) => `<li>${text(line)}</li>`);
  const lines = notesOf(table, config).map((line) => `<p>${text(line)}</p>`);
  return `<section id="${idOf(table)}">
<h2>${text(headingOf(table, config))}</h2>
<p>${formatCount(examples)} examples scored; decided by ${metrics[0]}.${heldOutText(table)} ${text(verdicts(table))}</p>
${scoreTable(config, table)}
${lines.join('\n')}
${failures.length === 0 ? '' : `<h3>Failed runs</h3><ul class="failures">${failures.join('')}</ul>`}
<div class="figures">
${figures.map(([title, svg]) => figure(title, svg)).join('\n')}
</div>
${matrices(table)}
</section>`;
}

function scoreTable(config: CompareConfig, table: TableSummary): string {
  const { metrics, methods } = table;
  const titles = [
    'method',
    ...metrics,
    `− ${config.reference}`,
    ...lossTitles(table, config),
    'trained numbers',
    'off budget',
    'rate',
    'time',
    'memory',
  ];
  const rows = methods.map((one) => {
    const scores = metrics.map((name, i) => {
      const cell = text(scoreText(one.scores[name], one.runs.length));
      return i === 0 && one.method === table.best && isClear(table) ? `<strong>${cell}</strong>` : cell;
    });
    const loss = lossCells(table, one, (cell) => `<strong>${cell}</strong>`);
    const cells = [...scores, intervalText(one.difference), ...loss, ...factsOf(config, one).map(text)];
    return `<tr><th scope="row">${text(one.method)}</th>${cells
      .map((cell, i) => `<td data-title="${text(titles[i + 1]!)}">${cell}</td>`)
      .join('')}</tr>`;
  });
  return `<table><thead><tr>${titles.map((title) => `<th scope="col">${text(title)}</th>`).join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table>`;
}

function heldOutText({ byLoss, heldOut }: TableSummary): string {
  return byLoss === undefined ? '' : ` Validation loss is of ${formatCount(heldOut)} training examples, held out.`;
}

/** The matrices of every method that has one: their mean, then one for each seed. */
function matrices({ methods }: TableSummary): string {
  const parts = methods.flatMap(({ method, runs }) => {
    const found = runs.flatMap(({ seed, dam }) => (dam === undefined ? [] : [{ seed, dam }]));
    if (found.length === 0) return [];
    const all = found.map(({ dam }) => dam);
    const maps = [
      figure('kept, share of seeds', plots.meanMap(all, mapWidth)),
      ...found.map(({ seed, dam }) => figure(`seed ${seed}`, plots.matrixMap(dam, mapWidth))),
    ];
    return [`<h4>${text(method)}</h4><div class="maps">${maps.join('')}</div>`];
  });
  if (parts.length === 0) return '';
  return `<h3>Where the adapters went</h3>
<p>Layers down, modules across. The darker the larger the measure within a matrix; what is kept has a red frame.</p>
${parts.join('\n')}`;
}

function figure(title: string, svg: string): string {
  return `<figure><figcaption>${text(title)}</figcaption>${svg}</figure>`;
}

function headingOf(table: TableSummary, config: CompareConfig): string {
  const name = table.task.split('/').at(-1)!;
  const ofModel = config.models.length === 1 ? name : `${name}, ${table.model.split('/').at(-1)}`;
  return `${ofModel}${budgetPart(table, config)}`;
}

const idOf = ({ task, model, budget }: TableSummary) => `${task}-${model}-${budget}`.replace(/[^A-Za-z0-9]+/g, '-');

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function markdownBold(html: string): string {
  return html.replace(/\*\*(.+?)\*\*/g, '<strong>$1</strong>');
}

const style = `
:root { color-scheme: light dark; --back: #fff; --front: #1d1f23; --faint: #6b7280; --line: #d8dce3; }
@media (prefers-color-scheme: dark) { :root { --back: #14161a; --front: #e6e8ec; --faint: #9aa3b0; --line: #343a44; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--front); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h4 { margin: 1rem 0 0; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; } a { color: inherit; }
.chips { display: flex; flex-wrap: wrap; gap: .25rem 1rem; padding: 0; list-style: none; font-size: .875rem; }
.chips span { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 50%; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; } thead th { color: var(--faint); font-weight: 500; vertical-align: bottom; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); gap: 1rem; margin-top: 1rem; }
.maps { display: flex; flex-wrap: wrap; gap: .5rem 1rem; }
figure { margin: 0; break-inside: avoid; } figcaption { color: var(--faint); font-size: .8125rem; }
figure svg { max-width: 100%; height: auto; --plot-background: var(--back); }
.failures { overflow-wrap: anywhere; }
@media (max-width: 720px) {
  table, tbody, tr, th, td { display: block; } thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: .4rem 0; } th, td { border: 0; padding: .1rem 0; text-align: left; }
  td { display: grid; grid-template-columns: 11rem 1fr; } td::before { content: attr(data-title); color: var(--faint); }
}
@media print {
  :root { color-scheme: light; --back: #fff; --front: #000; --faint: #444; --line: #bbb; }
  body { font-size: 11px; } nav { display: none; } h2 { break-after: avoid; }
  .figures { grid-template-columns: repeat(2, 1fr); }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
`;
