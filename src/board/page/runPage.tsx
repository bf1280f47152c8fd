import { useEffect, useState } from 'preact/hooks';
import type { FileView, RunDetail } from '../view.js';
import { RunActions } from './actions.jsx';
import { ask, messageOf, queryOf } from './api.js';
import { Chart } from './chart.jsx';
import { bytes, count, duration, number, score, shortModel } from './format.js';
import { Matrix } from './matrix.jsx';
import { Code, Fact, Fault, Progress, State } from './parts.jsx';
import { linkTo } from './routes.js';
import { seriesTitle } from './runs.jsx';
import { useStore } from './store.js';

/** Curves of a run, and over what they go. */
const curves = [
  { key: 'loss', over: 'step', format: number },
  { key: 'learningRate', over: 'step', format: number },
  { key: 'gradientNorm', over: 'step', format: number },
  { key: 'tokensPerSecond', over: 'seconds', format: count },
  { key: 'memory', over: 'seconds', format: bytes },
] as const;

export function RunPage({ id }: { readonly id: string }) {
  const { board, detail, fault } = useStore();
  if (fault !== undefined && detail === undefined) {
    return (
      <>
        <Fault>{fault}</Fault>
        <p>
          <a href={linkTo('runs')}>All runs</a>
        </p>
      </>
    );
  }
  if (detail === undefined || detail.run.id !== id) return <p class="muted">Reading the run …</p>;
  return <Detail detail={detail} isReadOnly={board?.isReadOnly !== false} />;
}

function Detail({ detail, isReadOnly }: { readonly detail: RunDetail; readonly isReadOnly: boolean }) {
  const { run, series, matrix, scores, totalSteps } = detail;
  const scored = Object.keys(series).filter((name) => name.startsWith('score '));
  const searched = ['search validation loss', 'search training loss'].filter((name) => series[name] !== undefined);
  const left =
    run.phase !== undefined && run.phase.total > 0
      ? ` (${Math.floor((100 * run.phase.done) / run.phase.total)} %)`
      : '';
  return (
    <>
      <p class="back">
        <a href={linkTo('runs')}>Runs</a>
      </p>
      <header class="row run-head">
        <h1>{run.name}</h1>
        <State state={run.state} />
        <Progress run={run} />
        {!isReadOnly && <RunActions run={run} />}
      </header>
      {run.error !== undefined && <Fault>{run.error}</Fault>}
      {run.isGone && run.state !== 'failed' && (
        <p class="note">It ended before anything was kept: nothing of it is left in the folder.</p>
      )}
      {run.state === 'stopped' && run.isSaved && (
        <p class="note">Its newest checkpoint is kept: it can go on from there.</p>
      )}
      <dl class="facts card">
        <Fact name="Task">{run.task ?? '–'}</Fact>
        <Fact name="Model">
          <span title={run.model}>{shortModel(run.model)}</span>
        </Fact>
        <Fact name="Method">{[run.method, run.select].filter((one) => one !== undefined).join(' · ') || '–'}</Fact>
        {scores === undefined && run.metric !== undefined && <Fact name={run.metric}>{score(run.score)}</Fact>}
        {Object.entries(scores ?? {}).map(([name, value]) => (
          <Fact key={name} name={name}>
            {score(value)}
          </Fact>
        ))}
        {run.state === 'running' && run.loss !== undefined && <Fact name="Loss">{number(run.loss)}</Fact>}
        <Fact name="Time">
          {duration(run.seconds)}
          {left}
        </Fact>
        <Fact name="Memory">{bytes(run.memoryBytes)}</Fact>
        {run.trainable !== undefined && <Fact name="Trained numbers">{count(run.trainable)}</Fact>}
        <Fact name="Seed">{run.seed ?? '–'}</Fact>
      </dl>
      {matrix !== undefined && <Matrix matrix={matrix} series={series} isGoingOn={run.state === 'running'} />}
      <div class="charts">
        {curves.map(({ key, over, format }) => {
          const one = series[key];
          return one === undefined ? null : (
            <Chart
              key={key}
              title={seriesTitle(key)}
              lines={[{ name: key, color: 0, ...one }]}
              xTitle={over}
              format={format}
              formatX={over === 'seconds' ? duration : String}
              xMost={over === 'step' && run.state === 'running' ? totalSteps : undefined}
            />
          );
        })}
        {scored.length > 0 && (
          <Chart
            title="Scores while it trains"
            lines={scored.map((name, color) => ({ name: name.slice(6), color, ...series[name]! }))}
            xTitle="step"
            format={number}
          />
        )}
        {searched.length > 0 && (
          <Chart
            title="Losses of the search"
            lines={searched.map((name, color) => ({ name: name.slice(7), color, ...series[name]! }))}
            xTitle="step of the search"
            format={number}
          />
        )}
      </div>
      <Below detail={detail} />
    </>
  );
}

const tabs = ['Repeat it', 'Settings', 'Messages', 'Files'] as const;

