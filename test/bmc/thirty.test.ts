import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openBmc } from '../../src/bmc/index.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import { createSupervisor, type Supervisor, type SupervisorSettings } from '../../src/bmc/supervisor.ts';
import { startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { type Harness, withHarness } from '../harness.ts';
import { waitingTime } from './waiting-time.ts';

/** Long enough for a loaded computer to do all the rest meanwhile. */
const PATIENT = { firstMs: 8000, lastMs: 8000, sends: 4 };

type Rack = {
  harness: Harness;
  supervisor: Supervisor;
  /** Ids of the machines whose BMC answers, and of those whose BMC never does. */
  good: number[];
  hanging: number[];
  isOn(machineId: number): boolean;
  /** The time of the pollers: they have their turn. */
  tick(ms: number): void;
};

/** A BMC that takes connections and says nothing. */
async function startMute(address: string) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** So many machines with a BMC each, on addresses of their own; every sixth of those up to 30 hangs, by UDP or by TCP in turn. */
async function withRack(
  t: TestContext,
  { count, hangs, settings }: { count: number; hangs: boolean; settings: Partial<SupervisorSettings> },
  check: (rack: Rack) => Promise<void>,
): Promise<void> {
  await withHarness({}, async (harness) => {
    const stops: (() => Promise<void>)[] = [];
    const sims = new Map<number, Awaited<ReturnType<typeof startIpmiBmc>>>();
    const good: number[] = [];
    const hanging: number[] = [];
    for (let index = 0; index < count; index++) {
      const mac = `52:54:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}`;
      const { id } = harness.addMachine(`vm-${index}`, { mac: mac as never });
      const address = `127.1.${index >> 7}.${(index & 127) + 1}`;
      const isHanging = hangs && index % 6 === 0;
      (isHanging ? hanging : good).push(id);
      if (isHanging && index % 12 === 0) {
        const mute = await startMute(address);
        harness.setBmc(id, { driver: 'redfish', address, port: mute.port });
        stops.push(mute.stop);
        continue;
      }
      const sim = await startIpmiBmc({ address, faults: new Map(isHanging ? [['hang', 1]] : []) });
      harness.setBmc(id, { address, port: sim.port });
      sims.set(id, sim);
      stops.push(sim.stop);
    }
    const time = waitingTime();
    t.mock.timers.enable({ apis: ['setInterval'] });
    const supervisor = createSupervisor({
      ...harness,
      ...time,
      settings: { spacingMs: 0, ...settings },
      open: (target, more) =>
        target.driver === 'ipmi' ? openIpmi(target, { ...more, patience: PATIENT }) : openBmc(target, more),
    });
    try {
      await check({
        harness,
        supervisor,
        good,
        hanging,
        isOn: (id) => sims.get(id)?.machine.isOn ?? false,
        tick: (ms) => {
          time.pass(ms);
          t.mock.timers.tick(1000);
        },
      });
    } finally {
      for (const sim of sims.values()) sim.faults.clear();
      await supervisor.close();
      t.mock.timers.reset();
      for (const stop of stops) await stop();
    }
  });
}

test('30 BMCs of which 5 hang: the orders of the other 25 end before the first call to one of the 5 does', (t) =>
  withRack(
    t,
    { count: 30, hangs: true, settings: { polls: false, caps: { order: 6, poll: 6, silent: 2 } } },
    async (rack) => {
      const { supervisor, good, hanging, isOn } = rack;
      assert.deepEqual([good.length, hanging.length], [25, 5]);
      // those that hang come first
      const place = (machineId: number) =>
        supervisor.place({ machineId, order: { kind: 'power', action: 'on' }, askedBy: 'ada' }).id;
      for (const machineId of hanging) place(machineId);
      const ended = await Promise.all(good.map((machineId) => supervisor.whenEnded(place(machineId))));
      assert.deepEqual([...new Set(ended.map(({ result }) => result))], ['is on']);
      assert.ok(good.every(isOn));
      assert.deepEqual(
        hanging.map((id) => supervisor.health(id).calls),
        [0, 0, 0, 0, 0],
        'they hang still',
      );
    },
  ));

test('30 BMCs of which 5 hang: the other 25 are polled again and again meanwhile', (t) =>
  withRack(
    t,
    { count: 30, hangs: true, settings: { polls: true, caps: { order: 6, poll: 6, silent: 2 } } },
    async (rack) => {
      const { harness, supervisor, good, hanging, tick } = rack;
      supervisor.start();
      tick(0);
      for (let round = 1; round <= 3; round++) {
        tick(200_000);
        await harness.until(() => good.every((id) => supervisor.health(id).calls === round));
        assert.ok(good.every((id) => supervisor.health(id).power?.state === 'off'));
      }
      assert.deepEqual(
        hanging.map((id) => supervisor.health(id).calls),
        [0, 0, 0, 0, 0],
        'they hang still',
      );
    },
  ));

test('1,000 orders on 1,000 machines end, each as it was meant', (t) =>
  withRack(
    t,
    { count: 1000, hangs: false, settings: { polls: false } },
    async ({ supervisor, harness, good, isOn }) => {
      const orders = good.map((machineId) =>
        supervisor.place({ machineId, order: { kind: 'power', action: 'on' }, askedBy: 'ada' }),
      );
      const ended = await Promise.all(orders.map(({ id }) => supervisor.whenEnded(id)));
      assert.deepEqual([...new Set(ended.map(({ state, result }) => `${state}: ${result}`))], ['done: is on']);
      assert.ok(good.every(isOn));
      assert.deepEqual(
        [harness.orders.open(), harness.told.filter(({ kind }) => kind === 'power.command').length],
        [[], 1000],
      );
    },
  ));
