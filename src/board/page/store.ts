import { useEffect, useState } from 'preact/hooks';
import type { BoardEvent, BoardView, RunDetail, SeriesView } from '../view.js';
import { ask, askText, messageOf, queryOf } from './api.js';

/** What the page knows. */
export interface State {
  readonly board: BoardView | undefined;
  /** The run that is looked at. */
  readonly detail: RunDetail | undefined;
  /** Why there is nothing to show. */
  readonly fault: string | undefined;
  /** True while the server tells of changes. */
  readonly isLive: boolean;
}

let state: State = { board: undefined, detail: undefined, fault: undefined, isLive: false };
const listeners = new Set<() => void>();
/** Points of a curve that a page holds; where there are more, the server has them in fewer. */
const mostPoints = 5000;

let watched: string | undefined;
let source: EventSource | undefined;

function set(change: Partial<State>): void {
  state = { ...state, ...change };
  for (const listener of listeners) listener();
}

/** The state, and a new rendering when it changes. */
export function useStore(): State {
  const [, renew] = useState(0);
  useEffect(() => {
    const listener = () => renew((one) => one + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return state;
}

/** Looks at a run, or at none: from now on its points come along. */
export function watch(id: string | undefined): void {
  if (source !== undefined && id === watched) return;
  watched = id;
  if (state.detail?.run.id !== id) set({ detail: undefined, fault: undefined });
  source?.close();
  // The table does not wait for the stream, nor for the one after it.
  if (state.board === undefined) void readBoard();
  source = new EventSource(`/api/events${queryOf(id === undefined ? {} : { run: id })}`);
  // What came before the stream was open is read then.
  source.onopen = () => {
    set({ isLive: true });
    void readBoard();
    void readDetail();
  };
  source.onerror = () => {
    set({ isLive: false });
    if (state.board === undefined) void readBoard();
  };
  source.onmessage = ({ data }) => take(JSON.parse(data) as BoardEvent);
}

/** The overview as it was last read: what is the same is not drawn again. */
let lastRead = '';

export async function readBoard(): Promise<void> {
  try {
    const text = await askText('/api/board');
    if (text === lastRead && state.fault === undefined) return;
    lastRead = text;
    set({ board: JSON.parse(text) as BoardView, fault: undefined });
  } catch (error) {
    set({ fault: messageOf(error) });
  }
}

async function readDetail(): Promise<void> {
  const id = watched;
  if (id === undefined) return;
  try {
    const detail = await ask<RunDetail>('/api/run', { id });
    if (watched === id) set({ detail, fault: undefined });
  } catch (error) {
    if (watched === id) set({ detail: undefined, fault: messageOf(error) });
  }
}

function take(event: BoardEvent): void {
  const { board, detail } = state;
  if (event.type === 'reset') void readDetail();
  else if (event.type === 'points') {
    if (detail?.run.id === event.id) set({ detail: withPoints(detail, event) });
  } else if (board !== undefined) {
    lastRead = '';
    const { runs, comparisons, removed } = event;
    const merged = {
      ...board,
      runs: merge(board.runs, runs, removed),
      comparisons: merge(
        board.comparisons,
        comparisons,
        removed.map((id) => id.replace(/^comparison /, '')),
      ),
    };
    const now = runs.find(({ id }) => id === detail?.run.id);
    set({ board: merged, ...(now === undefined || detail === undefined ? {} : { detail: { ...detail, run: now } }) });
    // Its end brings files, scores and messages.
    const isNew = detail !== undefined && Object.keys(detail.config).length === 0;
    if (now !== undefined && (isNew || now.state !== detail?.run.state || now.error !== detail?.run.error))
      void readDetail();
  }
}

function merge<T extends { readonly id: string }>(
  before: readonly T[],
  changed: readonly T[],
  removed: readonly string[],
): T[] {
  const all = new Map(before.map((one) => [one.id, one]));
  for (const id of removed) all.delete(id);
  for (const one of changed) all.set(one.id, one);
  return [...all.values()];
}

function withPoints(detail: RunDetail, { series, frames }: Extract<BoardEvent, { type: 'points' }>): RunDetail {
  const merged: Record<string, SeriesView> = { ...detail.series };
  for (const [name, { x, y }] of Object.entries(series)) {
    const before = merged[name] ?? { x: [], y: [] };
    // A reading and an event may both tell of a point.
    const from = x.findIndex((one) => one > (before.x.at(-1) ?? Number.NEGATIVE_INFINITY));
    if (from < 0) continue;
    merged[name] = { x: [...before.x, ...x.slice(from)], y: [...before.y, ...y.slice(from)] };
    if (merged[name].x.length > mostPoints) void readDetail();
  }
  // The names of the columns come with the first reading.
  if (frames.length > 0 && detail.matrix === undefined) void readDetail();
  const matrix = detail.matrix && {
    ...detail.matrix,
    frames: [
      ...detail.matrix.frames,
      ...frames.filter(({ step = -1 }) => step > (detail.matrix?.frames.at(-1)?.step ?? -1)),
    ],
    final: frames.findLast(({ step }) => step === undefined) ?? detail.matrix.final,
  };
  return { ...detail, series: merged, matrix };
}
