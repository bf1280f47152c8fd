import type { BoardView, ComparisonView } from '../view.js';
import { queryOf } from './api.js';
import { ago, counted } from './format.js';
import { Code } from './parts.jsx';
import { linkTo } from './routes.js';

/** Comparisons, and the report of one. */
export function Compare({ board, id }: { readonly board: BoardView; readonly id: string | undefined }) {
  const comparison = board.comparisons.find((one) => one.id === id);
  if (comparison !== undefined) return <Report comparison={comparison} />;
  return (
    <>
      <h1>Comparisons</h1>
      {board.comparisons.length === 0 ? (
        <section class="empty card">
          <p>There is no comparison under {board.folders.join(', ')}. One is made by</p>
          <Code title="Command of a comparison" text="npx diffora compare compare.yaml --output runs/compared" />
          <p class="muted">whose file names tasks, methods, seeds and budgets.</p>
        </section>
      ) : (
        <ul class="list card">
          {board.comparisons.map((one) => (
            <li key={one.id}>
              <a href={linkTo('compare', one.id)}>{one.name}</a>
              <span class="muted">
                {counted(one.runs, 'run')}, {counted(one.trials, 'trial')}
                {one.failed > 0 ? `, ${one.failed} failed` : ''} · {ago(one.time)}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Report({ comparison }: { readonly comparison: ComparisonView }) {
  const { id, name, runs, trials, failed, hasReport, time } = comparison;
  const report = `/api/report${queryOf({ id })}`;
  return (
    <>
      <p class="back">
        <a href={linkTo('compare')}>Comparisons</a>
      </p>
      <header class="row run-head">
        <h1>{name}</h1>
        <span class="muted">
          Recorded: {counted(runs, 'run')}, {counted(trials, 'trial')}
          {failed > 0 ? `, ${failed} of them failed` : ''}
        </span>
      </header>
      {hasReport ? (
        // A new report is another document: its time makes the frame load it.
        <iframe key={time} class="report card" title={`Report of ${name}`} src={report} />
      ) : (
        <p class="note">Its report is written with its first run, and again as it fills.</p>
      )}
    </>
  );
}
