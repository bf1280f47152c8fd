import { useRef, useState } from 'preact/hooks';
import type { BoardView, TriedView } from '../view.js';
import { messageOf, sendTo, tell } from './api.js';
import { number } from './format.js';
import { Fault } from './parts.jsx';

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** What was asked, and what came of it so far. */
interface Asked {
  readonly text: string;
  readonly pair: string;
}

/** What one model has answered. */
interface Answer {
  readonly title: string;
  readonly view: TriedView;
  readonly of: 'adapter' | 'base';
  readonly asked: Asked;
  readonly prediction?: Readonly<Record<string, unknown>>;
  readonly text?: string;
  readonly fault?: string;
  readonly isDone: boolean;
}

const none = 'none';
const base = 'base';

/** The adapters of finished runs, to be asked one beside another or beside its base. */
export function TryPage({ board, id }: { readonly board: BoardView; readonly id: string | undefined }) {
  const runs = board.runs.filter(({ hasAdapter }) => hasAdapter).sort((a, b) => b.time - a.time);
  const [first, setFirst] = useState(id ?? runs[0]?.id ?? '');
  const [second, setSecond] = useState(none);
  const [views, setViews] = useState<Readonly<Record<string, TriedView>>>({});
  const [isOpening, setOpening] = useState(false);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [text, setText] = useState('');
  const [pair, setPair] = useState('');
  const [options, setOptions] = useState({ temperature: '0', tokens: '128' });
  const [answers, setAnswers] = useState<readonly Answer[]>([]);
  const [chats, setChats] = useState<readonly (readonly Message[])[]>([[], []]);
  const stop = useRef<AbortController | undefined>(undefined);
  const view = views[first];
  const nameOf = (of: string) => runs.find((run) => run.id === of)?.name ?? of;
  const open = async () => {
    setOpening(true);
    setFault(undefined);
    try {
      for (const one of new Set([first, second].filter((name) => name !== none && name !== base))) {
        const opened = await tell<TriedView>('/api/try/open', { id: one });
        setViews((before) => ({ ...before, [one]: opened }));
      }
    } catch (error) {
      setFault(messageOf(error));
    }
    setOpening(false);
  };
  const isChat = view?.form === 'conversation';
  const isSpan = view?.form === 'passage';
  const writes = isChat || view?.form === 'prompt';
  const targets = () => [
    { title: nameOf(first), view: view!, of: 'adapter' as const },
    ...(second === none
      ? []
      : second === base
        ? [{ title: 'base', view: view!, of: 'base' as const }]
        : views[second] === undefined
          ? []
          : [{ title: nameOf(second), view: views[second], of: 'adapter' as const }]),
  ];
  const put = (place: number, change: Partial<Answer>) =>
    setAnswers((all) => all.map((one, i) => (i === place ? { ...one, ...change } : one)));
  const askOne = async (
    target: { readonly view: TriedView; readonly of: 'adapter' | 'base' },
    place: number,
    signal: AbortSignal,
  ) => {
    const common = { id: target.view.id, of: target.of };
    try {
      if (!writes) {
        const input = isSpan ? { question: text, context: pair } : target.view.form === 'pair' ? { text, pair } : text;
        const { data } = await tell<{ data: Readonly<Record<string, unknown>>[] }>(
          '/api/try/ask',
          { ...common, path: 'classify', body: { input } },
          signal,
        );
        put(place, { prediction: data[0]!, isDone: true });
        return;
      }
      const drawing = { temperature: Number(options.temperature), max_tokens: Number(options.tokens), stream: true };
      const said = [...(chats[place] ?? []), { role: 'user' as const, content: text }];
      const body = isChat ? { messages: said, ...drawing } : { prompt: text, ...drawing };
      const response = await sendTo(
        '/api/try/ask',
        { ...common, path: isChat ? 'chat/completions' : 'completions', body },
        signal,
      );
      let written = '';
      for await (const piece of piecesOf(response)) {
        written += piece;
        put(place, { text: written });
      }
      put(place, { text: written, isDone: true });
      if (isChat)
        setChats((all) =>
          all.map((one, i) => (i === place ? [...said, { role: 'assistant', content: written }] : one)),
        );
    } catch (error) {
      put(place, { fault: messageOf(error), isDone: true });
    }
  };
  const askAll = async () => {
    const wanted = targets();
    setAnswers(wanted.map((one) => ({ ...one, asked: { text, pair }, isDone: false })));
    stop.current = new AbortController();
    await Promise.all(wanted.map((target, place) => askOne(target, place, stop.current!.signal)));
    if (isChat) setText('');
  };
  if (runs.length === 0) {
    return (
      <section class="empty card">
        <h1>Try</h1>
        <p>No run here has ended with an adapter yet. Once one has, its adapter can be asked here.</p>
      </section>
    );
  }
  const isAsking = answers.some(({ isDone }) => !isDone);
  const isOpen = view !== undefined && (second === none || second === base || views[second] !== undefined);
  const choose = (setOne: (id: string) => void) => (event: { readonly currentTarget: HTMLSelectElement }) => {
    setOne(event.currentTarget.value);
    setAnswers([]);
    setChats([[], []]);
  };
  return (
    <>
      <h1>Try</h1>
      <div class="tools">
        <label>
          Run{' '}
          <select value={first} onChange={choose(setFirst)}>
            {runs.map((run) => (
              <option key={run.id} value={run.id}>
                {run.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Beside{' '}
          <select value={second} onChange={choose(setSecond)}>
            <option value={none}>nothing</option>
            {view?.hasBase === true && <option value={base}>its base</option>}
            {runs
              .filter((run) => run.id !== first)
              .map((run) => (
                <option key={run.id} value={run.id}>
                  {run.name}
                </option>
              ))}
          </select>
        </label>
        {!isOpen && (
          <button type="button" disabled={isOpening} onClick={open}>
            {isOpening ? 'Opening …' : 'Open'}
          </button>
        )}
        {view !== undefined && (
          <span class="muted">
            {view.task}, {view.kind}
          </span>
        )}
      </div>
      {fault !== undefined && <Fault>{fault}</Fault>}
      {isOpen && view !== undefined && (
        <form
          class="card"
          onSubmit={(event) => {
            event.preventDefault();
            void askAll();
          }}
        >
          <div class="field">
            <label for="try-text">
              {isSpan ? 'Question' : isChat ? 'Your message' : writes ? 'Text to go on from' : 'Text'}
            </label>
            <textarea
              id="try-text"
              rows={isSpan ? 1 : 3}
              value={text}
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </div>
          {(isSpan || view.form === 'pair') && (
            <div class="field">
              <label for="try-pair">{isSpan ? 'Passage' : 'Second text'}</label>
              <textarea
                id="try-pair"
                rows={isSpan ? 6 : 3}
                value={pair}
                onInput={(event) => setPair(event.currentTarget.value)}
              />
            </div>
          )}
          {writes && (
            <div class="fields">
              <div class="field">
                <label for="try-temperature">Temperature (0: the likeliest)</label>
                <input
                  id="try-temperature"
                  inputMode="decimal"
                  value={options.temperature}
                  onInput={(event) => setOptions({ ...options, temperature: event.currentTarget.value })}
                />
              </div>
              <div class="field">
                <label for="try-tokens">Most new tokens</label>
                <input
                  id="try-tokens"
                  inputMode="numeric"
                  value={options.tokens}
                  onInput={(event) => setOptions({ ...options, tokens: event.currentTarget.value })}
                />
              </div>
            </div>
          )}
          <div class="actions">
            <button type="submit" disabled={isAsking || text.trim() === ''}>
              {isAsking ? 'Answering …' : 'Ask'}
            </button>
            {isAsking && writes && (
              <button type="button" class="quiet" onClick={() => stop.current?.abort()}>
                Stop
              </button>
            )}
            {isChat && chats.some((one) => one.length > 0) && (
              <button
                type="button"
                class="quiet"
                onClick={() => {
                  setChats([[], []]);
                  setAnswers([]);
                }}
              >
                Begin anew
              </button>
            )}
          </div>
        </form>
      )}
      <div class="answers" aria-live="polite">
        {answers.map((answer, place) => (
          <section key={answer.title} class="card" aria-label={`Answer of ${answer.title}`}>
            <h2>{answer.title}</h2>
            {isChat && (
              <ol class="chat">
                {(chats[place] ?? []).map(({ role, content }, i) => (
                  <li key={i} class={role}>
                    {content}
                  </li>
                ))}
              </ol>
            )}
            {answer.fault !== undefined ? <Fault>{answer.fault}</Fault> : <Given answer={answer} isChat={isChat} />}
          </section>
        ))}
      </div>
    </>
  );
}

/** An answer as its kind of task is read. */
function Given({ answer, isChat }: { readonly answer: Answer; readonly isChat: boolean }) {
  const { prediction, text, view, asked, isDone } = answer;
  if (text !== undefined) {
    if (isChat && isDone) return null;
    return (
      <p class="written">
        {!isChat && <span class="muted">{asked.text}</span>}
        {text}
      </p>
    );
  }
  if (prediction === undefined) return <p class="muted">…</p>;
  const { label, logits, score, scores, entities, answer: found, start, end } = prediction;
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
  if (typeof label === 'number') return <p class="figure">{number(label)}</p>;
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

/** Pieces of a text as they are written. @throws Error where the model stops with one */
async function* piecesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = `${rest}${value}`.split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
      const event = JSON.parse(line.slice(6)) as {
        choices?: { text?: string; delta?: { content?: string } }[];
        error?: { message: string };
      };
      if (event.error !== undefined) throw new Error(event.error.message);
      const [choice] = event.choices ?? [];
      yield choice?.text ?? choice?.delta?.content ?? '';
    }
  }
}
