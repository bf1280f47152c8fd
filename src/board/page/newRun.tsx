import { useEffect, useRef, useState } from 'preact/hooks';
import type { TimeEstimate } from '../../jobs/estimateTime.js';
import { timeText } from '../../report/timeText.js';
import type { BoardView, CheckView, SettingView } from '../view.js';
import { ask, messageOf, sendTo, tell } from './api.js';
import { bytes, count } from './format.js';
import { Code, Fault } from './parts.jsx';
import { linkTo } from './routes.js';

type Values = Readonly<Record<string, unknown>>;

interface Split {
  readonly rows: number;
  readonly source: string;
  readonly labelCounts: Readonly<Record<string, number>>;
  readonly first: readonly Readonly<Record<string, unknown>>[];
}
interface Preview {
  readonly preview: {
    readonly task: string;
    readonly kind: string;
    readonly train: Split;
    readonly dev?: Split;
    readonly withoutDev?: string;
  };
  readonly warnings: readonly string[];
}
interface Estimate {
  readonly estimate: {
    readonly examples: { readonly train: number; readonly dev: number };
    readonly longest: number;
    readonly trainSteps: number;
    readonly trainable: number;
    readonly memoryBytes: number;
    readonly availableBytes: number;
    readonly takenBy: string;
    readonly time?: TimeEstimate;
  };
  readonly warnings: readonly string[];
}

/** Asked for first; all others stand under their headings. */
const essential = ['textColumn', 'pairColumn', 'labelColumn', 'model', 'method'];
/** Milliseconds after the last key before the server is asked. */
const pause = 250;

/** A form made from the settings' own schema, and beside it what becomes of it. */
export function NewRun({ board }: { readonly board: BoardView }) {
  const [known, setKnown] = useState<
    { readonly settings: readonly SettingView[]; readonly tasks: readonly string[] } | undefined
  >(undefined);
  // With checkpoints a run can be paused, and goes on where its process dies.
  const [values, setValues] = useState<Values>({ saveSteps: 50 });
  const [output, setOutput] = useState('');
  const [check, setCheck] = useState<CheckView | undefined>(undefined);
  const [fault, setFault] = useState<string | undefined>(undefined);
  useEffect(() => {
    ask<typeof known & object>('/api/settings').then(setKnown, (error: unknown) => setFault(messageOf(error)));
  }, []);
  const latest = useRef(0);
  useEffect(() => {
    const own = ++latest.current;
    const timer = setTimeout(() => {
      tell<CheckView>('/api/check', { settings: values, output }).then(
        (found) => {
          if (own === latest.current) setCheck(found);
        },
        (error: unknown) => setFault(messageOf(error)),
      );
    }, pause);
    return () => clearTimeout(timer);
  }, [values, output]);
  const set = (key: string, value: unknown) =>
    setValues((before) => {
      const { [key]: _, ...rest } = before;
      return value === undefined ? rest : { ...rest, [key]: value };
    });
  if (fault !== undefined && known === undefined) return <Fault>{fault}</Fault>;
  if (known === undefined) return <p class="muted">Reading the settings …</p>;
  const idle = new Map(check?.idle.map(({ key, reason }) => [key, reason]));
  const field = (setting: SettingView) => (
    <Field
      key={setting.key}
      setting={setting}
      value={values[setting.key]}
      reason={idle.get(setting.key)}
      onChange={(value) => set(setting.key, value)}
    />
  );
  const groups = [...new Set(known.settings.map(({ group }) => group))];
  return (
    <>
      <h1>New run</h1>
      <div class="split">
        <form class="form" onSubmit={(event) => event.preventDefault()} autocomplete="off">
          <fieldset class="card">
            <legend>What is learned</legend>
            <Data values={values} tasks={known.tasks} folders={board.folders} onTask={(task) => set('task', task)} />
            {essential.map((key) => field(known.settings.find((one) => one.key === key)!))}
          </fieldset>
          {groups.map((group) => {
            const own = known.settings.filter(
              ({ key, group: of }) => of === group && key !== 'task' && !essential.includes(key),
            );
            const given = own.filter(({ key }) => values[key] !== undefined).length;
            return (
              <details key={group} class="card">
                <summary>
                  <h2>{group}</h2>
                  <span class="muted">
                    {given === 0 ? `${own.length} settings` : `${given} of ${own.length} given`}
                  </span>
                </summary>
                <div class="fields">{own.map(field)}</div>
              </details>
            );
          })}
        </form>
        <Outcome values={values} output={output} onOutput={setOutput} check={check} board={board} />
      </div>
    </>
  );
}

