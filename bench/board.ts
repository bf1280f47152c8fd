/**
 * A board of many runs with long curves, in a process of its own: how long the page takes to its first rows, how long a new line of a
 * run takes to the page, and the memory of the server, after every curve has been looked at.
 *
 *     npm run bench:board -- [--runs 200] [--lines 10000] [--updates 10]
 *
 * Needs /usr/bin/chromium, and the page built by npm run build.
 */
import { spawn } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { knownProcess } from '../src/files/lock.js';

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    lines: { type: 'string', default: '10000' },
    updates: { type: 'string', default: '10' },
  },
});
const [runs, lines, updates] = [Number(flags.runs), Number(flags.lines), Number(flags.updates)];

const folder = await mkdtemp(join(tmpdir(), 'diffora-bench-board-'));
const line = (step: number) =>
  `${JSON.stringify({ phase: 'train', step, totalSteps: lines, loss: 1 / (1 + step / 100) + ((step * 7919) % 100) / 1000, learningRate: 1e-4 * (1 - step / lines), gradientNorm: 1 + (step % 13) / 10 })}\n`;
const curve = Array.from({ length: lines }, (_, step) => line(step)).join('');
const config = { method: 'lora', model: 'all-MiniLM-L6-v2', task: 'cola', seed: 1 };
for (let i = 0; i < runs; i++) {
  const path = join(folder, `sweep-${i % 10}`, `run-${i}`);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'metrics.jsonl'), curve);
  const record = {
    format: 'diffora-run/1',
    command: 'train',
    config,
    task: 'cola',
    model: { name: 'all-MiniLM-L6-v2', folder: '/', family: 'bert' },
    parameters: { trainable: 1000 + i, adapter: 1000, head: i, backbone: 1e7 },
    scores: { dev: { matthews: 0.5 + i / 1000 } },
    seconds: { total: 100 + i },
    peakMemoryBytes: 5e8,
  };
  await writeFile(join(path, 'run.json'), JSON.stringify(record));
}
// A run that goes on: this process holds its lock, and adds to its curve.
const going = join(folder, 'going', 'checkpoints');
await mkdir(going, { recursive: true });
const { pid, started } = knownProcess(process.pid);
await writeFile(join(folder, '.going.lock'), JSON.stringify({ pid, host: hostname(), started }));
const begin = {
  event: 'begin',
  format: 'diffora-progress/1',
  command: 'train',
  time: new Date().toISOString(),
  config,
};
await writeFile(join(going, 'progress.jsonl'), `${JSON.stringify(begin)}\n${line(0)}${line(1)}`);

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const board = spawn(process.execPath, [main, 'board', folder, '--read-only'], { stdio: ['ignore', 'ignore', 'pipe'] });
let url = '';
for await (const said of createInterface(board.stderr!)) {
  url = /is open at (\S+);/.exec(said)?.[1] ?? '';
  if (url !== '') break;
}
const memory = async () => {
  const status = await readFile(`/proc/${board.pid}/status`, 'utf8');
  const of = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]) / 1000);
  return `${of('VmRSS')} MB, at most ${of('VmHWM')} MB`;
};
/** Milliseconds of processor time of the server. */
const processor = async () => {
  const fields = (await readFile(`/proc/${board.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
};
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
try {
  for (const which of ['first', 'second']) {
    const page = await browser.newPage();
    const devtools = await page.context().newCDPSession(page);
    // Processor time of the page's thread, and not that of the clock.
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    const [begun, before] = [performance.now(), await processor()];
    await page.goto(url);
    await page.locator('tbody tr').nth(Math.min(runs, 100)).waitFor();
    const milliseconds = Math.round(performance.now() - begun);
    const { metrics } = await devtools.send('Performance.getMetrics');
    // What a busy machine does not stretch: the work of the page's thread and of the server.
    const work = Math.round(1000 * metrics.find(({ name }) => name === 'TaskDuration')!.value);
    const served = Math.round((await processor()) - before);
    console.log(
      `${which} paint: ${milliseconds} ms to ${runs + 1} rows (work: page ${work} ms, server ${served} ms); server ${await memory()}`,
    );
    await page.close();
  }
  const page = await browser.newPage();
  await page.goto(`${url}#/run/${encodeURIComponent('0/going')}`);
  const loss = page.locator('[aria-label^="Training loss"]');
  await loss.waitFor();
  const delays: number[] = [];
  for (let i = 0; i < updates; i++) {
    const wanted = i + 2;
    const seen = page.locator(`[aria-label^="Training loss"][aria-valuemax="${wanted}"]`).waitFor();
    const begun = performance.now();
    await appendFile(join(going, 'progress.jsonl'), line(wanted));
    await seen;
    delays.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 170));
  }
  delays.sort((a, b) => a - b);
  console.log(
    `live update of ${updates}: median ${Math.round(delays[updates >> 1]!)} ms, at most ${Math.round(delays.at(-1)!)} ms`,
  );
  const begun = performance.now();
  const seen = await page.evaluate<number>(`(async () => {
    const { runs } = await (await fetch('/api/board')).json();
    let seen = 0;
    for (const { id } of runs) {
      const curves = await (await fetch('/api/curves?id=' + encodeURIComponent(id))).json();
      seen += curves[id].loss === undefined ? 0 : 1;
    }
    return seen;
  })()`);
  console.log(
    `curves of all ${seen} runs: ${((performance.now() - begun) / 1000).toFixed(1)} s, one after the other; server ${await memory()}`,
  );
} finally {
  await browser.close();
  board.kill('SIGTERM');
  await rm(folder, { recursive: true, force: true });
}
