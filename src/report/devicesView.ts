import type { FoundDevice } from '../jobs/devices.js';
import type { Screen } from './heatMap.js';
import { formatTable } from './table.js';

/** A table of devices, and below it why those are not there that are not. */
export function devicesView(devices: readonly FoundDevice[], { width }: Screen): string {
  const columns = [
    { title: 'device' },
    { title: 'is' },
    { title: 'memory', align: 'right' },
    { title: 'driver' },
    { title: 'differs from the CPU', align: 'right' },
    { title: '1024 × 1024 product', align: 'right' },
  ] as const;
  const there = devices.filter(({ isThere }) => isThere);
  const rows = there.map(({ device, name = '', memoryBytes, driver = '', difference, productMs }) => [
    device,
    name,
    memoryBytes === undefined ? '' : `${(memoryBytes / 1e9).toFixed(1)} GB`,
    driver,
    difference === undefined ? '' : difference.toExponential(1),
    productMs === undefined ? '' : `${productMs.toPrecision(3)} ms`,
  ]);
  const missing = devices.flatMap(({ device, reason }) =>
    reason === undefined ? [] : [`${device} is not there: ${reason}`],
  );
  return [formatTable(columns, rows, { width }), ...missing].join('\n\n');
}
