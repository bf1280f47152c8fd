import { createHash, type Hash } from 'node:crypto';
import { weightsHash } from '../../checkpoint/weightsHash.js';
import { splitHash } from '../../data/split.js';
import type { EncodedExample } from '../../engine/batch.js';
import { DiffoError, usageError } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { usualDevice } from '../../runtime/devices/registry.js';
import { flatConfig, freeSettings, type TrainConfig } from '../../settings/config.js';
import type { EncodedSplit, UsedSplit } from '../../tasks/splits.js';
import type { Task } from '../../tasks/task.js';
import type { LoadedAdapter } from '../adapterFolder.js';
import { versions } from '../runRecord.js';
import { fileSha256, type Identity, type Manifest } from './format.js';

/** What a run reads beside its configuration. */
export interface RunInputs {
  readonly opened: OpenedModel;
  readonly task: Task;
  readonly train: EncodedSplit;
  readonly dev: UsedSplit;
  /** The adapter that it goes on from. */
  readonly adapter?: LoadedAdapter | undefined;
}

/** Hashes of all that a run reads beside its configuration. */
export async function identityOf(workspace: RunInputs, { dam }: TrainConfig['selection']): Promise<Identity> {
  const { opened, task, train, dev, adapter } = workspace;
  const { name, kind, labels, columns, metrics, generation } = task;
  const { checkpoint } = opened.model;
  return {
    train: { source: train.split.source, sha256: splitHash(train.split) },
    dev: { source: dev.split.source, sha256: splitHash(dev.split) },
    task: { source: name, sha256: sha256Of({ name, kind, labels, columns, metrics, generation }) },
    model: { source: checkpoint.folder, sha256: await weightsHash(checkpoint) },
    tokens: { source: checkpoint.folder, sha256: await tokensHash(opened.tokenizer.files, train.encoded) },
    ...(adapter === undefined ? {} : { adapter: { source: adapter.folder, sha256: adapter.sha256 } }),
    ...(dam === undefined ? {} : { dam: { source: dam, sha256: await fileHash(dam) } }),
  };
}

const putBack = 'Put back what it was started with, or start again with --overwrite.';

/** What has changed, as a sentence. */
const changes: Readonly<Record<string, (now: string) => string>> = {
  train: (now) => `The training examples have changed since the run was started (${now}).`,
  dev: (now) => `The dev examples have changed since the run was started (${now}).`,
  task: (now) => `Labels, columns, metrics or prompt of the task ${now} have changed since the run was started.`,
  model: (now) => `The weights or the config.json in ${now} are not those that the run was started with.`,
  tokens: (now) =>
    `The tokenizer in ${now}, or what it makes of the training examples, has changed since the run was started.`,
  adapter: (now) => `The adapter in ${now} is not the one that the run was started from.`,
  dam: (now) => `${now} has changed since the run was started.`,
};

/** @throws DiffoError that names what is no longer what the run was started on */
export function refuseChangedInputs(saved: Identity, now: Identity): void {
  for (const [key, sentence] of Object.entries(changes)) {
    const [before, after] = [saved[key], now[key]];
    if (before?.sha256 === after?.sha256) continue;
    throw new DiffoError(`${sentence((after ?? before)!.source)} ${putBack}`);
  }
}

/** @throws DiffoError (usage) where a checkpoint is of another command @param path of the checkpoint, or of the run's folder */
export function refuseOtherCommand(
  manifest: Pick<Manifest, 'command'>,
  path: string,
  command: Manifest['command'],
): void {
  if (manifest.command === command) return;
  throw usageError(
    `${path} belongs to a run of \`diffora ${manifest.command}\`. Resume it with that command, or choose another --output.`,
  );
}

/**
 * Holds the configuration of a resumed run to that of the checkpoint.
 * @throws DiffoError (usage) that names the settings that differ, or the version of diffora
 */
export function refuseChangedConfig(
  { manifest, path }: { readonly manifest: Pick<Manifest, 'command' | 'versions' | 'config'>; readonly path: string },
  command: Manifest['command'],
  config: TrainConfig,
  warn: (message: string) => void,
): void {
  refuseOtherCommand(manifest, path, command);
  const now = versions();
  if (manifest.versions.diffora !== now.diffora) {
    throw new DiffoError(
      `${path} was written by diffora ${manifest.versions.diffora}, and this is ${now.diffora}, which may compute otherwise. Resume with that version, or start again with --overwrite.`,
    );
  }
  const others = Object.entries(now).filter(([name, version]) => manifest.versions[name] !== version);
  for (const [name, version] of others) {
    warn(
      `The run was started with ${name} ${manifest.versions[name]} and goes on with ${version}: last bits may differ.`,
    );
  }
  const before: Readonly<Record<string, unknown>> = manifest.config;
  const after: Readonly<Record<string, unknown>> = flatConfig(config);
  const free: ReadonlySet<string> = new Set(freeSettings);
  const usual: Readonly<Record<string, unknown>> = { device: usualDevice.name };
  const same = (key: string) => JSON.stringify(before[key] ?? usual[key]) === JSON.stringify(after[key] ?? usual[key]);
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((key) => !free.has(key));
  const differing = keys.filter((key) => !same(key));
  if (differing.includes('threads')) {
    warn(
      `The run was started with ${before.threads} threads and goes on with ${after.threads}: last bits may differ from those of a run without a break.`,
    );
  }
  if (differing.includes('device')) {
    const [was, is] = [before, after].map(({ device = usualDevice.name }) => device);
    warn(
      `The run was started on the device ${was} and goes on with ${is}: bits may differ from those of a run without a break.`,
    );
  }
  const refused = differing.filter((key) => key !== 'threads' && key !== 'device');
  if (refused.length === 0) return;
  const shown = (value: unknown) => (value === undefined ? 'not set' : JSON.stringify(value));
  const list = refused.map((key) => `${key} is ${shown(after[key])} and was ${shown(before[key])}`);
  throw usageError(
    `Settings differ from those that the run was started with: ${list.join('; ')}. Leave them out to resume, or start again with --overwrite.`,
  );
}

/** Hash of a tokenizer's files and of encoded examples: what tokenizer and prompt make of the rows. */
async function tokensHash(files: readonly string[], examples: readonly EncodedExample[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await fileHash(file));
  const texts = examples.flatMap((one) => [one, ...(one.further ?? [])]);
  for (const { inputIds, tokenTypeIds, tokenLabels, label, span, index } of texts) {
    hash.update(JSON.stringify([inputIds.length, label ?? null, span ?? null, index]));
    updateInts(hash, inputIds);
    updateInts(hash, tokenTypeIds);
    if (tokenLabels !== undefined) updateInts(hash, tokenLabels);
  }
  return hash.digest('hex');
}

function updateInts(hash: Hash, { buffer, byteOffset, byteLength }: Int32Array): void {
  hash.update(new Uint8Array(buffer, byteOffset, byteLength));
}

const sha256Of = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex');

const fileHash = (file: string) => fileSha256(file).catch((error) => Promise.reject(fileError(error, file, 'read')));
