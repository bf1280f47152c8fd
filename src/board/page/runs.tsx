import type { VNode } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { BoardView, RunState, RunView, SeriesView } from '../view.js';
import { Ask } from './actions.jsx';
import { ask, messageOf } from './api.js';
import { Chart } from './chart.jsx';
import { ago, bytes, count, duration, number, score, shortModel, shortTask } from './format.js';
import { Code, Fault, Progress, runStates, State } from './parts.jsx';
import { linkTo } from './routes.js';

/** A column of the table. */
interface Column {
  readonly key: string;
  readonly title: string;
  readonly isNumber?: boolean;
  readonly value: (run: RunView) => string | number | undefined;
  readonly text: (run: RunView) => string;
}

const methodText = ({ method, select }: RunView) =>
  [method ?? '–', ...(select === undefined ? [] : [select])].join(' · ');

const columns: readonly Column[] = [
  { key: 'state', title: 'State', value: ({ state }) => runStates.indexOf(state), text: ({ state }) => state },
  { key: 'task', title: 'Task', value: ({ task }) => task, text: ({ task }) => shortTask(task) },
  { key: 'model', title: 'Model', value: ({ model }) => shortModel(model), text: ({ model }) => shortModel(model) },
  { key: 'method', title: 'Method', value: methodText, text: methodText },
  {
    key: 'score',
    title: 'Score',
    isNumber: true,
    value: (run) => run.score ?? undefined,
    text: (run) => (run.metric === undefined ? '–' : score(run.score)),
  },
  {
    key: 'trainable',
    title: 'Trained',
    isNumber: true,
    value: (run) => run.trainable,
    text: (run) => count(run.trainable),
  },
  { key: 'seconds', title: 'Time', isNumber: true, value: (run) => run.seconds, text: (run) => duration(run.seconds) },
  {
    key: 'memory',
    title: 'Memory',
    isNumber: true,
    value: (run) => run.memoryBytes,
    text: (run) => bytes(run.memoryBytes),
  },
  { key: 'time', title: 'Begun', isNumber: true, value: (run) => run.time, text: (run) => ago(run.time) },
];

const groupings = ['none', 'task', 'model', 'method', 'state'] as const;
type Grouping = (typeof groupings)[number];

/** Curves that can be laid over one another. */
const mostChosen = 8;

/** A row as it was drawn, and what of. */
interface Drawn {
  readonly run: RunView;
  readonly place: number;
  /** Of the clock: a row says how long ago something was. */
  readonly minute: number;
  readonly node: VNode;
}

