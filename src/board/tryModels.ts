import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TaskFile, taskFileSchema } from '../artifacts/taskFile.js';
import { readJsonAs } from '../files/json.js';
import { ApiError, badRequest } from '../serve/apiError.js';
import { nameOf } from '../serve/servedModel.js';
import { spacedPrompt } from '../tasks/encoding/prompt.js';
import type { OpenRun } from './openRun.js';
import type { TriedView } from './view.js';

const ending = extname(import.meta.url);
const program = fileURLToPath(new URL(`../cli/main${ending}`, import.meta.url));
const loader = ending === '.ts' ? ['--import', 'tsx'] : [];

/** Models that are held at a time, each in a process of its own, and for how long nobody asks one before it is let go. */
const most = 2;
const idleMilliseconds = 600_000;
/** Milliseconds that one may take to open: it may have to be fetched first. */
const openMilliseconds = 300_000;

interface Served {
  readonly child: ChildProcess;
  readonly url: string;
  readonly key: string;
  readonly view: TriedView;
  /** Names that the server has for the adapter and its base. */
  readonly names: { readonly adapter: string; readonly base: string };
  used: number;
}

/** Adapters of runs that can be asked: `diffora serve` in a process for each, so that their memory ends with them. */
export class TryModels {
  private readonly served = new Map<string, Promise<Served>>();
  private readonly children = new Set<ChildProcess>();
  private readonly timer: NodeJS.Timeout;

  constructor() {
    this.timer = setInterval(() => void this.dropIdle(), 30_000).unref();
  }

  /** Opens the adapter of a run; and its base, where that writes texts by itself. */
  async open(run: OpenRun): Promise<TriedView> {
    return (await this.of(run)).view;
  }

  /** Asks the server of a run. @param of the adapter, or its base @returns its response as it comes */
  async ask(run: OpenRun, of: 'adapter' | 'base', path: string, body: object, signal: AbortSignal): Promise<Response> {
    const served = await this.of(run);
    served.used = Date.now();
    if (of === 'base' && !served.view.hasBase)
      throw badRequest('The base of this run gives no answers by itself.', 'of');
    const response = await fetch(`${served.url}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${served.key}` },
      body: JSON.stringify({ ...body, model: served.names[of] }),
      signal,
    });
    if (response.ok) return response;
    const told = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
    throw new ApiError(response.status, told?.error?.message ?? 'The model gave no answer.');
  }

  close(): void {
    clearInterval(this.timer);
    for (const child of this.children) child.kill('SIGTERM');
  }

  private of(run: OpenRun): Promise<Served> {
    const found = this.served.get(run.id);
    if (found !== undefined) return found;
    const opening = this.makeRoom().then(() => this.start(run));
    this.served.set(run.id, opening);
    opening.catch(() => this.served.delete(run.id));
    return opening;
  }

  private async start(run: OpenRun): Promise<Served> {
    const task = await readJsonAs(join(run.path, 'adapter', 'task.json'), taskFileSchema);
    const writes = task.kind.taskType === 'CAUSAL_LM';
    const base = run.view.model ?? '';
    const names = { adapter: nameOf(run.path), base: nameOf(base) };
    // Under one name the two could not be told apart.
    const hasBase = writes && names.adapter !== names.base;
    const key = randomBytes(24).toString('base64url');
    const args = ['serve', '--adapter', run.path, ...(hasBase ? ['--model', base] : []), '--port', '0', '--json'];
    const env = { ...process.env, DIFFORA_API_KEY: key };
    // By the channel it knows when this process is gone, however that ended.
    const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const;
    const child = spawn(process.execPath, [...loader, program, ...args], { stdio: [...stdio], env });
    this.children.add(child);
    child.once('exit', () => {
      this.children.delete(child);
      this.served.delete(run.id);
    });
    const url = await listeningAt(child);
    const { name, kind, labels, columns, generation, chat } = task;
    const prompt = generation === undefined ? '{text}' : spacedPrompt(generation).prompt;
    const view: TriedView = {
      id: run.id,
      task: name,
      kind: kind.name,
      labels,
      form: writes ? (chat === undefined ? 'prompt' : 'conversation') : formOf(kind, columns),
      prompt: writes && prompt !== '{text}' ? prompt : undefined,
      newTokens: (chat ?? generation)?.maxNewTokens,
      hasBase,
    };
    return { child, url, key, view, names, used: Date.now() };
  }

  private async makeRoom(): Promise<void> {
    const all = await Promise.all([...this.served.values()].map((one) => one.catch(() => undefined)));
    const open = all.filter((one) => one !== undefined).sort((a, b) => a.used - b.used);
    for (const one of open.slice(0, Math.max(0, open.length - most + 1))) this.drop(one);
  }

  private async dropIdle(): Promise<void> {
    for (const one of this.served.values()) {
      const served = await one.catch(() => undefined);
      if (served !== undefined && Date.now() - served.used > idleMilliseconds) this.drop(served);
    }
  }

  private drop({ child, view }: Served): void {
    this.served.delete(view.id);
    child.kill('SIGTERM');
  }
}

/** Long passages are read in windows that overlap: by that setting they are known. */
function formOf({ settings, answersSingleTexts }: TaskFile['kind'], { pair }: TaskFile['columns']): TriedView['form'] {
  if (settings?.includes('stride') === true) return 'passage';
  return pair === undefined || answersSingleTexts === true ? 'text' : 'pair';
}

/** Waits until a server says where it listens. @throws ApiError with what it said instead */
function listeningAt(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let [out, error] = ['', ''];
    const timer = setTimeout(() => child.kill('SIGKILL'), openMilliseconds);
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      if (out.length < 1e6) out += text;
      const url = /Listening on (http:\/\/[^\s,"]+)/.exec(out)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      error = `${error}${text}`.slice(-2000);
    });
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(timer);
      reject(new ApiError(500, error.trim().split('\n').at(-1) || 'The model could not be opened.'));
    });
  });
}
