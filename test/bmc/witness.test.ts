import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ByHand, createWitness, type Witness } from '../../src/bmc/witness.ts';
import { type Harness, MAC, withHarness } from '../harness.ts';

type Rig = {
  harness: Harness;
  witness: Witness;
  machineId: number;
  /** What is waited for passes. */
  pass(): Promise<void>;
  /** The machine gets a lease without a DISCOVER: a renewal, or the INIT-REBOOT of an operating system. */
  renew(): Promise<void>;
};

async function withWitness(check: (rig: Rig) => Promise<void>): Promise<void> {
  await withHarness({}, async (harness) => {
    const { id: machineId } = harness.addMachine('vm-01');
    const offer = await harness.ask({ type: 'discover', mac: MAC });
    await harness.ask({ type: 'request', mac: MAC, asks: offer?.yiaddr, names: '10.77.0.1' as never });
    const sleepers: (() => void)[] = [];
    const sleep = (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        sleepers.push(resolve);
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const witness = createWitness({ machines: harness.machines, events: harness.events, sleep });
    await check({
      harness,
      witness,
      machineId,
      async pass() {
        for (const wake of sleepers.splice(0)) wake();
        await nextTurn();
      },
      async renew() {
        const before = harness.told.filter(({ kind }) => kind === 'dhcp.acked').length;
        await harness.ask({ type: 'request', mac: MAC, has: offer?.yiaddr, source: offer?.yiaddr, unicast: true });
        assert.equal(harness.told.filter(({ kind }) => kind === 'dhcp.acked').length, before + 1);
      },
    });
    witness.close();
  });
}

/** Whether it has ended by now, and how. */
async function peek<T>(promise: Promise<T>): Promise<T | 'pending'> {
  await nextTurn();
  return Promise.race([promise, nextTurn().then(() => 'pending' as const)]);
}

const never = new AbortController().signal;
const order = (action: 'on' | 'off' | 'reset'): ByHand => ({ kind: 'power', action });

test('a person is asked, and says that it is done', () =>
  withWitness(async ({ harness, witness, machineId }) => {
    const answer = witness.askPerson(machineId, order('off'), never);
    const text = witness.askedOf(machineId);
    assert.match(text ?? '', /power button of vm-01/);
    assert.partialDeepStrictEqual(harness.told.at(-1), { kind: 'power.asked', machineId, text });
    witness.confirm(machineId, 'ada');
    assert.deepEqual(await answer, { state: 'done', result: 'done by hand, says ada', driver: 'manual' });
    assert.equal(witness.askedOf(machineId), undefined);
    assert.throws(() => witness.confirm(machineId, 'ada'), /nobody was asked to do anything to vm-01/);
  }));

test('a machine that starts tells by itself that it was switched on', () =>
  withWitness(async ({ harness, witness, machineId }) => {
    const answer = witness.askPerson(machineId, order('on'), never);
    await harness.ask({ type: 'discover', mac: MAC, as: 'uefi' });
    assert.partialDeepStrictEqual(await answer, {
      state: 'done',
      result: 'was started by hand: it asked for an address',
    });
  }));

test('a lease without a DISCOVER is a start of what was off, and none of what runs', () =>
  withWitness(async ({ harness, witness, machineId, renew }) => {
    const reset = witness.askPerson(machineId, order('reset'), never);
    await renew();
    assert.equal(await peek(reset), 'pending');
    await harness.ask({ type: 'discover', mac: MAC });
    assert.partialDeepStrictEqual(await reset, { state: 'done' });
    const on = witness.askPerson(machineId, order('on'), never);
    await renew();
    assert.partialDeepStrictEqual(await on, { state: 'done' });
  }));

test('another machine that starts is no sign of this one, nor is a start after it was switched off', () =>
  withWitness(async ({ harness, witness, machineId }) => {
    const on = witness.askPerson(machineId, order('on'), never);
    const other = harness.addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as never });
    await harness.ask({ type: 'discover', mac: other.macs[0] as never });
    assert.equal(await peek(on), 'pending');
    witness.confirm(machineId, 'ada');
    await on;
    const off = witness.askPerson(machineId, order('off'), never);
    await harness.ask({ type: 'discover', mac: MAC });
    assert.equal(await peek(off), 'pending');
    witness.confirm(machineId, 'ada');
    await off;
  }));

for (const action of ['on', 'off'] as const)
  test(`what nobody does within a day has failed: ${action}`, () =>
    withWitness(async ({ witness, machineId, pass }) => {
      const answer = witness.askPerson(machineId, order(action), never);
      await pass();
      assert.deepEqual(await answer, { state: 'failed', result: 'nobody has done it within a day', driver: 'manual' });
      assert.equal(witness.askedOf(machineId), undefined);
    }));

test('a question that is taken back is asked no more', () =>
  withWitness(async ({ witness, machineId }) => {
    const abort = new AbortController();
    const answer = witness.askPerson(machineId, order('on'), abort.signal);
    abort.abort(new Error('cancelled by ada'));
    await assert.rejects(answer, /cancelled by ada/);
    assert.equal(witness.askedOf(machineId), undefined);
  }));

test('a start is waited for no longer than asked', () =>
  withWitness(async ({ harness, witness, machineId, pass }) => {
    const late = witness.watchBoot(machineId, false, 300_000, never);
    assert.equal(await peek(late), 'pending');
    await pass();
    assert.equal(await late, false);
    const seen = witness.watchBoot(machineId, false, 300_000, never);
    await harness.ask({ type: 'discover', mac: MAC });
    assert.equal(await seen, true);
  }));
