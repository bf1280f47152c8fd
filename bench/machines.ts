import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { adamW } from '../src/engine/adamw.js';
import { parameter } from '../src/engine/parameters.js';
import { type Machine, type Network, paysUpTo, stepSeconds, sumSeconds, type Work } from './machines_model.js';
import type { PeerShape } from './peer_shape.js';

const help = `Steps on two ranks beside one process with two threads; sums over ranks; a model of both.

  npm run bench:machines -- [--rounds N] [--steps N] [--mpi openmpi|mpich] [--simulate] [--ranks 2,4,8] [--rates 10,50] [--delays 0,20]

Without rounds no step is taken. --simulate puts the ranks of MPICH into network namespaces, each with a link of so many Mbit/s and milliseconds (root, Linux, Python 3), and holds the model to them.`;

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '12' },
    mpi: { type: 'string', default: 'openmpi' },
    simulate: { type: 'boolean', default: false },
    ranks: { type: 'string', default: '2,4,8' },
    rates: { type: 'string', default: '10,50' },
    delays: { type: 'string', default: '0' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(help);
  process.exit();
}

/** all-MiniLM-L6-v2's form, LoRA of rank 8 on all linear modules, batches of 16 sentences of 32 tokens. */
const shape: PeerShape = {
  ...{ modelType: 'bert', extra: {}, hiddenSize: 384, layers: 6, heads: 12, intermediateSize: 1536 },
  ...{ vocabSize: 30522, maxPositions: 512, objective: 'classes', batch: 16, sequence: 32, passage: 0, learned: 0 },
  ...{ rank: 8, alpha: 16 },
  targets: ['query', 'key', 'value', 'attention.output.dense', 'intermediate.dense', 'output.dense'],
};

const beside = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const rankProgram = [process.execPath, '--import', 'tsx', beside('machines_rank.ts')];
const environment = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
const launchers: Readonly<Record<string, readonly string[]>> = {
  // Each rank may run on every core, as one process may.
  openmpi: ['mpirun.openmpi', '--oversubscribe', '--bind-to', 'none'],
  mpich: ['mpirun.mpich'],
};
const launcher = launchers[flags.mpi];
if (launcher === undefined) throw new Error(help);

/** What else goes on here only ever adds: constants of the model are of the fastest. */
const fastest = (values: readonly number[]) => Math.min(...values);
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const milliseconds = (seconds: number) => `${(1000 * seconds).toPrecision(3)} ms`;

/** The line of JSON of a program or of its first rank. */
function asked<T>(schema: z.ZodType<T>, command: readonly string[]): T {
  const [program, ...args] = command as [string, ...string[]];
  const { stdout, stderr } = spawnSync(program, args, { env: environment, encoding: 'utf8', maxBuffer: 2 ** 26 });
  const line = stdout.split('\n').find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`${command.join(' ')} gave nothing. It said: ${stderr.slice(-2000)}`);
  return schema.parse(JSON.parse(line));
}

const stepsSchema = z.object({
  seconds: z.array(z.number()),
  cpuSeconds: z.array(z.number()),
  trained: z.int(),
});
const sumsSchema = z.object({
  each: z.array(z.object({ numbers: z.int(), fixed: z.array(z.number()), library: z.array(z.number()) })),
  small: z.array(z.number()),
});

