import { APPLIANCE_KINDS, type Event, type EventKind, type NewEvent } from '../model/event.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { Mac } from '../wire/address.ts';
import type { Db } from './db.ts';
import type { Machines } from './machines.ts';

type EventRow = {
  id: number;
  at: number;
  kind: EventKind;
  machine_id: number | null;
  machine: string | null;
  mac: string | null;
  boot: number | null;
  text: string;
  because: string | null;
  data: string | null;
};

export type HistoryQuery = {
  machineId?: number | undefined;
  mac?: Mac | undefined;
  afterId?: number | undefined;
  last?: number | undefined;
  boot?: number | undefined;
};

/** What happened, kept: the source that the timeline, the stream and every view of a boot are made from. */
export type History = ReturnType<typeof openHistory>;

/** `machines`: whose events they are. */
export function openHistory(db: Db, machines: Pick<Machines, 'byId' | 'byMac'>) {
  const insert = db.sql.prepare(
    'INSERT INTO event (at, kind, machine_id, mac, boot, text, because, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const newestId = db.sql.prepare<[], { id: number | null }>('SELECT max(id) AS id FROM event');
  const query = db.sql.prepare<unknown[], EventRow>(`
    SELECT * FROM (
      SELECT event.*, machine.name AS machine FROM event LEFT JOIN machine ON machine.id = event.machine_id
       WHERE (:machineId IS NULL OR event.machine_id = :machineId)
         AND (:mac IS NULL OR event.mac = :mac)
         AND (:boot IS NULL OR event.boot = :boot)
         AND event.id > :afterId
       ORDER BY event.id DESC LIMIT :last)
    ORDER BY id`);
  // the other index has everything that strangers did in between
  const queryAppliance = db.sql.prepare<unknown[], EventRow>(`
    SELECT * FROM (
      SELECT event.*, NULL AS machine FROM event INDEXED BY event_by_mac
       WHERE machine_id IS NULL AND mac IS NULL AND id > :afterId
         AND kind IN (SELECT value FROM json_each(:kinds))
       ORDER BY id DESC LIMIT :last)
    ORDER BY id`);
  const applianceKinds = JSON.stringify(APPLIANCE_KINDS);

  return {
    /** Keep one event; its machine is found by its MAC when it names none. Gives the event as kept. */
    append(event: NewEvent, at: Instant): Event {
      const { machineId, mac } = event;
      const machine = machineId !== undefined ? machines.byId(machineId) : mac && machines.byMac(mac);
      const row = insert.run(
        at,
        event.kind,
        machine?.id ?? null,
        event.mac ?? null,
        machine?.boot ?? null,
        event.text,
        event.because ? JSON.stringify(event.because) : null,
        event.data ? JSON.stringify(event.data) : null,
      );
      return {
        ...event,
        id: Number(row.lastInsertRowid),
        at,
        machineId: machine?.id ?? machineId,
        machine: machine?.name,
        boot: machine?.boot,
      };
    },

    /** The newest `last` events (1000) that fit, in the order they happened. */
    read: (wanted: HistoryQuery): Event[] =>
      query
        .all({
          machineId: wanted.machineId ?? null,
          mac: wanted.mac ?? null,
          boot: wanted.boot ?? null,
          afterId: wanted.afterId ?? 0,
          last: wanted.last ?? 1000,
        })
        .map(toEvent),

    /** The same of the appliance's own events, see `isOfAppliance`. */
    readOfAppliance: ({ afterId = 0, last = 1000 }: Pick<HistoryQuery, 'afterId' | 'last'>): Event[] =>
      queryAppliance.all({ afterId, last, kinds: applianceKinds }).map(toEvent),

    newestId: (): number => newestId.get()?.id ?? 0,
  };
}

function toEvent(row: EventRow): Event {
  return {
    id: row.id,
    at: row.at as Instant,
    kind: row.kind,
    text: row.text,
    ...(row.machine_id !== null ? { machineId: row.machine_id } : {}),
    ...(row.machine !== null ? { machine: row.machine } : {}),
    ...(row.mac !== null ? { mac: row.mac as Mac } : {}),
    ...(row.boot !== null ? { boot: row.boot } : {}),
    ...(row.because !== null ? { because: JSON.parse(row.because) as Reason[] } : {}),
    ...(row.data !== null ? { data: JSON.parse(row.data) as Record<string, unknown> } : {}),
  };
}