function Below({ detail }: { readonly detail: RunDetail }) {
  const [tab, setTab] = useState<(typeof tabs)[number]>('Repeat it');
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (by === 0) return;
    const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length]!;
    setTab(next);
    document.getElementById(`tab-${tabs.indexOf(next)}`)?.focus();
  };
  return (
    <section class="card">
      <div class="tabs" role="tablist" aria-label="More of this run" onKeyDown={onKeyDown}>
        {tabs.map((one, i) => (
          <button
            key={one}
            id={`tab-${i}`}
            type="button"
            role="tab"
            aria-selected={tab === one}
            aria-controls="tab-panel"
            tabIndex={tab === one ? 0 : -1}
            onClick={() => setTab(one)}
          >
            {one}
            {one === 'Messages' && detail.messages.length > 0 && <span class="muted"> {detail.messages.length}</span>}
          </button>
        ))}
      </div>
      <div id="tab-panel" role="tabpanel" aria-labelledby={`tab-${tabs.indexOf(tab)}`}>
        {tab === 'Repeat it' && detail.command === '' && <p class="muted">It has not begun yet.</p>}
        {tab === 'Repeat it' && detail.command !== '' && (
          <>
            <h3>Command</h3>
            <Code title="Command that repeats the run" text={detail.command} />
            <h3>The same as a file of settings</h3>
            <Code title="Settings as YAML" text={detail.yaml} />
          </>
        )}
        {tab === 'Settings' && <Settings config={detail.config} />}
        {tab === 'Messages' && <Messages detail={detail} />}
        {tab === 'Files' && <Files id={detail.run.id} files={detail.files} />}
      </div>
    </section>
  );
}

function Settings({ config }: { readonly config: Readonly<Record<string, unknown>> }) {
  return (
    <table class="plain">
      <caption class="hidden">Every setting of the run</caption>
      <tbody>
        {Object.entries(config).map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{typeof value === 'string' ? value : JSON.stringify(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Messages({ detail }: { readonly detail: RunDetail }) {
  const { job, state, phase } = detail.run;
  const [log, setLog] = useState('');
  useEffect(() => {
    if (job === undefined) return;
    ask<{ text: string }>('/api/log', { job }).then(
      ({ text }) => setLog(text),
      () => setLog(''),
    );
  }, [job, state, phase?.name, Math.floor((phase?.done ?? 0) / 50)]);
  return (
    <>
      {detail.messages.length === 0 && log === '' && <p class="muted">The run has said nothing.</p>}
      <ol class="messages">
        {detail.messages.map(({ isWarning, text }, i) => (
          <li key={i} class={isWarning ? 'warning' : ''}>
            {isWarning && <strong>Warning: </strong>}
            {text}
          </li>
        ))}
      </ol>
      {log !== '' && (
        <>
          <h3>What its process wrote</h3>
          <Code title="What its process wrote" text={log} />
        </>
      )}
    </>
  );
}

interface Shown {
  readonly path: string;
  readonly text: string;
  readonly isCut: boolean;
  readonly isBinary: boolean;
}

/** The files of a run; those of text can be read here, the card among them. */
function Files({ id, files }: { readonly id: string; readonly files: readonly FileView[] }) {
  const [shown, setShown] = useState<Shown | undefined>(undefined);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const show = async (path: string) => {
    try {
      const response = await fetch(`/api/file${queryOf({ id, path })}`);
      if (!response.ok) throw new Error('The file cannot be read (any more).');
      const [isCut, isBinary] = ['x-cut', 'x-binary'].map((name) => response.headers.get(name) === '1') as [
        boolean,
        boolean,
      ];
      setShown({ path, text: await response.text(), isCut, isBinary });
      setFault(undefined);
    } catch (error) {
      setFault(messageOf(error));
    }
  };
  if (files.length === 0) return <p class="muted">There are no files yet.</p>;
  const card = files.find(({ path }) => path === 'adapter/README.md');
  return (
    <>
      {card !== undefined && (
        <p>
          <button type="button" onClick={() => show(card.path)}>
            Read the card
          </button>
        </p>
      )}
      <ul class="files">
        {files.map(({ path, bytes: size }) => (
          <li key={path}>
            <button type="button" class="link" onClick={() => show(path)}>
              {path}
            </button>
            <span class="muted">{bytes(size)}</span>
            <a href={`/api/file${queryOf({ id, path, save: '1' })}`} download>
              Save<span class="hidden"> {path}</span>
            </a>
          </li>
        ))}
      </ul>
      {fault !== undefined && <Fault>{fault}</Fault>}
      {shown !== undefined && (
        <section aria-label={shown.path}>
          <h3>{shown.path}</h3>
          {shown.isBinary ? (
            <p class="muted">This is no text. Save it to look into it.</p>
          ) : (
            <Code title={shown.path} text={shown.text} />
          )}
          {shown.isCut && <p class="muted">That was its beginning. Save it to read the whole.</p>}
        </section>
      )}
    </>
  );
}