export function Runs({ board }: { readonly board: BoardView }) {
  const [words, setWords] = useState('');
  const [states, setStates] = useState<ReadonlySet<RunState>>(new Set());
  const [grouping, setGrouping] = useState<Grouping>('none');
  const [sort, setSort] = useState({ key: 'time', isDown: true });
  const [chosen, choose] = useState<readonly string[]>([]);
  const found = useMemo(
    () =>
      sorted(
        board.runs.filter((run) => isMeant(run, words) && (states.size === 0 || states.has(run.state))),
        sort,
      ),
    [board.runs, words, states, sort],
  );
  const rows = useRef(new Map<string, Drawn>());
  if (board.runs.length === 0) return <Empty board={board} />;
  const groups = grouping === 'none' ? [['', found] as const] : groupsOf(found, grouping);
  const toggle = (id: string) =>
    choose((all) => (all.includes(id) ? all.filter((one) => one !== id) : [...all.slice(-mostChosen + 1), id]));
  const minute = Math.floor(Date.now() / 60_000);
  // A row of which nothing has changed is given as it was: then it is not gone through again, whatever another run does.
  const rowOf = (run: RunView): VNode => {
    const place = chosen.indexOf(run.id);
    const before = rows.current.get(run.id);
    if (before?.run === run && before.place === place && before.minute === minute) return before.node;
    const node = <Row key={run.id} run={run} place={place} onToggle={() => toggle(run.id)} />;
    rows.current.set(run.id, { run, place, minute, node });
    return node;
  };
  const sortBy = (key: string) =>
    setSort((now) => ({ key, isDown: now.key === key ? !now.isDown : key === 'score' || key === 'time' }));
  const present = runStates.filter((state) => board.runs.some((run) => run.state === state));
  return (
    <>
      <h1>Runs</h1>
      <div class="tools" role="search">
        <label class="grow">
          <span class="hidden">Filter by name, task, model or method</span>
          <input
            type="search"
            placeholder="Filter by name, task, model, method"
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
          />
        </label>
        <fieldset class="chips">
          <legend class="hidden">States that are shown</legend>
          {present.map((state) => (
            <label key={state} class="chip">
              <input
                type="checkbox"
                checked={states.has(state)}
                onChange={() => setStates((all) => toggled(all, state))}
              />
              <State state={state} />
              <span class="muted">{board.runs.filter((run) => run.state === state).length}</span>
            </label>
          ))}
        </fieldset>
        <label>
          Group by{' '}
          <select value={grouping} onChange={(event) => setGrouping(event.currentTarget.value as Grouping)}>
            {groupings.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </div>
      {chosen.length > 0 && <Overlay chosen={chosen} board={board} onClear={() => choose([])} />}
      <div class="table-scroll card">
        <table class="runs">
          <caption class="hidden">
            Runs, {found.length} of {board.runs.length}
          </caption>
          <thead>
            <tr>
              <th scope="col" class="pick">
                <span class="hidden">Curves</span>
              </th>
              <th scope="col" aria-sort={sort.key === 'name' ? (sort.isDown ? 'descending' : 'ascending') : 'none'}>
                <button type="button" onClick={() => sortBy('name')}>
                  Run
                </button>
              </th>
              {columns.map(({ key, title, isNumber }) => (
                <th
                  key={key}
                  scope="col"
                  class={isNumber === true ? 'number' : ''}
                  aria-sort={sort.key === key ? (sort.isDown ? 'descending' : 'ascending') : 'none'}
                >
                  <button type="button" onClick={() => sortBy(key)}>
                    {title}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          {groups.map(([name, runs]) => (
            <tbody key={name}>
              {grouping !== 'none' && (
                <tr class="group">
                  <th colSpan={columns.length + 2} scope="rowgroup">
                    {name} <span class="muted">{runs.length}</span>
                  </th>
                </tr>
              )}
              {runs.map(rowOf)}
            </tbody>
          ))}
        </table>
        {found.length === 0 && (
          <p class="muted pad">No run is as you ask for. Clear the filter to see all {board.runs.length}.</p>
        )}
      </div>
    </>
  );
}

function Row({
  run,
  place,
  onToggle,
}: {
  readonly run: RunView;
  readonly place: number;
  readonly onToggle: () => void;
}) {
  return (
    <tr class={run.isGone ? 'gone' : ''}>
      <td class="pick">
        <label class={place >= 0 ? `picked c${place % 8}` : ''}>
          <span class="hidden">Show the curves of {run.name}</span>
          <input type="checkbox" checked={place >= 0} onChange={onToggle} />
        </label>
      </td>
      <th scope="row">
        <a href={linkTo('run', run.id)}>{run.name}</a>
        <Progress run={run} />
        {run.error !== undefined && <span class="error">{run.error}</span>}
      </th>
      {columns.map(({ key, title, isNumber, text }) => (
        <td key={key} data-title={title} class={isNumber === true ? 'number' : ''}>
          {key === 'state' ? <State state={run.state} /> : text(run)}
          {key === 'score' && run.metric !== undefined && <span class="unit"> {run.metric}</span>}
        </td>
      ))}
    </tr>
  );
}

/** Curves of several runs over one another. */
function Overlay({
  chosen,
  board,
  onClear,
}: {
  readonly chosen: readonly string[];
  readonly board: BoardView;
  readonly onClear: () => void;
}) {
  const [curves, setCurves] = useState<Readonly<Record<string, Readonly<Record<string, SeriesView>>>>>({});
  const [name, setName] = useState('loss');
  const [fault, setFault] = useState<string | undefined>(undefined);
  const key = chosen.join(' ');
  // A run that goes on changes with each step: then its curve is read anew.
  const moving = board.runs
    .filter(({ id, state }) => state === 'running' && chosen.includes(id))
    .map(({ phase }) => phase?.done);
  useEffect(() => {
    let isWanted = true;
    ask<typeof curves>('/api/curves', { id: chosen }).then(
      (found) => {
        if (isWanted) {
          setCurves(found);
          setFault(undefined);
        }
      },
      (error: unknown) => isWanted && setFault(messageOf(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [key, moving.join()]);
  const names = [...new Set(chosen.flatMap((id) => Object.keys(curves[id] ?? {})))];
  const shown = names.includes(name) ? name : names[0];
  const lines = chosen.flatMap((id, color) => {
    const series = shown === undefined ? undefined : curves[id]?.[shown];
    const run = board.runs.find((one) => one.id === id);
    return series === undefined ? [] : [{ name: run?.name ?? id, color, ...series }];
  });
  const isOverTime = shown === 'memory' || shown === 'tokensPerSecond';
  return (
    <section class="card" aria-label="Curves of the chosen runs">
      <header class="row">
        <label>
          Curve{' '}
          <select value={shown} onChange={(event) => setName(event.currentTarget.value)}>
            {names.map((one) => (
              <option key={one} value={one}>
                {seriesTitle(one)}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="quiet" onClick={onClear}>
          Clear
        </button>
      </header>
      {fault !== undefined && <Fault>{fault}</Fault>}
      {lines.length > 0 && (
        <Chart
          title={seriesTitle(shown!)}
          lines={lines}
          xTitle={isOverTime ? 'seconds' : 'step'}
          format={shown === 'memory' ? bytes : number}
          height={260}
        />
      )}
      {lines.length < chosen.length && names.length > 0 && (
        <p class="muted">
          Of the chosen runs {lines.length} of {chosen.length} have this curve.
        </p>
      )}
    </section>
  );
}

const titles: Readonly<Record<string, string>> = {
  loss: 'Training loss',
  learningRate: 'Learning rate',
  gradientNorm: 'Gradient norm',
  tokensPerSecond: 'Tokens a second',
  memory: 'Memory',
};

/** What a curve is called. */
export function seriesTitle(name: string): string {
  if (titles[name] !== undefined) return titles[name];
  if (name.startsWith('score ')) return `Score: ${name.slice('score '.length)}`;
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

const firstRun =
  'npx diffora train --task reviews.csv --text-column review \\\n  --label-column stars --output runs/reviews';

function Empty({ board }: { readonly board: BoardView }) {
  return (
    <section class="empty card">
      <h1>Nothing here yet</h1>
      <p>
        No run and no comparison lies under {board.folders.join(', ')}. A run that is started in a terminal appears here
        by itself, within a second:
      </p>
      <Code title="Command of the demo" text="npx diffora demo" />
      <p class="muted">
        It learns in a few minutes which third of a small model to adapt on a corpus of mails, and measures that against
        LoRA on all of it.
      </p>
      {!board.isReadOnly && (
        <p>
          <Ask
            path="/api/demo"
            body={{}}
            title="Run the demo here"
            onDone={({ id }) => {
              location.hash = linkTo('run', id);
            }}
          />
        </p>
      )}
      <p>
        With a table of your own, a row an example
        {!board.isReadOnly && (
          <>
            {' '}
            (or by the form of a <a href={linkTo('new')}>new run</a>)
          </>
        )}
        :
      </p>
      <Code title="Command of a first run" text={firstRun} />
    </section>
  );
}

function isMeant(run: RunView, words: string): boolean {
  const text = [run.name, run.task, run.model, run.method, run.select, run.state, run.command].join(' ').toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function sorted(
  runs: readonly RunView[],
  { key, isDown }: { readonly key: string; readonly isDown: boolean },
): RunView[] {
  const value = key === 'name' ? ({ name }: RunView) => name : columns.find((one) => one.key === key)!.value;
  const sign = isDown ? -1 : 1;
  return [...runs].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    // What has no value stands last, whichever way.
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
    return (
      sign *
      (typeof x === 'number' && typeof y === 'number'
        ? x - y
        : String(x).localeCompare(String(y), 'en', { numeric: true }))
    );
  });
}

function groupsOf(runs: readonly RunView[], grouping: Exclude<Grouping, 'none'>): (readonly [string, RunView[]])[] {
  const text = columns.find(({ key }) => key === grouping)!.text;
  const groups = new Map<string, RunView[]>();
  for (const run of runs) groups.set(text(run), [...(groups.get(text(run)) ?? []), run]);
  return [...groups].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
}

function toggled<T>(all: ReadonlySet<T>, one: T): Set<T> {
  const next = new Set(all);
  if (!next.delete(one)) next.add(one);
  return next;
}
