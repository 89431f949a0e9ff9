import type { BootWish, DriverName, KeptOrder, Order, OrderState, PowerState, Progress } from '../model/bmc.ts';
import type { Instant } from '../model/time.ts';
import type { Db } from './db.ts';

export type NewOrder = { machineId: number; order: Order; askedBy: string; effectId?: number | undefined };

/** A machine that is to boot from the network when it is started, or was started so. `driver` set the boot device. */
export type AwaitedBoot = {
  machineId: number;
  wish: BootWish;
  driver: DriverName;
  /** 1, or 2 when it was tried another way. */
  attempt: number;
  isStarted: boolean;
  /** When it was started; before that, when the boot device was set. */
  since: Instant;
  askedBy: string;
};

type OrderRow = {
  id: number;
  machine_id: number;
  what: string;
  asked_by: string;
  state: OrderState;
  progress: string | null;
  driver: DriverName | null;
  result: string;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
};
type AwaitedRow = {
  machine_id: number;
  wish: string;
  driver: DriverName;
  attempt: number;
  is_started: number;
  since: number;
  asked_by: string;
};

/** Orders of a machine that are kept once they have ended. */
const KEPT = 50;

/** What is and was asked of the BMCs, and which machines are expected to boot from the network. */
export type Orders = ReturnType<typeof openOrders>;

export function openOrders(db: Db) {
  const insert = db.sql.prepare(
    `INSERT INTO power_order (machine_id, what, asked_by, effect_id, state, created_at) VALUES (?, ?, ?, ?, 'waiting', ?)`,
  );
  const byId = db.sql.prepare<[number], OrderRow>('SELECT * FROM power_order WHERE id = ?');
  const byEffect = db.sql.prepare<[number], OrderRow>('SELECT * FROM power_order WHERE effect_id = ?');
  const open = db.sql.prepare<[], OrderRow>(
    `SELECT * FROM power_order WHERE state IN ('waiting', 'running') ORDER BY id`,
  );
  const openOf = db.sql.prepare<[number], OrderRow>(
    `SELECT * FROM power_order WHERE machine_id = ? AND state IN ('waiting', 'running') ORDER BY id`,
  );
  const lastOf = db.sql.prepare<[number, number], OrderRow>(
    'SELECT * FROM power_order WHERE machine_id = ? ORDER BY id DESC LIMIT ?',
  );
  const begin = db.sql.prepare(
    `UPDATE power_order SET state = 'running', started_at = coalesce(started_at, ?) WHERE id = ?`,
  );
  const saveProgress = db.sql.prepare('UPDATE power_order SET progress = ?, driver = ? WHERE id = ?');
  const end = db.sql.prepare('UPDATE power_order SET state = ?, result = ?, driver = ?, ended_at = ? WHERE id = ?');
  const prune = db.sql.prepare(
    `DELETE FROM power_order WHERE machine_id = @machineId AND ended_at IS NOT NULL AND id <=
       (SELECT id FROM power_order WHERE machine_id = @machineId ORDER BY id DESC LIMIT 1 OFFSET ${KEPT})`,
  );
  const putAwaited = db.sql.prepare(
    `INSERT OR REPLACE INTO awaited_boot (machine_id, wish, driver, attempt, is_started, since, asked_by) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const awaited = db.sql.prepare<[], AwaitedRow>('SELECT * FROM awaited_boot');
  const dropAwaited = db.sql.prepare('DELETE FROM awaited_boot WHERE machine_id = ?');

  return {
    add({ machineId, order, askedBy, effectId }: NewOrder, now: Instant): KeptOrder {
      const id = insert.run(machineId, JSON.stringify(order), askedBy, effectId ?? null, now).lastInsertRowid;
      return toOrder(byId.get(Number(id)) as OrderRow);
    },
    byId: (id: number): KeptOrder | undefined => maybe(byId.get(id)),
    byEffect: (effectId: number): KeptOrder | undefined => maybe(byEffect.get(effectId)),
    /** Those that have not ended, oldest first. */
    open: (): KeptOrder[] => open.all().map(toOrder),
    openOf: (machineId: number): KeptOrder[] => openOf.all(machineId).map(toOrder),
    /** The newest first. */
    lastOf: (machineId: number, count: number): KeptOrder[] => lastOf.all(machineId, count).map(toOrder),
    begin: (id: number, now: Instant): void => void begin.run(now, id),
    saveProgress: (id: number, progress: Progress, driver: DriverName): void =>
      void saveProgress.run(JSON.stringify(progress), driver, id),
    end({ id, machineId }: KeptOrder, outcome: Outcome, now: Instant): void {
      end.run(outcome.state, outcome.result, outcome.driver ?? null, now, id);
      prune.run({ machineId });
    },

    await: ({ machineId, wish, driver, attempt, isStarted, since, askedBy }: AwaitedBoot): void =>
      void putAwaited.run(machineId, JSON.stringify(wish), driver, attempt, Number(isStarted), since, askedBy),
    awaited: (): AwaitedBoot[] =>
      awaited.all().map((row) => ({
        machineId: row.machine_id,
        wish: JSON.parse(row.wish) as BootWish,
        driver: row.driver,
        attempt: row.attempt,
        isStarted: row.is_started === 1,
        since: row.since as Instant,
        askedBy: row.asked_by,
      })),
    /** Whether it was awaited. */
    dropAwaited: (machineId: number): boolean => dropAwaited.run(machineId).changes > 0,
  };
}

/** How an order ended. `power`: what the machine's power was seen to be then. */
export type Outcome = {
  state: 'done' | 'failed' | 'cancelled';
  result: string;
  driver?: DriverName | undefined;
  power?: PowerState | undefined;
};

const maybe = (row: OrderRow | undefined): KeptOrder | undefined => row && toOrder(row);

function toOrder(row: OrderRow): KeptOrder {
  return {
    id: row.id,
    machineId: row.machine_id,
    order: JSON.parse(row.what) as Order,
    state: row.state,
    askedBy: row.asked_by,
    ...(row.progress !== null ? { progress: JSON.parse(row.progress) as Progress } : {}),
    ...(row.driver !== null ? { driver: row.driver } : {}),
    result: row.result,
    createdAt: row.created_at as Instant,
    ...(row.started_at !== null ? { startedAt: row.started_at as Instant } : {}),
    ...(row.ended_at !== null ? { endedAt: row.ended_at as Instant } : {}),
  };
}