/** Where the rows come from: a path, a file of this machine, or a known task; and what is read of them. */
function Data({
  values,
  tasks,
  folders,
  onTask,
}: {
  readonly values: Values;
  readonly tasks: readonly string[];
  readonly folders: readonly string[];
  readonly onTask: (task: string | undefined) => void;
}) {
  const [preview, setPreview] = useState<Preview | undefined>(undefined);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [isReading, setReading] = useState(false);
  const task = typeof values.task === 'string' ? values.task : '';
  const look = async (settings: Values) => {
    setReading(true);
    setFault(undefined);
    try {
      setPreview(await tell<Preview>('/api/preview', { settings }));
    } catch (error) {
      setPreview(undefined);
      setFault(messageOf(error));
    }
    setReading(false);
  };
  const upload = async (file: File) => {
    setFault(undefined);
    try {
      const response = await fetch(`/api/upload?name=${encodeURIComponent(file.name)}`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: file,
      });
      const answer = (await response.json()) as { path?: string; error?: { message: string } };
      if (answer.path === undefined) throw new Error(answer.error?.message ?? 'The file was not taken.');
      onTask(answer.path);
    } catch (error) {
      setFault(messageOf(error));
    }
  };
  return (
    <>
      <div class="field">
        <label for="set-task">Data</label>
        <input
          id="set-task"
          list="tasks"
          value={task}
          aria-describedby="about-task"
          onInput={(event) => onTask(event.currentTarget.value === '' ? undefined : event.currentTarget.value)}
        />
        <datalist id="tasks">
          {tasks.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        <p id="about-task" class="about">
          A known task, or a file in {folders.join(', ')}: .csv, .tsv, .jsonl, .parquet, or a .yaml that describes one.
        </p>
      </div>
      <div class="field">
        <label for="upload">Or a file to be uploaded</label>
        <input
          id="upload"
          type="file"
          accept=".csv,.tsv,.jsonl,.json,.parquet"
          onChange={(event) => event.currentTarget.files?.[0] && upload(event.currentTarget.files[0])}
        />
      </div>
      {fault !== undefined && <Fault>{fault}</Fault>}
      <p>
        <button type="button" class="quiet" disabled={task === '' || isReading} onClick={() => look(values)}>
          {isReading ? 'Reading …' : 'Read the rows'}
        </button>
      </p>
      {preview !== undefined && <Rows preview={preview} />}
    </>
  );
}