const folder = mkdtempSync(join(tmpdir(), 'diffora-machines-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
execFileSync(process.execPath, ['--import', 'tsx', beside('peer_weights.ts'), folder, JSON.stringify(shape), '0.1']);

const rounds = Number(flags.rounds);
const stepArguments = (threads: number, of = shape) => ['steps', folder, JSON.stringify(of), `${threads}`, flags.steps];

// In turns, so that what else goes on here hits both.
const alone: number[] = [];
/** Processor time, which others do not lengthen as they do the clock's. */
const single: number[] = [];
const half: number[] = [];
const two: number[] = [];
let trained = 0;
for (let round = 0; round < rounds; round++) {
  alone.push(...asked(stepsSchema, [...rankProgram, ...stepArguments(2)]).seconds);
  two.push(...asked(stepsSchema, [...launcher, '-n', '2', ...rankProgram, ...stepArguments(1)]).seconds);
  single.push(...asked(stepsSchema, [...rankProgram, ...stepArguments(1)]).cpuSeconds);
  const less = asked(stepsSchema, [...rankProgram, ...stepArguments(1, { ...shape, batch: shape.batch / 2 })]);
  half.push(...less.cpuSeconds);
  trained = less.trained;
}
const told = (values: readonly number[]) =>
  `median ${milliseconds(median(values))}, fastest ${milliseconds(fastest(values))}`;
const ratio = (of: (values: readonly number[]) => number) => (of(two) / of(alone)).toFixed(2);
/** A line through two points, by size. */
const perExample = (median(single) - median(half)) / (shape.batch / 2);
const perStep = Math.max(0, median(half) - (shape.batch / 2) * perExample);
if (rounds > 0) {
  console.log(
    `${trained} numbers trained, batches of ${shape.batch} × ${shape.sequence} tokens, ${alone.length} steps each`,
  );
  console.log(`one process, 2 threads   ${told(alone)}`);
  console.log(`2 ranks × 1 thread       ${told(two)}; ratio ${ratio(median)}, of the fastest ${ratio(fastest)}`);
  console.log(`one thread, its processor's time: ${told(single)}; of half the batch ${told(half)}`);

  console.log(
    `by the medians of these: ${milliseconds(perStep)} a step and ${milliseconds(perExample)} an example on one thread`,
  );
}

const sizes = [1000, 100_000, 1_000_000, 4_000_000];
const local = asked(sumsSchema, [...launcher, '-n', '2', ...rankProgram, 'sums', '15', ...sizes.map(String)]);
for (const { numbers, fixed, library } of local.each) {
  console.log(`sum of ${numbers} over 2 ranks: ${told(fixed)}; by MPI_Allreduce ${told(library)}`);
}
console.log(`a small gather: ${told(local.small)}`);
const largest = local.each.at(-1)!;
/** Memory between two ranks of a machine is part of this. */
const machine: Machine = { perNumber: fastest(largest.fixed) / largest.numbers };
const perMoved = moved();
console.log(
  `a number takes ${(1e9 * machine.perNumber).toPrecision(3)} ns to be sent and summed, and ${(1e9 * perMoved).toPrecision(3)} ns in AdamW`,
);

if (flags.simulate) await simulate();
if (rounds > 0) predict();

/**
 * Ranks in network namespaces on one bridge, each behind a link of so many Mbit/s; with a delay, machines_links.py hands their packets
 * on as such links would.
 */
async function simulate(): Promise<void> {
  const run = (...command: string[]) =>
    execFileSync(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
  const name = (rank: number) => `diffora${rank}`;
  /** What a bench that was killed has left, too. */
  const remove = () => {
    for (let rank = 0; rank < 8; rank++) {
      spawnSync('ip', ['netns', 'del', name(rank)]);
      spawnSync('ip', ['link', 'del', `dft${rank}`]);
    }
    spawnSync('ip', ['link', 'del', 'diffora-bridge']);
  };
  const wrapper = join(folder, 'in-namespace');
  const variables = 'UCX_TLS=tcp,self UCX_NET_DEVICES=eth0 MPIR_CVAR_NOLOCAL=1';
  writeFileSync(
    wrapper,
    `#!/bin/sh\nexec ip netns exec diffora$PMI_RANK env MPIR_CVAR_CH3_INTERFACE_HOSTNAME=10.77.0.$((PMI_RANK+1)) ${variables} "$@"\n`,
    { mode: 0o755 },
  );
  const numbers = (text: string) => text.split(',').map(Number);
  const cells = numbers(flags.ranks).flatMap((ranks) =>
    numbers(flags.rates).flatMap((rate) => numbers(flags.delays).map((delay) => ({ ranks, rate, delay }))),
  );
  for (const { ranks, rate, delay } of cells) {
    remove();
    const links =
      delay === 0
        ? undefined
        : spawn('python3', [beside('machines_links.py'), `${ranks}`, `${rate}`, `${delay}`], {
            stdio: ['ignore', 'pipe', 'inherit'],
          });
    try {
      if (links !== undefined) await once(links.stdout, 'data');
      else {
        run('ip', 'link', 'add', 'diffora-bridge', 'type', 'bridge');
        run('ip', 'link', 'set', 'diffora-bridge', 'up');
      }
      for (let rank = 0; rank < ranks; rank++) {
        const [space, link, address] = [name(rank), `dft${rank}`, `10.77.0.${rank + 1}`];
        run('ip', 'netns', 'add', space);
        if (links !== undefined) {
          run('ip', 'link', 'set', link, 'netns', space);
          run('ip', '-n', space, 'link', 'set', link, 'name', 'eth0', 'mtu', '9000');
        } else {
          run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
          run('ip', 'link', 'set', link, 'master', 'diffora-bridge', 'up');
          // A packet of Linux may have 64 kB before it is cut.
          const limit = ['rate', `${rate}mbit`, 'burst', '72kb', 'latency', '500ms'];
          run('ip', 'netns', 'exec', space, 'tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', ...limit);
        }
        run('ip', '-n', space, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
        run('ip', '-n', space, 'link', 'set', 'eth0', 'up');
        run('ip', '-n', space, 'link', 'set', 'lo', 'up');
        // BBR, the default of some kernels, leaves a fifth to a third of such a link free.
        run('ip', '-n', space, 'route', 'replace', '10.77.0.0/24', 'dev', 'eth0', 'src', address, 'congctl', 'cubic');
      }
      const count = 250_000;
      const start = ['mpirun.mpich', '-n', `${ranks}`, wrapper, ...rankProgram, 'sums', '5', `${count}`];
      const { each, small } = asked(sumsSchema, start);
      const measured = fastest(each[0]!.fixed);
      const network: Network = {
        // What is waited for a core is no latency.
        latency: delay / 1000 + fastest(small) / Math.ceil(Math.log2(ranks)),
        // Headers take 66 bytes beside 1448 on Ethernet, and 52 of 9000 in large packets.
        perByte: (8 * (links === undefined ? 1514 / 1448 : 9000 / 8948)) / (rate * 1e6),
      };
      // All ranks share the cores of this machine.
      const crowd = Math.max(1, ranks / availableParallelism());
      const expected = sumSeconds(count, ranks, network, { perNumber: crowd * machine.perNumber });
      console.log(
        `${ranks} ranks, ${rate} Mbit/s, ${delay} ms: a sum of ${count} ${milliseconds(measured)}, by the model ${milliseconds(expected)} (${(100 * (expected / measured - 1)).toFixed(0)} %)`,
      );
    } finally {
      links?.kill();
      remove();
    }
  }
}

/** Seconds of AdamW for a number. */
function moved(): number {
  const one = parameter('w', [1000, 1000], new Float32Array(1_000_000));
  const optimizer = adamW([one]);
  const gradient = new Float32Array(1_000_000).fill(0.1);
  const times = Array.from({ length: 8 }, () => {
    const started = performance.now();
    optimizer.step([gradient], 1e-3);
    return (performance.now() - started) / 1000;
  });
  return fastest(times) / 1_000_000;
}

/** What the model gives for clusters. */
function predict(): void {
  // Four flops for each number of the encoder and token, six where its weights are trained, too.
  const core = (4 * 10.6e6 * shape.sequence) / perExample;
  const speeds: readonly [string, number][] = [
    [`a core of this machine, ${(core / 1e9).toFixed(0)} Gflop/s`, core],
    ['an accelerator of 100 Tflop/s, assumed', 100e12],
  ];
  const networks: readonly [string, Network][] = [
    ['1 Gbit/s, 50 µs', { latency: 50e-6, perByte: 8e-9 }],
    ['100 Gbit/s, 2 µs', { latency: 2e-6, perByte: 8e-11 }],
  ];
  const models = [
    { name: 'BERT-base, LoRA, 128 tokens', trained: 1_340_000, flops: 4 * 85e6 * 128 },
    { name: '7B, LoRA, 512 tokens', trained: 20_000_000, flops: 4 * 6.5e9 * 512 },
    { name: 'BERT-base, full, 128 tokens', trained: 110_000_000, flops: 6 * 85e6 * 128 },
  ];
  const batch = 512;
  for (const [speed, flops] of speeds) {
    for (const [title, network] of networks) {
      console.log(`\nbatches of ${batch} on ranks of ${speed}; ${title}`);
      for (const model of models) {
        const work: Work = { ...model, perExample: model.flops / flops, perStep: model.trained * perMoved };
        const onOne = stepSeconds(work, batch, 1, network, machine);
        const cells = [1, 8, 64, 512].map((ranks) => {
          const seconds = stepSeconds(work, batch, ranks, network, machine);
          return `${ranks}: ${seconds.toPrecision(3)} s (× ${(onOne / seconds).toPrecision(3)})`;
        });
        const most = paysUpTo(work, batch, network, machine);
        console.log(`${model.name.padEnd(30)} ${cells.join('   ')}   pays up to ${most}`);
      }
    }
  }
}
