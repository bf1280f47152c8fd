/** Where long work tells of itself. The command line shows bars or lines; a library user may pass `silent`. */
export interface Reporter {
  /** One line that the user should see. */
  info(line: string): void;
  /** One line about something that may not be meant. */
  warn(line: string): void;
  /** Announces work of `total` units (steps, examples, bytes), of which `from` were done before. */
  phase(name: string, total: number, from?: number): Phase;
}

export interface Phase {
  /** `done` units are finished; `detail` is a short text such as a loss. */
  update(done: number, detail?: string): void;
  end(): void;
}

export const silent: Reporter = {
  info: () => {},
  warn: () => {},
  phase: () => ({ update: () => {}, end: () => {} }),
};
