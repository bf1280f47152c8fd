import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { hasShared, REPOSITORY, sharedDir } from '../shared.js';
import { type BrokenRun, brokenRuns, commonFlags, runs } from './runs.js';

// Nothing of src is imported: what is pinned is the program, whatever its modules are called.

const help = `Makes small runs on real data and compares their bytes with those that are kept.

  npm run pins:check [-- NAME…]   makes all runs (or these) and compares; exit code 1 where one differs
  npm run pins:write [-- NAME…]   makes all runs (or these) and keeps their hashes in test/pins/pins.json`;

/** What decides the last bits beside the program: the kernels that ONNX Runtime takes on this processor. */
type Machine = Readonly<Record<string, string>>;

/** SHA-256 by what was hashed: a file of the run folder, or `scores`. */
type Hashes = Readonly<Record<string, string>>;

interface Pins {
  readonly machine: Machine;
  readonly runs: Readonly<Record<string, Hashes>>;
}

const pinsFile = join(import.meta.dirname, 'pins.json');
/** Those that a run has; which of them are there is pinned too. */
const files = [
  'adapter/adapter_model.safetensors',
  'adapter/adapter_config.json',
  'adapter/diffora_adapter.json',
  'dam.json',
  'metrics.jsonl',
];
const names = [...Object.keys(runs), ...Object.keys(brokenRuns)];
/** Runs side by side, each of one thread: more would share the caches of two cores. */
const workers = 2;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { write: { type: 'boolean' }, check: { type: 'boolean' } },
    allowPositionals: true,
  });
  const wrong = positionals.find((name) => !names.includes(name));
  if (values.write === values.check || wrong !== undefined) {
    console.error(wrong === undefined ? help : `${wrong} is no run; there are ${names.join(', ')}.`);
    return 2;
  }
  if (!hasShared('data'))
    throw new Error(`${sharedDir('data')} is not there. Set DIFFORA_SHARED to the shared folder.`);
  const folder = await mkdtemp(join(tmpdir(), 'diffora-pins-'));
  try {
    await linkData(join(folder, 'data'));
    const wanted = positionals.length > 0 ? positionals : names;
    return await (values.write ? write(folder, wanted) : check(folder, wanted));
  } finally {
    await rm(join(folder, 'data'), { recursive: true });
    // Runs that differ stay, to be looked into.
    await rmdir(folder).catch(() => console.log(`Runs that differ or failed are in ${folder}`));
  }
}

async function write(folder: string, wanted: readonly string[]): Promise<number> {
  const machine = await thisMachine();
  const found: Record<string, Hashes> = {};
  if (wanted.length < names.length) {
    const kept = await readPins();
    if (JSON.stringify(kept.machine) !== JSON.stringify(machine)) {
      throw new Error('The other pins are of another machine. Write all of them.');
    }
    Object.assign(found, kept.runs);
  }
  const failed = await makeAll(folder, wanted, (name, hashes) => {
    found[name] = hashes;
    return ['made', ''];
  });
  if (failed > 0) throw new Error(`${failed} runs failed. Nothing was written.`);
  for (const [name, { like }] of Object.entries(brokenRuns)) {
    const different = differences(found[like], found[name]);
    if (different.length > 0) throw new Error(`${name} is not ${like}: ${different.join(', ')}. Nothing was written.`);
  }
  const runsFound = names.flatMap((name) => (found[name] === undefined ? [] : [[name, found[name]] as const]));
  const pins: Pins = { machine, runs: Object.fromEntries(runsFound) };
  await writeFile(pinsFile, `${JSON.stringify(pins, null, 2)}\n`);
  return 0;
}

const readPins = async () => JSON.parse(await readFile(pinsFile, 'utf8')) as Pins;

async function check(folder: string, wanted: readonly string[]): Promise<number> {
  const pins = await readPins();
  const [here, there] = [await thisMachine(), pins.machine].map((machine) => JSON.stringify(machine));
  if (here !== there) {
    console.log(`The pins are of another machine, so the last bits may differ.\n  theirs ${there}\n  this   ${here}`);
  }
  const different = await makeAll(folder, wanted, (name, hashes) => {
    const wrong = differences(pins.runs[name], hashes).join(', ');
    return [wrong === '' ? 'equal' : 'differs', wrong];
  });
  console.log(`${wanted.length - different} of ${wanted.length} runs are equal`);
  return different === 0 ? 0 : 1;
}

function differences(pinned: Hashes | undefined, found: Hashes | undefined): string[] {
  if (pinned === undefined || found === undefined) return ['there is no pin'];
  return [...new Set([...Object.keys(pinned), ...Object.keys(found)])].filter((what) => pinned[what] !== found[what]);
}

