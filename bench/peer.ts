import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { DiffoError, usageError } from '../src/errors.js';
import { type LineProcess, startLineProcess } from './lineProcess.js';
import { type PeerShape, peakSchema, type Ready, readySchema, stepsSchema } from './peer_shape.js';

const help = `Step time and peak memory of LoRA training here and in PyTorch + PEFT, side by side.

  npm run bench:peer -- [--preset minilm|bert-base|deberta-v3-base|embedding|chat|all] [--model DIR] [--python PATH] [--threads N]
                        [--rounds N] [--steps N] [--warm-up N] [--json FILE]

  --preset    minilm: 6 layers of 384, batch 16x32, LoRA on all linear modules (default: all presets)
              bert-base: 12 layers of 768, batch 8x128, LoRA on query and value
              deberta-v3-base: the same sizes with disentangled attention
              embedding: minilm's layers, 32 pairs of up to 16 and 64 tokens, MultipleNegativesRankingLoss
              chat: a decoder, 2 conversations of 192 tokens of which 96 are learned, LoRA on all linear modules
  --model     checkpoint folder for both sides; without it each has random weights of the preset's shape, and chat has
              SmolLM2 of the GGUF file that the environment variable DIFFORA_SMOLLM2 names (all leaves it out without)
  --python    Python with torch and peft (default: the environment variable PYTHON, or python3)
  --threads   threads of each side (default 2)
  --rounds, --steps, --warm-up   rounds of steps, in turn (default 5 of 4), after untimed ones (default 2)
  --json      also writes the results to a file`;

/** What is expected of ours over PyTorch's median step time (issues 3, 4 and 22); not a test, machines differ. */
const expectedRatio: Readonly<Record<string, number>> = {
  minilm: 0.75,
  'bert-base': 0.97,
  'deberta-v3-base': 0.95,
  embedding: 0.6,
  chat: 0.85,
};
/** Presets that have no weights of their own, by the variable that names a GGUF file of them. */
const weightsOf: Readonly<Record<string, string>> = { chat: 'DIFFORA_SMOLLM2' };

interface Options {
  readonly model: string | undefined;
  readonly python: string;
  readonly threads: number;
  readonly rounds: number;
  readonly steps: number;
  readonly warmUp: number;
}

interface Side {
  readonly versions: Readonly<Record<string, string>>;
  /** Of all timed steps. */
  readonly medianSeconds: number;
  readonly seconds: readonly (readonly number[])[];
  readonly peakRssBytes: number;
  readonly lastLoss: number;
}

interface Result {
  readonly preset: string;
  readonly shape: PeerShape;
  readonly threads: number;
  readonly dropout: number;
  readonly trainableParameters: number;
  readonly ours: Side;
  readonly torch: Side;
  /** Ours over PyTorch's: of the medians of all steps, and of each round's medians. */
  readonly ratio: number;
  readonly roundRatios: readonly number[];
  readonly expectedRatio: number;
}

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const run = promisify(execFile);

async function main(): Promise<void> {
  const { presets, json, options } = readOptions();
  if (presets.length === 0) {
    console.log(help);
    return;
  }
  await checkPython(options.python, presets);
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
  console.log(`${machine.cpu}, ${machine.cores} cores; each side with ${options.threads} threads, one at a time`);
  const results: Result[] = [];
  for (const preset of presets) {
    const result = await compare(preset, options);
    results.push(result);
    show(result);
  }
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
}

