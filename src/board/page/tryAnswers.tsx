import type { TriedView } from '../view.js';
import { number } from './format.js';
import { Fault } from './parts.jsx';

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** What was asked: a text, and its pair or passage. */
export interface Asked {
  readonly text: string;
  readonly pair: string;
}

/** What one model has answered so far. */
export interface Answer {
  readonly title: string;
  readonly view: TriedView;
  readonly of: 'adapter' | 'base';
  readonly asked: Asked;
  readonly prediction?: Readonly<Record<string, unknown>>;
  readonly text?: string;
  readonly fault?: string;
  readonly isDone: boolean;
}

/** An answer, below what was said before it. */
export function AnswerCard({ answer, chat }: { readonly answer: Answer; readonly chat: readonly Message[] }) {
  const { title, fault, text, view, isDone } = answer;
  const isChat = view.form === 'conversation';
  const said = isChat && !isDone ? [...chat, { role: 'user', content: answer.asked.text }] : chat;
  return (
    <section class="card" aria-label={`Answer of ${title}`} aria-busy={!isDone}>
      <h2>{title}</h2>
      {isChat && (
        <ol class="chat">
          {said.map(({ role, content }, i) => (
            <li key={i} class={role}>
              {content}
            </li>
          ))}
          {!isDone && text !== undefined && <li class="assistant">{text}</li>}
        </ol>
      )}
      {fault !== undefined && <Fault>{fault}</Fault>}
      {!isChat && fault === undefined && <Given answer={answer} />}
      {!isDone && <p class="muted">…</p>}
    </section>
  );
}

/** An answer as its kind of task is read. */
function Given({ answer }: { readonly answer: Answer }) {
  const { prediction, text, view, asked } = answer;
  if (text !== undefined) {
    return (
      <p class="written">
        <span class="muted">{asked.text}</span>
        {text}
      </p>
    );
  }
  if (prediction === undefined) return null;
  const { label, logits, score, scores, entities, answer: found, start, end, text: written, masks } = prediction;
  if (Array.isArray(entities)) return <Marked text={asked.text} parts={entities as Part[]} />;
  if (view.form === 'passage' && typeof found === 'string') {
    const isMarked = found !== '' && typeof start === 'number' && typeof end === 'number';
    return (
      <>
        <p>
          <strong>{found === '' ? 'The passage does not say.' : found}</strong>
          {typeof score === 'number' && <span class="muted"> {number(score)}</span>}
        </p>
        {isMarked && <Marked text={asked.pair} parts={[{ start, end, type: 'answer' }]} />}
      </>
    );
  }
  if (typeof label === 'string' && Array.isArray(logits) && logits.length === view.labels.length) {
    return <Shares chosen={[label]} shares={sharesOf(view.labels, logits as number[])} />;
  }
  if (typeof scores === 'object' && scores !== null && !Array.isArray(scores)) {
    const chosen = Array.isArray(prediction.labels) ? (prediction.labels as string[]) : [];
    return <Shares chosen={chosen} shares={Object.entries(scores as Record<string, number>)} />;
  }
  if (typeof written === 'string') {
    return (
      <>
        <p class="written">{written}</p>
        {Array.isArray(masks) &&
          (masks as FilledToken[][]).map((tokens, i) => (
            <Shares
              key={i}
              chosen={tokens.slice(0, 1).map(({ token }) => token)}
              shares={tokens.map(({ token, score }) => [token, score])}
            />
          ))}
      </>
    );
  }
  const figure = typeof label === 'number' ? label : score;
  if (typeof figure === 'number') return <p class="figure">{number(figure)}</p>;
  return <pre>{JSON.stringify(prediction, null, 1).slice(0, 4000)}</pre>;
}

/** Probabilities of classes, the likeliest first. */
function Shares({
  chosen,
  shares,
}: {
  readonly chosen: readonly string[];
  readonly shares: readonly (readonly [string, number])[];
}) {
  const sorted = [...shares].sort(([, a], [, b]) => b - a);
  return (
    <ul class="bars">
      {sorted.map(([name, share]) => (
        <li key={name}>
          <span>{chosen.includes(name) ? <strong>{name}</strong> : name}</span>
          <meter min={0} max={1} value={share} aria-label={`${name}: ${(100 * share).toFixed(1)} %`} />
          <span class="muted">{(100 * share).toFixed(1)} %</span>
        </li>
      ))}
    </ul>
  );
}

/** A token that may stand in the place of a mask. */
interface FilledToken {
  readonly token: string;
  readonly score: number;
}

interface Part {
  readonly start: number;
  readonly end: number;
  readonly type: string;
  readonly score?: number;
}

/** A text with its parts marked. */
function Marked({ text, parts }: { readonly text: string; readonly parts: readonly Part[] }) {
  const sorted = [...parts].sort((a, b) => a.start - b.start);
  const types = [...new Set(sorted.map(({ type }) => type))];
  let place = 0;
  const pieces = sorted.flatMap((part) => {
    const before = text.slice(place, part.start);
    place = part.end;
    return [before, part];
  });
  return (
    <p class="marked">
      {pieces.map((piece, i) =>
        typeof piece === 'string' ? (
          <span key={i}>{piece}</span>
        ) : (
          <mark
            key={i}
            class={`c${types.indexOf(piece.type) % 8}`}
            title={piece.score === undefined ? piece.type : `${piece.type}, ${number(piece.score)}`}
          >
            <span>{text.slice(piece.start, piece.end)}</span>
            <small>{piece.type}</small>
          </mark>
        ),
      )}
      {text.slice(place)}
      {parts.length === 0 && <span class="muted"> (nothing found)</span>}
    </p>
  );
}

function sharesOf(labels: readonly string[], logits: readonly number[]): [string, number][] {
  const most = Math.max(...logits);
  const powers = logits.map((one) => Math.exp(one - most));
  const sum = powers.reduce((all, one) => all + one, 0);
  return labels.map((label, i) => [label, powers[i]! / sum]);
}
