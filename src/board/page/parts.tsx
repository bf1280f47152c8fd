import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { RunState, RunView } from '../view.js';

const stateTitles: Readonly<Record<RunState, string>> = {
  running: 'running',
  waiting: 'waiting',
  stopped: 'stopped',
  failed: 'failed',
  done: 'done',
};

export const runStates = Object.keys(stateTitles) as RunState[];

export function State({ state }: { readonly state: RunState }) {
  return <span class={`state ${state}`}>{stateTitles[state]}</span>;
}

/** How far a run is. */
export function Progress({ run }: { readonly run: RunView }) {
  const { phase } = run;
  if (run.state !== 'running' || phase === undefined || phase.total === 0) return null;
  const share = Math.min(1, phase.done / phase.total);
  return (
    <span class="progress">
      <progress max={1} value={share} aria-label={`${phase.name}: ${Math.floor(100 * share)} %`} />
      <span class="muted">
        {phase.name} {phase.done} of {phase.total}
      </span>
    </span>
  );
}

/** A text that is to be copied. */
export function Code({ text, title }: { readonly text: string; readonly title: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [isCopied]);
  return (
    <div class="code">
      <pre tabIndex={0} aria-label={title} role="region">
        {text}
      </pre>
      <button
        type="button"
        class="quiet copy"
        aria-label={`Copy: ${title}`}
        onClick={() =>
          navigator.clipboard.writeText(text).then(
            () => setCopied(true),
            () => setCopied(false),
          )
        }
      >
        {isCopied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}

/** What went wrong. */
export function Fault({ children }: { readonly children: ComponentChildren }) {
  return (
    <p class="fault" role="alert">
      {children}
    </p>
  );
}

/** A name and what it is. */
export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** A text that is asked for: in one line, or with `rows` in several. */
export function TextField({
  id,
  title,
  value,
  rows,
  inputMode,
  onInput,
}: {
  readonly id: string;
  readonly title: string;
  readonly value: string;
  readonly rows?: number;
  readonly inputMode?: 'decimal' | 'numeric';
  readonly onInput: (value: string) => void;
}) {
  const take = (event: { readonly currentTarget: { readonly value: string } }) => onInput(event.currentTarget.value);
  return (
    <div class="field">
      <label for={id}>{title}</label>
      {rows === undefined ? (
        <input id={id} inputMode={inputMode} value={value} onInput={take} />
      ) : (
        <textarea id={id} rows={rows} value={value} onInput={take} />
      )}
    </div>
  );
}
