import type { Identity } from '../artifacts/checkpoints/format.js';
import { versions } from '../artifacts/runRecord.js';
import type { NamedValues } from '../engine/notFinite.js';
import { DiffoError } from '../errors.js';
import type { Ranks } from '../mpi/ranks.js';
import { flatConfig, freeSettings, type TrainConfig } from '../settings/config.js';

/** What ranks must have alike, by what it is called in a message. */
type Facts = Readonly<Record<string, string>>;

/** Settings that may differ from rank to rank. */
const own: ReadonlySet<string> = new Set<string>(['threads', ...freeSettings]);

/** Which of several cards. */
const numbered = /:\d+$/;

/** What is said of something that differs. @param where the rank has it */
const sentences: Readonly<Record<string, (where: string) => string>> = {
  train: (where) => `other training examples (${where})`,
  dev: (where) => `other dev examples (${where})`,
  task: (where) => `other labels, columns, metrics or another prompt of the task ${where}`,
  model: (where) => `other weights or another config.json in ${where}`,
  tokens: (where) => `another tokenizer in ${where}, or other tokens of the training examples`,
  adapter: (where) => `another adapter in ${where}`,
  dam: (where) => `another matrix in ${where}`,
};

/**
 * Holds all ranks to what the first has, before the first step: versions, settings, and by hash all that a run reads.
 * @param config of a run; an evaluation has none
 * @throws DiffoError that names the rank and what differs, on all ranks the same
 */
export async function refuseOthers(ranks: Ranks, config: TrainConfig | undefined, identity: Identity): Promise<void> {
  const settings = Object.entries(config === undefined ? {} : flatConfig(config))
    .filter(([key]) => !own.has(key))
    // Each has a card of its own.
    .map(([key, value]) => [key, key === 'device' && typeof value === 'string' ? value.replace(numbered, '') : value]);
  const facts: Record<string, Facts> = {
    versions: versions(),
    settings: Object.fromEntries(settings.map(([key, value]) => [key, JSON.stringify(value) ?? 'not set'])),
    hashes: Object.fromEntries(Object.entries(identity).map(([key, { sha256 }]) => [key, sha256])),
    places: Object.fromEntries(Object.entries(identity).map(([key, { source }]) => [key, source])),
  };
  const told = await ranks.gather(new TextEncoder().encode(JSON.stringify(facts)));
  const all = told.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as typeof facts);
  const first = all[0]!;
  for (const [rank, one] of all.entries()) {
    const version = differing(first.versions!, one.versions!);
    if (version !== undefined) {
      const [now, before] = [one.versions![version], first.versions![version]];
      throw new DiffoError(
        `Rank ${rank} has ${version} ${now} and rank 0 ${before}: they would not compute alike. Install the same everywhere.`,
      );
    }
    const setting = differing(first.settings!, one.settings!);
    if (setting !== undefined) {
      const [now, before] = [one.settings![setting] ?? 'not set', first.settings![setting] ?? 'not set'];
      throw new DiffoError(
        `On rank ${rank} ${setting} is ${now}, on rank 0 ${before}. Give all ranks the same settings.`,
      );
    }
    const input = differing(first.hashes!, one.hashes!);
    if (input !== undefined) {
      const what = sentences[input]?.(one.places![input] ?? first.places![input]!) ?? `another ${input}`;
      throw new DiffoError(`Rank ${rank} has ${what} than rank 0. Put the same file on all machines.`);
    }
  }
}

function differing(one: Facts, other: Facts): string | undefined {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].find((key) => one[key] !== other[key]);
}

/**
 * Holds what is trained to be the same on all ranks, bit by bit: machines may compute otherwise.
 * @param when of the sentence, such as `before the first step`
 */
export async function refuseApart(ranks: Ranks, trained: readonly NamedValues[], when: string): Promise<void> {
  const sums = trained.map(({ values }) => {
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    let sum = 0;
    for (let i = 0; i < bits.length; i++) sum = (Math.imul(sum, 31) + bits[i]!) | 0;
    return sum;
  });
  const all = await ranks.numbers(...sums);
  for (const [rank, found] of all.entries()) {
    const at = found.findIndex((sum, i) => sum !== all[0]![i]);
    if (at < 0) continue;
    throw new DiffoError(
      `${trained[at]!.name} has other values on rank ${rank} than on rank 0 ${when}. Their machines compute otherwise: start the ranks on machines of one kind.`,
    );
  }
}
