import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BmcError, type PowerState } from '../../src/bmc/driver.ts';
import { verifyPower } from '../../src/bmc/verify.ts';
import type { Instant } from '../../src/model/time.ts';

const target = { address: '10.0.0.9', port: 623 };

/** A BMC that reads as told, one after the other, the last one forever; time passes only while verifyPower sleeps. */
function verify(wanted: PowerState, ...reads: (PowerState | BmcError)[]) {
  let now = 0;
  let polls = 0;
  const driver = {
    async powerState() {
      const read = reads[Math.min(polls++, reads.length - 1)]!;
      if (read instanceof BmcError) throw read;
      return read;
    },
  };
  const sleep = async (ms: number) => {
    now += ms;
  };
  return verifyPower(driver, wanted, { withinMs: 10_000, clock: () => now as Instant, sleep }).then((verdict) => ({
    verdict,
    polls,
  }));
}

test('believes the power state when it was read twice', async () => {
  assert.deepEqual(await verify('on', 'off', 'off', 'on', 'on'), { verdict: { reached: true }, polls: 4 });
});

test('does not believe a state that wavers', async () => {
  assert.deepEqual(await verify('off', 'off', 'on', 'off', 'on', 'off', 'off'), {
    verdict: { reached: true },
    polls: 6,
  });
});

test('counts from the start after a read that failed', async () => {
  const silence = new BmcError('unreachable', target, 'did not answer');
  assert.deepEqual(await verify('on', 'on', silence, 'on', 'on'), { verdict: { reached: true }, polls: 4 });
});

test('says what the BMC reads when time is over', async () => {
  const { verdict } = await verify('on', 'off');
  assert.deepEqual(verdict, {
    reached: false,
    because: 'The power did not turn on within 10 s: the BMC reads off.',
  });
});

test('says what the BMC failed with when time is over', async () => {
  const { verdict } = await verify('on', new BmcError('busy', target, 'is starting'));
  const because = 'The power did not turn on within 10 s: BMC 10.0.0.9 port 623 is starting. Try again in a minute.';
  assert.deepEqual(verdict, { reached: false, because });
});

test('does not wait for a password to become right', async () => {
  const { verdict, polls } = await verify('on', new BmcError('wrong-password', target, 'does not have that password'));
  assert.equal(verdict.reached, false);
  assert.equal(polls, 1);
});
