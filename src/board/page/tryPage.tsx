import { useRef, useState } from 'preact/hooks';
import type { BoardView, RunView, TriedView } from '../view.js';
import { messageOf, tell } from './api.js';
import { Fault, TextField } from './parts.jsx';
import { type Answer, AnswerCard, type Message } from './tryAnswers.jsx';
import { askOne } from './tryAsk.js';

const none = 'none';
const base = 'base';

/** Names of what is asked, by its form: of the text, and of what stands beside it. */
const fields: Readonly<Record<TriedView['form'], readonly [text: string, pair?: string]>> = {
  text: ['Text'],
  pair: ['Text', 'Second text'],
  passage: ['Question', 'Passage'],
  prompt: ['Text to go on from'],
  conversation: ['Your message'],
};

/** The adapters of finished runs, to be asked one beside another or beside its base. */
export function TryPage({ board, id }: { readonly board: BoardView; readonly id: string | undefined }) {
  const runs = board.runs.filter(({ hasAdapter }) => hasAdapter).sort((a, b) => b.time - a.time);
  const [first, setFirst] = useState(id ?? runs[0]?.id ?? '');
  const [second, setSecond] = useState(none);
  const [views, setViews] = useState<Readonly<Record<string, TriedView>>>({});
  const [isOpening, setOpening] = useState(false);
  const [fault, setFault] = useState<string | undefined>(undefined);
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
  if (runs.length === 0) {
    return (
      <section class="empty card">
        <h1>Try</h1>
        <p>No run here has ended with an adapter yet. Once one has, its adapter can be asked here.</p>
      </section>
    );
  }
  const isOpen = view !== undefined && (second === none || second === base || views[second] !== undefined);
  const choose = (setOne: (id: string) => void) => (event: { readonly currentTarget: HTMLSelectElement }) => {
    setOne(event.currentTarget.value);
    setFault(undefined);
  };
  const targets: Target[] = !isOpen
    ? []
    : [
        { title: nameOf(first), view, of: 'adapter' },
        ...(second === none
          ? []
          : second === base
            ? [{ title: `base of ${nameOf(first)}`, view, of: 'base' as const }]
            : [{ title: nameOf(second), view: views[second]!, of: 'adapter' as const }]),
      ];
  const options = (some: readonly RunView[]) =>
    some.map((run) => (
      <option key={run.id} value={run.id}>
        {run.name}
      </option>
    ));
  return (
    <>
      <h1>Try</h1>
      <div class="tools">
        <label>
          Run{' '}
          <select
            value={first}
            onChange={(event) => {
              choose(setFirst)(event);
              // Another run has another base, and is not to stand beside itself.
              setSecond(none);
            }}
          >
            {options(runs)}
          </select>
        </label>
        <label>
          Beside{' '}
          <select value={second} onChange={choose(setSecond)}>
            <option value={none}>nothing</option>
            {view?.hasBase === true && <option value={base}>its base</option>}
            {options(runs.filter((run) => run.id !== first))}
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
      {isOpen && <Asking key={`${first} ${second}`} targets={targets} />}
    </>
  );
}

type Target = Pick<Answer, 'title' | 'view' | 'of'>;

/** What is asked, and what the models answer, one beside another. */
function Asking({ targets }: { readonly targets: readonly Target[] }) {
  const { view } = targets[0]!;
  const [text, setText] = useState('');
  const [pair, setPair] = useState('');
  const [temperature, setTemperature] = useState('0');
  const [tokens, setTokens] = useState(String(view.newTokens ?? 128));
  const [asksAsTask, setAsksAsTask] = useState(true);
  const [answers, setAnswers] = useState<readonly Answer[]>([]);
  const [chats, setChats] = useState<readonly (readonly Message[])[]>(targets.map(() => []));
  const stop = useRef<AbortController | undefined>(undefined);
  const isChat = view.form === 'conversation';
  const writes = isChat || view.form === 'prompt';
  const [title, pairTitle] = fields[view.form];
  const isAsking = answers.some(({ isDone }) => !isDone);
  const isEmpty = text.trim() === '' || (pairTitle !== undefined && pair.trim() === '');
  const put = (place: number, change: Partial<Answer>) =>
    setAnswers((all) => all.map((one, i) => (i === place ? { ...one, ...change } : one)));
  const framed = ({ prompt }: TriedView) =>
    prompt === undefined || !asksAsTask ? text : prompt.replaceAll('{text}', () => text);
  const askAll = async () => {
    if (isAsking || isEmpty) return;
    const questions = targets.map((one) => ({ ...one, asked: { text: framed(one.view), pair } }));
    setAnswers(questions.map((one) => ({ ...one, isDone: false })));
    if (isChat) setText('');
    stop.current = new AbortController();
    const { signal } = stop.current;
    const drawing = { temperature: Number(temperature), maxTokens: Number(tokens) };
    await Promise.all(
      questions.map(async (question, place) => {
        const before = chats[place]!;
        const written = await askOne(question, drawing, before, signal, (change) => put(place, change));
        // What was never answered is not a part of what was said.
        if (question.view.form !== 'conversation' || written === undefined || written === '') return;
        const said = [
          ...before,
          { role: 'user' as const, content: text },
          { role: 'assistant' as const, content: written },
        ];
        setChats((all) => all.map((one, i) => (i === place ? said : one)));
      }),
    );
  };
  return (
    <>
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          void askAll();
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) void askAll();
        }}
      >
        <TextField id="try-text" title={title} rows={view.form === 'passage' ? 1 : 3} value={text} onInput={setText} />
        {pairTitle !== undefined && (
          <TextField
            id="try-pair"
            title={pairTitle}
            rows={view.form === 'passage' ? 6 : 3}
            value={pair}
            onInput={setPair}
          />
        )}
        {view.prompt !== undefined && (
          <p>
            <label>
              <input
                type="checkbox"
                checked={asksAsTask}
                onChange={(event) => setAsksAsTask(event.currentTarget.checked)}
              />{' '}
              Ask as its task does
            </label>{' '}
            <code>{view.prompt.replaceAll('\n', '⏎')}</code>
          </p>
        )}
        {writes && (
          <div class="fields">
            <TextField
              id="try-temperature"
              title="Temperature (0: the likeliest)"
              inputMode="decimal"
              value={temperature}
              onInput={setTemperature}
            />
            <TextField id="try-tokens" title="Most new tokens" inputMode="numeric" value={tokens} onInput={setTokens} />
          </div>
        )}
        <div class="actions">
          <button type="submit" disabled={isAsking || isEmpty}>
            {isAsking ? 'Answering …' : 'Ask'}
          </button>
          {isAsking && (
            <button type="button" class="quiet" onClick={() => stop.current?.abort()}>
              Stop
            </button>
          )}
          {!isAsking && chats.some((one) => one.length > 0) && (
            <button
              type="button"
              class="quiet"
              onClick={() => {
                setChats(targets.map(() => []));
                setAnswers([]);
              }}
            >
              Begin anew
            </button>
          )}
        </div>
      </form>
      <div class="answers" aria-live="polite">
        {answers.map((answer, place) => (
          <AnswerCard key={place} answer={answer} chat={chats[place]!} />
        ))}
      </div>
    </>
  );
}
