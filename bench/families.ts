import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDevice } from '../src/runtime/devices/openDevice.js';
import { familiesOnce, stepOnDevice } from '../test/models/stepOnDevice.js';

/**
 * Every family's training step on a device beside the CPU (`npm run bench:families -- DEVICE [TOLERANCE]`): a line each with the largest difference
 * of loss and gradients, the nodes that ran, and those of them that the CPU ran. Exit code 1 where one differs by more.
 */
const [name = 'webgpu', tolerance = '1e-4'] = process.argv.slice(2);
const device = await openDevice(name);
const folder = await mkdtemp(join(tmpdir(), 'diffora-families-'));
let wrong = 0;
for (const { name: family, oracle } of await familiesOnce()) {
  const { worst, nodes, onCpu } = await stepOnDevice(family, oracle, device, join(folder, family));
  const isRight = worst.difference < Number(tolerance);
  if (!isRight) wrong++;
  const verdict = isRight ? '' : `   differs, ${worst.name}`;
  console.log(
    `${family.padEnd(20)} ${worst.difference.toExponential(1)}   ${nodes} nodes, ${onCpu.length} on the CPU${verdict}`,
  );
}
await rm(folder, { recursive: true });
console.log(`${device.name}: ${wrong} families differ by more than ${tolerance}`);
process.exit(wrong === 0 ? 0 : 1);
