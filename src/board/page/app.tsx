import { useEffect } from 'preact/hooks';
import { Compare } from './compare.jsx';
import { NewRun } from './newRun.jsx';
import { Fault } from './parts.jsx';
import { linkTo, usePlace } from './routes.js';
import { RunPage } from './runPage.jsx';
import { Runs } from './runs.jsx';
import { useStore, watch } from './store.js';
import { TryPage } from './tryPage.jsx';

export function App() {
  const place = usePlace();
  const { board, fault, isLive } = useStore();
  const watched = place.view === 'run' ? place.id : undefined;
  useEffect(() => watch(watched), [watched]);
  const running = board?.runs.filter(({ state }) => state === 'running').length ?? 0;
  useEffect(() => {
    document.title = `${running > 0 ? `(${running}) ` : ''}diffora board`;
  }, [running]);
  const views = [
    { view: 'runs', title: 'Runs', isHere: place.view === 'runs' || place.view === 'run' },
    ...(board?.isReadOnly === false
      ? [
          { view: 'new', title: 'New run', isHere: place.view === 'new' },
          { view: 'try', title: 'Try', isHere: place.view === 'try' },
        ]
      : []),
    { view: 'compare', title: 'Compare', isHere: place.view === 'compare' },
  ];
  return (
    <>
      <header class="bar">
        <a class="logo" href={linkTo('runs')}>
          <svg viewBox="0 0 17 17" width="22" height="22" aria-hidden="true">
            <path class="l0" d="M0 0h8v8H0z" />
            <path class="l1" d="M9 0h8v8H9z" />
            <path class="l2" d="M0 9h8v8H0z" />
            <path class="l3" d="M9 9h8v8H9z" />
          </svg>
          diffora
        </a>
        <nav aria-label="Views">
          {views.map(({ view, title, isHere }) => (
            <a key={view} href={linkTo(view)} aria-current={isHere ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <span class={`live ${isLive ? 'on' : ''}`} role="status">
          {isLive ? (running === 0 ? 'live' : `live, ${running} running`) : 'not connected'}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {board === undefined ? (
          fault === undefined ? (
            <p class="muted">Reading the folders …</p>
          ) : (
            <Fault>{fault}</Fault>
          )
        ) : place.view === 'run' && place.id !== undefined ? (
          <RunPage key={place.id} id={place.id} />
        ) : place.view === 'new' && !board.isReadOnly ? (
          <NewRun board={board} />
        ) : place.view === 'try' && !board.isReadOnly ? (
          <TryPage key={place.id} board={board} id={place.id} />
        ) : place.view === 'compare' ? (
          <Compare board={board} id={place.id} />
        ) : (
          <Runs board={board} />
        )}
      </main>
      <footer>
        {board !== undefined && (
          <p class="muted">
            diffora {board.version} · {board.folders.join(', ')}
            {board.isReadOnly ? ' · read-only' : ''}
            {board.isCut ? ' · there are more runs here than are shown; start the board with a folder of them' : ''}
          </p>
        )}
      </footer>
    </>
  );
}