/** What is said of a run, and what is wrong with it: nothing where all is well. */
type Verdict = readonly [said: string, wrong: string];

/** Makes runs, two at a time, a line for each. @returns how many failed or are wrong */
async function makeAll(
  folder: string,
  wanted: readonly string[],
  judge: (name: string, hashes: Hashes) => Verdict,
): Promise<number> {
  let bad = 0;
  const queue = wanted.values();
  const work = async () => {
    for (const name of queue) {
      const output = join(folder, name);
      const [said, wrong] = await makeRun(name, output, join(folder, 'data'))
        .then(async () => judge(name, await hashesOf(output)))
        .catch((error): Verdict => ['failed', String(error)]);
      console.log(`${said.padEnd(8)} ${name}${wrong === '' ? '' : `: ${wrong}`}`);
      if (wrong === '') await rm(output, { recursive: true });
      else bad++;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return bad;
}

async function makeRun(name: string, output: string, data: string): Promise<void> {
  const broken = (brokenRuns as Readonly<Record<string, BrokenRun>>)[name];
  const flags = `${commonFlags} ${runs[broken?.like ?? (name as keyof typeof runs)]}`.split(' ');
  const args = [...flags, '--data-dir', data, '--output', output];
  if (broken === undefined) return diffora(args).ended;
  const { child, ended } = diffora([...args, '--save-steps', '1']);
  const failed = ended.catch((error) => error);
  while (child.exitCode === null && child.signalCode === null && (await newestStep(output)) < broken.step)
    await pause(2);
  child.kill('SIGKILL');
  const error = await failed;
  if (child.signalCode !== 'SIGKILL') throw error ?? new Error(`it had ended before step ${broken.step} was seen`);
  // A run whose result was being moved into place would have nothing left to do.
  if (existsSync(join(output, 'metrics.jsonl'))) throw new Error('it was killed too late to be gone on with');
  return diffora(['--resume', '--quiet', '--output', output]).ended;
}

/** The newest whole checkpoint of a run that goes on, -1 where there is none. */
async function newestStep(output: string): Promise<number> {
  const found = await readdir(join(output, 'checkpoints')).catch((): string[] => []);
  return Math.max(-1, ...found.map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? -1)));
}

/** Starts `diffora train` in the repository's root. `ended` fails, with what it said, where its exit code is not 0. */
function diffora(args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<void> } {
  const command = ['--import', 'tsx', 'src/cli/main.ts', 'train', ...args];
  const child = spawn(process.execPath, command, { cwd: REPOSITORY, stdio: ['ignore', 'ignore', 'pipe'] });
  const said = text(child.stderr!);
  const ended = once(child, 'close').then(async ([code]) => {
    if (code !== 0) throw new Error(`${(await said).trim()} (exit code ${code})`);
  });
  return { child, ended };
}

async function hashesOf(output: string): Promise<Hashes> {
  const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const hashes: Record<string, string> = {};
  for (const file of files.filter((name) => existsSync(join(output, name)))) {
    hashes[file] = sha256(await readFile(join(output, file)));
  }
  // The rest of run.json holds times, memory and folders.
  const { scores, steps, parameters } = JSON.parse(await readFile(join(output, 'run.json'), 'utf8'));
  return { ...hashes, scores: sha256(JSON.stringify([scores, steps, parameters])) };
}

/** The shared data as `--data-dir`, where XQuAD, which is in SQuAD's form, stands for SQuAD: train refuses XQuAD itself. */
async function linkData(folder: string): Promise<void> {
  await mkdir(join(folder, 'squad'), { recursive: true });
  for (const name of await readdir(sharedDir('data'))) await symlink(sharedDir('data', name), join(folder, name));
  for (const split of ['train', 'dev']) {
    await symlink(sharedDir('data/xquad/xquad.en.json'), join(folder, 'squad', `${split}-v1.1.json`));
  }
}

async function thisMachine(): Promise<Machine> {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return {
    cpu: `${cpus()[0]?.model ?? 'unknown'}${await cpuNumbers()}`,
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
    'onnxruntime-node': version,
    threads: '1',
  };
}

/** On Linux family, model and stepping: a virtual machine may call many processors by one name. */
async function cpuNumbers(): Promise<string> {
  const known = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const numbers = ['cpu family', 'model', 'stepping'].map(
    (key) => new RegExp(`^${key}\\s*: (\\d+)$`, 'm').exec(known)?.[1],
  );
  return numbers.includes(undefined) ? '' : ` (${numbers.join('/')})`;
}

process.exitCode = await main();
