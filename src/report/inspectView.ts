import type {
  AdapterInspection,
  DamInspection,
  Inspection,
  ModelInspection,
  RunInspection,
  TargetSummary,
} from '../jobs/inspect.js';
import type { Dam } from '../selection/dam.js';
import { heatMap, type Screen } from './heatMap.js';
import { formatScores } from './scores.js';
import { formatFacts, formatTable } from './table.js';
import { formatBytes, formatCount, formatParameters, formatSeconds } from './units.js';

type Facts = (readonly [name: string, value: string])[];

/** What `inspect` prints. */
export function inspectView(found: Inspection, screen: Screen): string {
  switch (found.kind) {
    case 'run':
      return runView(found, screen);
    case 'adapter':
      return adapterView(found, screen);
    case 'dam':
      return damView(found, screen);
    case 'model':
      return modelView(found, screen);
  }
}

/** What `inspect --json` prints: everything but the steps of the search, which dam.json has. */
export function inspectJson(found: Inspection): object {
  if (!('dam' in found) || found.dam === undefined) return found;
  return { ...found, dam: damJson(found.dam) };
}

/** A matrix without the steps of its search. */
function damJson(dam: Dam): unknown {
  if (dam.search === undefined) return dam;
  const { history: _, ...search } = dam.search;
  return { ...dam, search };
}

function runView({ folder, run, dam, adapter, bytes }: RunInspection, screen: Screen): string {
  const facts: Facts = [['run folder', `${folder} (${formatBytes(bytes)} on disk)`]];
  if (run !== undefined) {
    facts.push(
      ['made by', `diffora ${run.command}, method ${run.config.method}, seed ${run.config.seed}`],
      ['task', run.task],
      ['model', `${run.model.name} (${run.model.family})`],
    );
    if (run.parameters !== undefined) facts.push(['trained', `${formatCount(run.parameters.trainable)} parameters`]);
    if (run.scores !== undefined) facts.push(['dev', formatScores(run.scores.dev)]);
    facts.push(['time', formatSeconds(run.seconds.total ?? 0)], ['peak memory', formatBytes(run.peakMemoryBytes)]);
  }
  if (dam?.price !== undefined) facts.push(['price', priceFact(dam.price)]);
  const parts = [formatFacts(facts, screen)];
  if (dam !== undefined) parts.unshift(heatMap(dam, screen));
  if (adapter !== undefined) parts.push(adapterView(adapter, screen));
  return parts.join('\n\n');
}

function adapterView(adapter: AdapterInspection, screen: Screen): string {
  const { parameters, task, targets, headOnly } = adapter;
  const [title, given] = task.kind.describe(task);
  const count = targets.reduce((sum, { layers }) => sum + Math.max(1, layers.length), 0);
  const facts: Facts = [
    ['adapter', `${adapter.folder} (${formatBytes(adapter.bytes)} on disk)`],
    ['base model', adapter.baseModel],
    [title, `${given} (task ${task.name})`],
  ];
  if (headOnly) {
    const why = 'only the head; the one low-rank pair is zero and there because PEFT asks for one';
    facts.push(['trained', `${formatCount(parameters.head)} parameters, ${why}`]);
    return formatFacts(facts, screen);
  }
  const sizes = [
    [parameters.adapter, 'adapters'],
    [parameters.replaced, 'base model'],
    [parameters.head, 'head'],
  ] as const;
  const split = sizes.filter(([size]) => size > 0).map(([size, name]) => `${formatCount(size)} ${name}`);
  const total = sizes.reduce((sum, [size]) => sum + size, 0);
  const scale = adapter.rank === undefined ? '' : `rank ${adapter.rank}, alpha ${adapter.alpha}, `;
  facts.push(
    [adapter.method, count === 0 ? 'tensors of the base model' : `${scale}${count} modules`],
    ['stored', `${formatCount(total)} parameters (${split.join(' + ')})`],
  );
  const { savedModules = [] } = adapter;
  if (savedModules.length > 0) facts.push(['saved whole', savedModules.join(', ')]);
  if (targets.length === 0) return formatFacts(facts, screen);
  const rows = targets.map(({ module, layers }) => [module, String(layers.length), ranges(layers)]);
  const columns = [{ title: 'adapted module' }, { title: 'count', align: 'right' }, { title: 'layers' }] as const;
  return `${formatFacts(facts, screen)}\n\n${formatTable(columns, rows, screen)}`;
}

