import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUsage, readUsage } from '../../bench/usage.ts';

/** Linux 6.1; the name of the command has what could mislead. */
const STAT =
  '2742 (kea) dhcp 4) S 2735 2742 2735 0 -1 4194304 2264 0 0 0 1234 566 0 0 20 0 3 0 1701044 32337920 4629 18446744073709551615 1 1 0\n';
const STATUS = 'Name:\tkea-dhcp4\nVmPeak:\t   31588 kB\nVmHWM:\t   18516 kB\nVmRSS:\t   18000 kB\n';

test('reads processor time in seconds and the peak of memory in MiB', () => {
  assert.deepEqual(parseUsage(STAT, STATUS), { cpuSeconds: 18, peakRssMiB: 18516 / 1024 });
});

test('a process that has ended has no memory any more', () => {
  assert.throws(() => parseUsage(STAT, 'Name:\tkea-dhcp4\nState:\tZ (zombie)\n'), { name: 'BenchError' });
});

test('reads this process, and says which one is gone', () => {
  const { cpuSeconds, peakRssMiB } = readUsage(process.pid);
  assert.ok(cpuSeconds > 0 && cpuSeconds < 60, String(cpuSeconds));
  assert.ok(peakRssMiB > 10 && peakRssMiB < 4096, String(peakRssMiB));
  assert.throws(() => readUsage(2 ** 22 + 1), /^BenchError: process 4194305 is gone/);
});
