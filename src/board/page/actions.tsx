import { useState } from 'preact/hooks';
import type { RunView } from '../view.js';
import { messageOf, tell } from './api.js';
import { Fault } from './parts.jsx';
import { linkTo } from './routes.js';

/** A button that asks the server for something, and says what it answers where that is no. */
export function Ask({
  path,
  body,
  title,
  kind = '',
  hint,
  onDone,
}: {
  readonly path: string;
  readonly body: object;
  readonly title: string;
  readonly kind?: string;
  readonly hint?: string;
  readonly onDone?: (answer: { readonly id?: string }) => void;
}) {
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [isAsking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    setFault(undefined);
    try {
      const answer = await tell<{ id?: string }>(path, body);
      onDone?.(answer);
    } catch (error) {
      setFault(messageOf(error));
    }
    setAsking(false);
  };
  return (
    <>
      <button type="button" class={kind} disabled={isAsking} title={hint} onClick={ask}>
        {title}
      </button>
      {fault !== undefined && <Fault>{fault}</Fault>}
    </>
  );
}

/** What can be done with a run as it is now. */
export function RunActions({ run }: { readonly run: RunView }) {
  const body = { id: run.id };
  return (
    <div class="actions">
      {run.state === 'running' && run.canStop && run.saves && (
        <Ask
          path="/api/pause"
          body={body}
          title="Pause"
          kind="quiet"
          hint="Saves the step that it is at and ends it; it can go on from there"
        />
      )}
      {run.canStop && (
        <Ask
          path="/api/stop"
          body={body}
          title={run.state === 'waiting' ? 'Take out of the queue' : 'Stop'}
          kind="danger"
          hint={run.state === 'waiting' ? 'It is not started' : 'Ends it at once; what was not saved before is lost'}
        />
      )}
      {run.isSaved && (run.state === 'stopped' || run.state === 'failed') && (
        <Ask path="/api/resume" body={body} title="Resume" hint="Goes on from the newest checkpoint" />
      )}
      {run.hasAdapter && (
        <a class="button" href={linkTo('try', run.id)}>
          Try it
        </a>
      )}
    </div>
  );
}
