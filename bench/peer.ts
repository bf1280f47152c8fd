import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { DiffoError, usageError } from '../src/errors.js';
import { type LineProcess, startLineProcess } from './lineProcess.js';
import { type PeerShape, peakSchema, productsSchema, type Ready, readySchema, stepsSchema } from './peer_shape.js';

const help = `Step time and peak memory of training, LoRA and full, here and in PyTorch + PEFT, side by side.

  npm run bench:peer -- [--preset minilm|bert-base|deberta-v3-base|embedding|full|chat|all] [--model DIR] [--python PATH] [--threads N]
                        [--rounds N] [--steps N] [--warm-up N] [--device cuda|webgpu] [--precisions fp32,tf32,bf16] [--json FILE]

  --preset    minilm: 6 layers of 384, batch 16x32, LoRA on all linear modules (default: all presets)
              bert-base: 12 layers of 768, batch 8x128, LoRA on query and value
              deberta-v3-base: the same sizes with disentangled attention
              embedding: minilm's layers, 32 pairs of up to 16 and 64 tokens, MultipleNegativesRankingLoss
              full: minilm's layers and batch, all of its 23 million numbers trained, no adapter
              chat: a decoder, 2 conversations of 192 tokens of which 96 are learned, LoRA on all linear modules
  --model     checkpoint folder for both sides; without it each has random weights of the preset's shape, and chat has
              SmolLM2 of the GGUF file that the environment variable DIFFORA_SMOLLM2 names (all leaves it out without)
  --python    Python with torch and peft (default: the environment variable PYTHON, or python3)
  --threads   threads of each side (default 2)
  --rounds, --steps, --warm-up   rounds of steps, in turn (default 5 of 4), after untimed ones (default 2)
  --device    what runs our side (default cpu). PyTorch then runs on CUDA where it can, in each of --precisions (fp32, tf32, bf16 by
              autocast; default all three), one after the other, and the ratio is to the fastest
  --json      also writes the results to a file`;

/** What is expected of ours over PyTorch's median step time (issues 3, 4 and 22); not a test, machines differ. */
const expectedRatio: Readonly<Record<string, number>> = {
  minilm: 0.75,
  'bert-base': 0.97,
  'deberta-v3-base': 0.95,
  embedding: 0.6,
  full: 1,
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
  readonly device: string;
  /** Of PyTorch's side. */
  readonly precisions: readonly string[];
  readonly torchDevice: string;
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
  /** PyTorch's fastest. */
  readonly torch: Side;
  readonly precision: string;
  readonly device: string;
  /** Medians of PyTorch's precisions, in seconds. */
  readonly torchSeconds: Readonly<Record<string, number>>;
  /** Of what the runtime's own product of matrices does in a second, the share that a step's products are done at. */
  readonly peakShare: number;
  readonly peakPerSecond: number;
  /** Ours over PyTorch's: of the medians of all steps, and of each round's medians. */
  readonly ratio: number;
  readonly roundRatios: readonly number[];
  readonly expectedRatio: number;
}

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const run = promisify(execFile);
/** Bundled, as a machine without the project has it, no loader is needed. */
const ending = extname(fileURLToPath(import.meta.url));
const tsx = ending === '.ts' ? ['--import', 'tsx'] : [];

