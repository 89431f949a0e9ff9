import type { Event, EventKind, NewEvent } from '../model/event.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { Mac } from '../wire/address.ts';
import type { Db } from './db.ts';

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

export function openHistory(db: Db) {
  const insert = db.sql.prepare(
    'INSERT INTO event (at, kind, machine_id, mac, boot, text, because, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const machineByMac = db.sql.prepare<[string], { machine_id: number }>(
    'SELECT machine_id FROM machine_mac WHERE mac = ?',
  );
  const machineById = db.sql.prepare<[number], { name: string; boot: number }>(
    'SELECT name, boot FROM machine WHERE id = ?',
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

  return {
    /** Keep one event; its machine is found by its MAC when it names none. Gives the event as kept. */
    append(event: NewEvent, at: Instant): Event {
      const machineId = event.machineId ?? (event.mac ? machineByMac.get(event.mac)?.machine_id : undefined);
      const machine = machineId === undefined ? undefined : machineById.get(machineId);
      const row = insert.run(
        at,
        event.kind,
        machine ? (machineId ?? null) : null,
        event.mac ?? null,
        machine?.boot ?? null,
        event.text,
        event.because ? JSON.stringify(event.because) : null,
        event.data ? JSON.stringify(event.data) : null,
      );
      return { ...event, id: Number(row.lastInsertRowid), at, machineId, machine: machine?.name, boot: machine?.boot };
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