function readOptions() {
  let values: Partial<Record<string, string | boolean>>;
  try {
    const text = { type: 'string' } as const;
    const numbers = { threads: text, rounds: text, steps: text, 'warm-up': text };
    const known = {
      preset: text,
      model: text,
      python: text,
      json: text,
      ...numbers,
      help: { type: 'boolean' },
    } as const;
    values = parseArgs({ options: known }).values;
  } catch (error) {
    throw usageError(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
  }
  const text = (name: string) => values[name] as string | undefined;
  const count = (name: string, byDefault: number) => {
    const value = Number(text(name) ?? byDefault);
    if (!Number.isInteger(value) || value < 1)
      throw usageError(`--${name} ${text(name)} is not a whole number above 0.`);
    return value;
  };
  const preset = text('preset') ?? 'all';
  const names = Object.keys(expectedRatio);
  if (preset !== 'all' && !names.includes(preset)) {
    throw usageError(`--preset ${preset} is unknown; there are ${names.join(', ')} and all.`);
  }
  const model = text('model');
  if (model !== undefined && preset === 'all')
    throw usageError('--model needs one --preset, whose batch and targets it takes.');
  const isThere = (name: string) => weightsOf[name] === undefined || process.env[weightsOf[name]] !== undefined;
  if (model === undefined && preset !== 'all' && !isThere(preset)) {
    throw usageError(`--preset ${preset} needs --model, or the GGUF file of its model in ${weightsOf[preset]}.`);
  }
  const options: Options = {
    model,
    python: text('python') ?? process.env.PYTHON ?? 'python3',
    threads: count('threads', 2),
    rounds: count('rounds', 5),
    steps: count('steps', 4),
    warmUp: count('warm-up', 2),
  };
  return {
    presets: values.help ? [] : preset === 'all' ? names.filter(isThere) : [preset],
    json: text('json'),
    options,
  };
}

/** Says what is missing before anything is built. */
async function checkPython(python: string, presets: readonly string[]): Promise<void> {
  const more = presets.includes('embedding') ? ', sentence_transformers' : '';
  const how =
    'Give a Python that has it with --python PATH or PYTHON=PATH (test/oracle/README.md says how to install).';
  try {
    await run(python, ['-c', `import torch, transformers, peft${more}`]);
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') throw new DiffoError(`${python} was not found. ${how}`, { cause: error });
    const module = /No module named '(\w+)/.exec(stderr ?? '')?.[1];
    const lacks = module === undefined ? `cannot import torch, transformers and peft: ${stderr}` : `has no ${module}.`;
    throw new DiffoError(`${python} ${lacks} ${how}`, { cause: error });
  }
}

async function compare(preset: string, options: Options): Promise<Result> {
  const scratch = await mkdtemp(join(tmpdir(), 'diffora-bench-'));
  const clean = () => rmSync(scratch, { recursive: true, force: true });
  const interrupted = () => {
    clean();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  const processes: LineProcess[] = [];
  const start = async (what: string, command: string, args: readonly string[]) => {
    const started = startLineProcess(what, command, args);
    processes.push(started);
    return { process: started, ready: readySchema.parse(await started.ask()) };
  };
  try {
    const tsx = ['--import', 'tsx'];
    const folder = options.model ?? (await weightsFolder(preset, tsx));
    const model = folder === undefined ? [] : ['--model', folder, '--dropout', await dropoutOf(folder)];
    const threads = `${options.threads}`;
    const torchArgs = [beside('peer_torch.py'), '--preset', preset, '--threads', threads, ...model];
    const torch = await start('The PyTorch side', options.python, torchArgs);
    const { shape, dropout } = torch.ready;
    if (folder === undefined) {
      await run(process.execPath, [...tsx, beside('peer_weights.ts'), scratch, JSON.stringify(shape), `${dropout}`]);
    }
    const oursArgs = [...tsx, beside('peer_ours.ts'), folder ?? scratch, JSON.stringify(shape), threads];
    const ours = await start('Our side', process.execPath, oursArgs);
    checkEqual(ours.ready, torch.ready);
    const [oursSide, torchSide] = await takeTurns(ours, torch, options);
    return {
      preset,
      shape,
      threads: options.threads,
      dropout,
      trainableParameters: ours.ready.trainableParameters,
      ours: oursSide,
      torch: torchSide,
      ratio: oursSide.medianSeconds / torchSide.medianSeconds,
      roundRatios: oursSide.seconds.map((round, i) => median(round) / median(torchSide.seconds[i]!)),
      expectedRatio: expectedRatio[preset]!,
    };
  } finally {
    for (const one of processes) one.kill();
    process.removeListener('SIGINT', interrupted);
    clean();
  }
}

/** The folder of a preset's own weights, which a process of its own converts; undefined for one that takes random ones. */
async function weightsFolder(preset: string, tsx: readonly string[]): Promise<string | undefined> {
  const name = weightsOf[preset];
  if (name === undefined) return undefined;
  const { stdout } = await run(process.execPath, [...tsx, beside('peer_folder.ts'), process.env[name]!]);
  return stdout.trim();
}

/** Both sides take the rates of the model's config.json; the PyTorch side has one flag for both. */
async function dropoutOf(folder: string): Promise<string> {
  const { config } = await openCheckpoint(folder);
  // Decoders of this family have one rate, and none where they do not say.
  if (config.model_type === 'llama') return String(config.attention_dropout ?? 0);
  const [hidden, attention] = [config.hidden_dropout_prob ?? 0.1, config.attention_probs_dropout_prob ?? 0.1];
  if (hidden !== attention)
    throw new DiffoError(`${folder}: the bench needs one rate for hidden states and attention.`);
  return String(hidden);
}

function checkEqual(ours: Ready, torch: Ready): void {
  for (const key of ['threads', 'dropout', 'trainableParameters'] as const) {
    if (ours[key] !== torch[key]) {
      throw new DiffoError(
        `The two sides do not do the same: ${key} is ${ours[key]} here and ${torch[key]} in PyTorch.`,
      );
    }
  }
}

interface Started {
  readonly process: LineProcess;
  readonly ready: Ready;
}

/** Rounds of a few steps of one side, then of the other, so that both meet the same disturbances. */
async function takeTurns(ours: Started, torch: Started, { rounds, steps, warmUp }: Options): Promise<[Side, Side]> {
  const sides = [ours, torch].map((started) => ({ ...started, seconds: [] as number[][], lastLoss: Number.NaN }));
  for (const side of sides) await side.process.ask(`step ${warmUp}`);
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      // The threads of the side that has just worked spin for a while before they sleep.
      await pause(100);
      const { seconds, loss } = stepsSchema.parse(await side.process.ask(`step ${steps}`));
      side.seconds.push(seconds);
      side.lastLoss = loss;
    }
  }
  const ended: Side[] = [];
  for (const { process: started, ready, seconds, lastLoss } of sides) {
    const { peakRssBytes } = peakSchema.parse(await started.ask('quit'));
    ended.push({ versions: ready.versions, medianSeconds: median(seconds.flat()), seconds, peakRssBytes, lastLoss });
  }
  return ended as [Side, Side];
}