async function main(): Promise<void> {
  const { presets, json, options } = readOptions();
  if (presets.length === 0) {
    console.log(help);
    return;
  }
  await checkPython(options.python, presets);
  const placed = { ...options, ...(options.device === 'cpu' ? {} : await torchPlace(options)) };
  const machine = { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
  console.log(`${machine.cpu}, ${machine.cores} cores; each side with ${options.threads} threads, one at a time`);
  const results: Result[] = [];
  for (const preset of presets) {
    const result = await compare(preset, placed);
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
      device: text,
      precisions: text,
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
    device: text('device') ?? 'cpu',
    precisions: (text('precisions') ?? (text('device') === undefined ? 'fp32' : 'fp32,tf32,bf16')).split(','),
    torchDevice: 'cpu',
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
    const folder = options.model ?? (await weightsFolder(preset));
    const model = folder === undefined ? [] : ['--model', folder, '--dropout', await dropoutOf(folder)];
    const threads = `${options.threads}`;
    const startTorch = (precision: string) => {
      const args = [
        '--preset',
        preset,
        '--threads',
        threads,
        ...model,
        '--device',
        options.torchDevice,
        '--precision',
        precision,
      ];
      return start(`The PyTorch side (${precision})`, options.python, [beside('peer_torch.py'), ...args]);
    };
    const first = options.precisions[0]!;
    const torch = await startTorch(first);
    const { shape, dropout } = torch.ready;
    if (folder === undefined) {
      await run(process.execPath, [
        ...tsx,
        beside(`peer_weights${ending}`),
        scratch,
        JSON.stringify(shape),
        `${dropout}`,
      ]);
    }
    const oursArgs = [
      ...tsx,
      beside(`peer_ours${ending}`),
      folder ?? scratch,
      JSON.stringify(shape),
      threads,
      'kept',
      options.device,
    ];
    const ours = await start('Our side', process.execPath, oursArgs);
    checkEqual(ours.ready, torch.ready);
    const { productOperations, peakPerSecond } = productsSchema.parse(await ours.process.ask('peak'));
    const sides: { precision: string; ours: Side; torch: Side }[] = [];
    const [oursFirst, torchFirst] = await takeTurns(ours, torch, options);
    sides.push({ precision: first, ours: oursFirst, torch: torchFirst });
    for (const precision of options.precisions.slice(1)) {
      // Of one after the other: each would keep its memory on the card.
      const [again, other] = [await start('Our side', process.execPath, oursArgs), await startTorch(precision)];
      const [oursSide, torchSide] = await takeTurns(again, other, options);
      sides.push({ precision, ours: oursSide, torch: torchSide });
    }
    const best = sides.toSorted((a, b) => a.torch.medianSeconds - b.torch.medianSeconds)[0]!;
    const { ours: oursSide, torch: torchSide } = best;
    return {
      preset,
      shape,
      threads: options.threads,
      dropout,
      trainableParameters: ours.ready.trainableParameters,
      ours: oursSide,
      torch: torchSide,
      precision: best.precision,
      device: options.device,
      torchSeconds: Object.fromEntries(sides.map(({ precision, torch: side }) => [precision, side.medianSeconds])),
      peakShare: productOperations / oursSide.medianSeconds / peakPerSecond,
      peakPerSecond,
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

/** Where PyTorch runs beside a device of ours. */
async function torchPlace({ python, precisions }: Options): Promise<Pick<Options, 'torchDevice' | 'precisions'>> {
  const { stdout } = await run(python, ['-c', 'import torch; print(torch.cuda.is_available())']);
  if (stdout.trim() === 'True') return { torchDevice: 'cuda', precisions };
  console.log('PyTorch finds no CUDA here: it runs on the CPU, in float32.');
  return { torchDevice: 'cpu', precisions: ['fp32'] };
}

/** The folder of a preset's own weights, which a process of its own converts; undefined for one that takes random ones. */
async function weightsFolder(preset: string): Promise<string | undefined> {
  const name = weightsOf[preset];
  if (name === undefined) return undefined;
  const { stdout } = await run(process.execPath, [...tsx, beside(`peer_folder${ending}`), process.env[name]!]);
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
  const how = targets.length === 0 ? 'all weights' : `LoRA r = ${rank} on ${targets.join(', ')}`;
  console.log(`  ${how}; ${result.trainableParameters} trained parameters`);
  row('diffora', ours);
  row('PyTorch', torch);
  const rate = (perSecond: number) => `${(perSecond / 1e9).toFixed(0)} GFLOP/s`;
  console.log(
    `  products of a step at ${(100 * result.peakShare).toFixed(0)} % of the runtime's own ${rate(result.peakPerSecond)} (${result.device})`,
  );
  const others = Object.entries(result.torchSeconds).map(
    ([name, seconds]) => `${name} ${(1000 * seconds).toFixed(1)} ms`,
  );
  if (others.length > 1) console.log(`  PyTorch: ${others.join(', ')}; compared with ${result.precision}`);
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