function Rows({ preview: { preview, warnings } }: { readonly preview: Preview }) {
  const { task, kind, train, dev, withoutDev } = preview;
  const columns = [...new Set(train.first.flatMap((row) => Object.keys(row)))];
  const labels = Object.entries(train.labelCounts);
  const most = Math.max(1, ...labels.map(([, rows]) => rows));
  return (
    <section class="preview" aria-label="Rows as they are read">
      <p>
        <strong>{task}</strong>, {kind}: {train.rows} rows to train on
        {dev === undefined ? `, none to score on: ${withoutDev}` : `, ${dev.rows} to score on`}.
      </p>
      {warnings.map((line) => (
        <p key={line} class="note">
          {line}
        </p>
      ))}
      {labels.length > 0 && (
        <ul class="bars" aria-label="Rows of each class">
          {labels.slice(0, 20).map(([label, rows]) => (
            <li key={label}>
              <span>{label}</span>
              <meter min={0} max={most} value={rows} aria-label={`${label}: ${rows} rows`} />
              <span class="muted">{rows}</span>
            </li>
          ))}
        </ul>
      )}
      <section class="table-scroll" aria-label="The first rows" tabIndex={0}>
        <table class="plain">
          <thead>
            <tr>
              {columns.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {train.first.map((row, i) => (
              <tr key={i}>
                {columns.map((name) => (
                  <td key={name}>{row[name] === undefined ? '' : String(row[name])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </section>
  );
}

/** One setting: its name, its control, what it is, and where nothing would read it why. */
function Field({
  setting,
  value,
  reason,
  onChange,
}: {
  readonly setting: SettingView;
  readonly value: unknown;
  readonly reason: string | undefined;
  readonly onChange: (value: unknown) => void;
}) {
  const { key, description, choices, usual, type, takes } = setting;
  const id = `set-${key}`;
  const isIdle = reason !== undefined;
  const common = { id, 'aria-describedby': `about-${key}`, disabled: isIdle && value === undefined };
  const text = value === undefined ? '' : typeof value === 'object' && value !== null ? textOf(value) : String(value);
  return (
    <div class={`field ${isIdle ? 'idle' : ''}`}>
      <label for={id}>{key}</label>
      {type === 'choice' || type === 'boolean' ? (
        <select {...common} value={text} onChange={(event) => onChange(chosenOf(type, event.currentTarget.value))}>
          <option value="">{usual === undefined ? 'as usual' : `${usual} (as usual)`}</option>
          {(choices ?? ['true', 'false']).map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...common}
          type="text"
          inputMode={type === 'number' || type === 'integer' ? 'decimal' : 'text'}
          placeholder={usual === undefined ? '' : String(usual)}
          value={text}
          onInput={(event) => onChange(readText(type, event.currentTarget.value))}
        />
      )}
      <p id={`about-${key}`} class="about">
        {description}
        {type === 'text' || type === 'choice' || type === 'boolean' ? '' : ` · ${takes}`}
        {isIdle && <span class="reason"> {reason}</span>}
      </p>
    </div>
  );
}

function textOf(value: object): string {
  if (Array.isArray(value)) return value.join(', ');
  return Object.entries(value)
    .map(([name, one]) => `${name}=${one}`)
    .join(', ');
}

function chosenOf(type: SettingView['type'], text: string): unknown {
  if (text === '') return undefined;
  return type === 'boolean' ? text === 'true' : text;
}

/** A text as the value that it means; what it cannot mean stays a text, which the check refuses with a sentence. */
function readText(type: SettingView['type'], text: string): unknown {
  const plain = text.trim();
  if (plain === '') return undefined;
  if (type === 'number' || type === 'integer' || type === 'mixed')
    return Number.isFinite(Number(plain)) && !plain.endsWith('.') ? Number(plain) : text;
  if (type === 'choices' || type === 'names')
    return plain
      .split(',')
      .map((one) => one.trim())
      .filter((one) => one !== '');
  if (type === 'object') {
    const pairs = plain.split(',').map((pair) => pair.split('=').map((one) => one.trim()));
    if (pairs.some((pair) => pair.length !== 2 || pair[1] === '' || !Number.isFinite(Number(pair[1])))) return text;
    return Object.fromEntries(pairs.map(([name, number]) => [name, Number(number)]));
  }
  return text;
}

function Outcome({
  values,
  output,
  onOutput,
  check,
  board,
}: {
  readonly values: Values;
  readonly output: string;
  readonly onOutput: (output: string) => void;
  readonly check: CheckView | undefined;
  readonly board: BoardView;
}) {
  const [estimate, setEstimate] = useState<Estimate | undefined>(undefined);
  const [fault, setFault] = useState<string | undefined>(undefined);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => setEstimate(undefined), [values]);
  const work = async (what: () => Promise<void>) => {
    setBusy(true);
    setFault(undefined);
    await what().catch((error: unknown) => setFault(messageOf(error)));
    setBusy(false);
  };
  const isReady = check !== undefined && check.fault === undefined;
  const start = () =>
    work(async () => {
      const response = await sendTo('/api/start', { settings: values, output });
      const { id } = (await response.json()) as { id: string };
      location.hash = linkTo('run', id);
    });
  const running = board.runs.filter(({ state, job }) => job !== undefined && state === 'running').length;
  return (
    <section class="card outcome" aria-label="The run as it would be">
      <div class="field">
        <label for="output">Name of the run</label>
        <input
          id="output"
          value={output}
          placeholder="reviews-lora"
          aria-describedby="about-output"
          onInput={(event) => onOutput(event.currentTarget.value)}
        />
        <p id="about-output" class="about">
          Its folder in {board.folders[0]}
        </p>
      </div>
      {check?.fault !== undefined && <p class="note">{check.fault}</p>}
      {fault !== undefined && <Fault>{fault}</Fault>}
      <div class="actions">
        <button type="button" disabled={!isReady || isBusy || output.trim() === ''} onClick={start}>
          {running > 0 ? 'Put into the queue' : 'Start'}
        </button>
        <button
          type="button"
          class="quiet"
          disabled={!isReady || isBusy}
          onClick={() => work(async () => setEstimate(await tell<Estimate>('/api/estimate', { settings: values })))}
        >
          {isBusy ? 'Working …' : 'Estimate'}
        </button>
      </div>
      {estimate !== undefined && (
        <p class="estimated">
          {estimate.estimate.time === undefined
            ? 'Its time was not measured: its memory is not free.'
            : `It would take ${timeText(estimate.estimate.time)}.`}
        </p>
      )}
      {estimate !== undefined && (
        <dl class="facts" aria-label="Estimate">
          {(
            [
              ['Examples', `${estimate.estimate.examples.train} and ${estimate.estimate.examples.dev} scored`],
              ['Steps of training', count(estimate.estimate.trainSteps)],
              ['Longest', `${estimate.estimate.longest} tokens`],
              ['Trained numbers', count(estimate.estimate.trainable)],
              ['Memory', `${bytes(estimate.estimate.memoryBytes)} of ${bytes(estimate.estimate.availableBytes)}`],
            ] as const
          ).map(([name, text]) => (
            <div key={name} class="fact">
              <dt>{name}</dt>
              <dd>{text}</dd>
            </div>
          ))}
        </dl>
      )}
      {estimate?.warnings.map((line) => (
        <p key={line} class="note">
          {line}
        </p>
      ))}
      <h3>Command</h3>
      <Code title="Command of this run" text={check?.command ?? ''} />
      <h3>YAML</h3>
      <Code title="Settings of this run" text={check?.yaml ?? ''} />
    </section>
  );
}
