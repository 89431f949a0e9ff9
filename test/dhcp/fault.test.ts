import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import { buildRequest, MAC, withHarness } from '../harness.ts';

test('a request that cannot be decided by a fault of ours costs the others no answer, and its stack is told once', () => {
  const log: string[] = [];
  return withHarness({ log: (line) => log.push(line) }, async (harness) => {
    harness.addMachine('vm-01');
    // a fault for this machine alone
    const { levels } = harness.dhcp;
    const optionsOf = levels.of;
    levels.of = (asked) => {
      if (asked.mac === MAC) throw new TypeError('a fault of ours');
      return optionsOf(asked);
    };
    const others = [2, 3, 4].map((last) => buildRequest({ type: 'discover', mac: `52:54:00:aa:bb:0${last}` as Mac }));
    const faulty = buildRequest({ type: 'discover' });
    for (let time = 1; time <= 2; time++) {
      harness.hear([others[0] as Buffer, faulty, ...others.slice(1)]);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([harness.sent().length, harness.dhcp.counts.failed], [3 * time, time]);
    }
    assert.equal(harness.leases.all().length, 0);
    assert.equal(log.length, 1, log.join('\n'));
    assert.match(log[0] ?? '', /^DHCP: a request could not be decided: TypeError: a fault of ours\n {4}at /);
  });
});
