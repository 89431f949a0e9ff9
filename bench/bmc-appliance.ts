import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BmcDriver } from '../src/bmc/driver.ts';
import { openBmc } from '../src/bmc/index.ts';
import { createSupervisor, type SupervisorSettings } from '../src/bmc/supervisor.ts';
import { createEvents } from '../src/events.ts';
import { DRIVER_PORTS } from '../src/model/bmc.ts';
import { wallClock } from '../src/model/time.ts';
import { openBmcs } from '../src/store/bmcs.ts';
import { openDb } from '../src/store/db.ts';
import { openHistory } from '../src/store/history.ts';
import { openLeases } from '../src/store/leases.ts';
import { openMachines } from '../src/store/machines.ts';
import { openOrders } from '../src/store/orders.ts';
import { openSecrets } from '../src/store/secrets.ts';
import { type BenchBmc, BMC_PASSWORD, BMC_USER } from './bmc-plan.ts';
import { clientMac, MACHINES } from './clients.ts';

/** A call to a driver that has ended. It began when the driver was asked: in its lane it may have waited before. */
export type Call = { verb: 'powerState' | 'setPower'; machineId: number; failed: boolean; beganAt: number; ms: number };

/** The BMC side of the appliance, whole and on a store of its own, with a machine for each BMC. */
export type Appliance = ReturnType<typeof openAppliance>;

/** `onCall` is told of every call to a driver. The files are in `folder`. */
export function openAppliance(
  folder: string,
  bmcs: readonly BenchBmc[],
  settings: Partial<SupervisorSettings>,
  onCall: (call: Call) => void,
) {
  const db = openDb(join(folder, 'data'));
  const leases = openLeases(db);
  const machines = openMachines(db, leases.addressOf);
  const chains = openBmcs(db, openSecrets(join(folder, 'data')), machines);
  const events = createEvents(db, openHistory(db, machines), wallClock);
  const ids = db.transact(() =>
    bmcs.map(({ address, driver }, place) => {
      const { id } = machines.create({ macs: [clientMac(MACHINES, place)], state: 'ready' }, wallClock());
      const port = DRIVER_PORTS[driver];
      chains.put(id, [{ driver, address, port, user: BMC_USER, password: BMC_PASSWORD, settings: {} }]);
      return id;
    }),
  );
  const idOf = new Map(bmcs.map(({ address }, place) => [address as string, ids[place] as number]));
  const supervisor = createSupervisor({
    machines,
    bmcs: chains,
    orders: openOrders(db),
    events,
    clock: wallClock,
    steady: () => performance.now(),
    settings,
    open: (target, options) => watchDriver(openBmc(target, options), idOf.get(target.address) as number, onCall),
  });
  return {
    supervisor,
    events,
    ids,
    async close(patienceMs: number): Promise<void> {
      await Promise.race([supervisor.close(), sleep(patienceMs)]);
      db.close();
    },
  };
}

/** The driver itself, with a watch on what polls and orders of power call. */
function watchDriver(driver: BmcDriver, machineId: number, onCall: (call: Call) => void): BmcDriver {
  async function watch<T>(verb: Call['verb'], call: () => Promise<T>): Promise<T> {
    const beganAt = performance.now();
    let failed = true;
    try {
      const result = await call();
      failed = false;
      return result;
    } finally {
      onCall({ verb, machineId, failed, beganAt, ms: performance.now() - beganAt });
    }
  }
  return {
    ...driver,
    powerState: () => watch('powerState', () => driver.powerState()),
    setPower: (action) => watch('setPower', () => driver.setPower(action)),
  };
}
