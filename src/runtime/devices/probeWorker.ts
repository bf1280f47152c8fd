import { reasonOf } from './openDevice.js';
import type { Probe } from './probe.js';
import { deviceNamed } from './registry.js';
import { selfTest } from './selfTest.js';

// A process of its own, started by probe.ts with the name of a device and a number of threads.
const [name, threads] = process.argv.slice(2) as [string, string];
const answer: Probe = await selfTest(deviceNamed(name)!, Number(threads)).then(
  (found) => ({ isThere: true, ...found }),
  (error: unknown) => ({ isThere: false, reason: reasonOf(error) }),
);
process.send!(answer, () => process.disconnect());