function damView({ file, dam }: DamInspection, screen: Screen): string {
  const { search } = dam;
  const within = dam.parameters === undefined ? '' : ` within ${formatCount(dam.parameters)} parameters`;
  const limit =
    dam.budget === undefined ? `ratio ${dam.keep}${within}` : `at most ${formatCount(dam.budget)} parameters`;
  const facts: Facts = [
    ['matrix', file],
    ['made for', `${dam.model} on ${dam.task}`],
    ['selected by', `${dam.select}, seed ${dam.seed}`],
    ['kept', `${limit}, scope ${dam.scope}, share ${dam.share}`],
  ];
  if (dam.price !== undefined) facts.push(['price', priceFact(dam.price)]);
  if (search !== undefined) facts.push(...searchFacts(search));
  return `${heatMap(dam, screen)}\n\n${formatFacts(facts, screen)}`;
}

/** `time, weight 0.1; a step takes 0.53 of LoRA on all modules, counted` */
function priceFact({ of, weight, share, limit }: NonNullable<Dam['price']>): string {
  const solved = limit === undefined ? '' : ` (solved for at most ${limit})`;
  return `${of}, weight ${Number(weight.toPrecision(3))}${solved}; a step takes ${share.toFixed(2)} of LoRA on all modules, counted`;
}

function searchFacts(search: NonNullable<Dam['search']>): Facts {
  const halves = `${formatCount(search.trainExamples)} + ${formatCount(search.validationExamples)} examples`;
  const facts: Facts = [
    ['search', `${formatCount(search.steps)} steps of ${search.batchSize}, ${halves}`],
    ['', `${search.relax}, ${search.optimizer}, start ${search.start}, ${search.order} order`],
  ];
  if (search.agreement !== undefined) {
    facts.push(['agreement', `${search.agreement.toFixed(2)} (Jaccard) of ${search.seeds.length} seeds`]);
  }
  return facts;
}

function modelView(model: ModelInspection, screen: Screen): string {
  const facts: Facts = [
    ['model', model.name],
    ['folder', `${model.folder} (${formatBytes(model.bytes)} on disk)`],
    ...(model.revision === undefined ? [] : [['revision', model.revision] as const]),
    ['family', `${model.family}, ${model.layers} layers, up to ${formatCount(model.maxLength)} tokens`],
    ['parameters', `${formatParameters(model.parameters)} (${formatCount(model.parameters)}), head not counted`],
    ['weights', typesOf(model.types)],
    ['heads', model.heads.join(', ')],
    ['adaptable', `${formatCount(model.adaptable)} linear modules`],
    ...(model.mergedAdapter === undefined ? [] : [['merged', `adapter ${model.mergedAdapter.slice(0, 12)}…`] as const]),
  ];
  const columns = [
    { title: 'module of each layer' },
    { title: 'in', align: 'right' },
    { title: 'out', align: 'right' },
  ] as const;
  const rows = model.modules.map((one) => [one.module, formatCount(one.inFeatures), formatCount(one.outFeatures)]);
  return `${formatFacts(facts, screen)}\n\n${formatTable(columns, rows, screen)}`;
}

/** `F32`, or `BF16 (197 tensors), F32 (2 tensors)`. */
function typesOf(types: ModelInspection['types']): string {
  const entries = Object.entries(types);
  if (entries.length === 1) return entries[0]![0];
  return entries.map(([type, count]) => `${type} (${formatCount(count)} tensors)`).join(', ');
}

/** `0-3, 5`. */
function ranges(layers: TargetSummary['layers']): string {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const last = runs.at(-1);
    if (last !== undefined && layer === last[1] + 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
}
