import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withHarness } from './harness.ts';

test('what DHCP has to tell that no timeline has a place for comes to the log of the appliance', () => {
  const lines: string[] = [];
  return withHarness({ log: (line) => void lines.push(line) }, ({ dhcp, setClock }) => {
    setClock(60_000);
    dhcp.keepHouse();
    assert.deepEqual(lines, [
      'DHCP: the clock of this host was set forward by 60000 ms: leases keep the time they had left',
    ]);
  });
});
