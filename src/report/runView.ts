import type { RunRecord } from '../jobs/runFolder.js';
import type { Dam } from '../selection/dam.js';
import { heatMap, type Screen } from './heatMap.js';
import { formatScores } from './scores.js';
import { formatFacts } from './table.js';
import { formatBytes, formatCount, formatLoss, formatParameters, formatSeconds, formatShare } from './units.js';

/** What a finished `train` or `select` prints: the heat map where there is a matrix, then the facts of the run. */
export function runView(record: RunRecord, dam: Dam | undefined, output: string, screen: Screen): string {
  const { config, data, scores, validation, seconds, parameters } = record;
  const rows = Object.entries(data).map(([split, { used }]) => `${formatCount(used)} ${split}`);
  const spent = Object.entries(seconds).filter(([name, value]) => name !== 'total' && value >= 0.05);
  const parts = spent.map(([name, value]) => `${name} ${formatSeconds(value)}`);
  const facts: (readonly [string, string])[] = [
    ['task', `${record.task} (${rows.join(', ')})`],
    ['model', `${record.model.name} (${record.model.family})`],
    ['method', `${config.method}${dam === undefined ? '' : `, modules by ${dam.select}`}, seed ${config.seed}`],
  ];
  if (parameters !== undefined) {
    const { trainable, adapter, replaced, head, backbone, adaptedModules } = parameters;
    const share = `${formatShare(trainable / backbone)} of ${formatParameters(backbone)}`;
    const sizes = [
      [adapter, 'adapters'],
      [replaced, 'base model'],
      [head, 'head'],
    ] as const;
    const split = sizes.filter(([size]) => size > 0).map(([size, name]) => `${formatCount(size)} ${name}`);
    const where = adaptedModules === 0 ? '' : `, ${adaptedModules} modules adapted`;
    facts.push(['trained', `${formatCount(trainable)} parameters (${split.join(' + ')}), ${share}${where}`]);
  }
  const agreement = dam?.search?.agreement;
  if (agreement !== undefined)
    facts.push(['agreement', `${agreement.toFixed(2)} (Jaccard) between seeds of the search`]);
  if (scores !== undefined) facts.push(['dev', formatScores(scores.dev)]);
  if (validation !== undefined) {
    const of = `${formatCount(validation.examples)} held-out training examples`;
    facts.push(['validation loss', `${formatLoss(validation.loss)} (${of})`]);
  }
  facts.push(
    ['time', `${formatSeconds(seconds.total ?? 0)}${parts.length > 1 ? ` (${parts.join(', ')})` : ''}`],
    ['peak memory', formatBytes(record.peakMemoryBytes)],
    ['written to', output],
  );
  const map = dam === undefined ? '' : `${heatMap(dam, screen)}\n\n`;
  return `${map}${formatFacts(facts, screen)}`;
}