function show(result: Result): void {
  const { preset, shape, ours, torch, ratio, roundRatios } = result;
  const { layers, hiddenSize, batch, sequence, passage, rank, targets } = shape;
  const tokens = passage === 0 ? `${sequence}` : `${sequence} and ${passage}`;
  const row = (name: string, { versions, medianSeconds, peakRssBytes }: Side) => {
    const time = `${(1000 * medianSeconds).toFixed(1)} ms`.padStart(12);
    const memory = `${(peakRssBytes / 2 ** 20).toFixed(0)} MiB`.padStart(10);
    const used = Object.entries(versions).map(([what, version]) => `${what} ${version}`);
    console.log(`  ${name.padEnd(9)}${time} a step ${memory} at peak   ${used.join(', ')}`);
  };
  const [low, high] = [Math.min(...roundRatios), Math.max(...roundRatios)];
  console.log(`\n${preset}: ${layers} layers of ${hiddenSize}, batch ${batch}x${tokens}, dropout ${result.dropout}`);
  console.log(`  LoRA r = ${rank} on ${targets.join(', ')}; ${result.trainableParameters} trained parameters`);
  row('diffora', ours);
  row('PyTorch', torch);
  console.log(`  ratio of medians ${ratio.toFixed(3)} (expected: ${result.expectedRatio} or less)`);
  const spread = [low, median(roundRatios), high].map((value) => value.toFixed(3)).join(' / ');
  console.log(`  ratio of a round, lowest / median / highest of ${roundRatios.length}: ${spread}`);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof DiffoError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
