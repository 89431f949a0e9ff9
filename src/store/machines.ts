import { AppError } from '../model/errors.ts';
import type { Inventory } from '../model/inventory.ts';
import {
  type FirmwareMode,
  isTellingUuid,
  type Machine,
  type MachineState,
  type PxeStyle,
  proposeName,
} from '../model/machine.ts';
import type { Instant } from '../model/time.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import type { Db } from './db.ts';

/** How far the machine's present boot has come; tells a new boot from the next stage of the same one. */
export type BootStage = 'none' | 'firmware' | 'ipxe' | 'script' | 'os' | 'local';

/** A machine that nobody has seen; without a name it is given one. */
export type NewMachine = { macs: Mac[]; name?: string | undefined; state: MachineState; serial?: string | undefined };

type MachineRow = {
  id: number;
  name: string;
  state: MachineState;
  locked: number;
  uuid: string | null;
  serial: string | null;
  firmware: FirmwareMode | null;
  inventory: string | null;
  params: string;
  boot: number;
  boot_stage: BootStage;
  pxe_style: PxeStyle;
  pxe_learned: 'direct' | 'binl' | null;
  reply_delay_ms: number;
  profiles: string | null;
  status: string;
  created_at: number;
  seen_at: number | null;
  macs: string | null;
  bmc_address: string | null;
};

const SELECT = `
  SELECT machine.*,
         (SELECT group_concat(mac, ' ') FROM (SELECT mac FROM machine_mac WHERE machine_id = machine.id ORDER BY rowid)) AS macs,
         (SELECT group_concat(profile, ' ') FROM (SELECT profile FROM machine_profile WHERE machine_id = machine.id ORDER BY position)) AS profiles,
         (SELECT iif(address = '', driver, address) FROM bmc_link WHERE machine_id = machine.id ORDER BY position LIMIT 1) AS bmc_address
    FROM machine`;

/**
 * The machines, their MACs, boots and inventories. Which machine has a MAC is held in memory, and so is each machine from
 * its first reading to its next change: every DHCP request asks for both. `addressOf` gives the address that a card has now.
 */
export type Machines = ReturnType<typeof openMachines>;

type Kept = { machine: Machine; stage: BootStage };

/** Reads the MACs into memory. */
export function openMachines(db: Db, addressOf: (macs: readonly Mac[]) => Ipv4 | undefined) {
  const byId = db.sql.prepare<[number], MachineRow>(`${SELECT} WHERE machine.id = ?`);
  const byName = db.sql.prepare<[string], MachineRow>(`${SELECT} WHERE machine.name = ?`);
  const allMacs = db.sql.prepare<[], { mac: string; machine_id: number }>('SELECT mac, machine_id FROM machine_mac');
  const byUuid = db.sql.prepare<[string], MachineRow>(`${SELECT} WHERE machine.uuid = ?`);
  const all = db.sql.prepare<[], MachineRow>(`${SELECT} ORDER BY machine.name`);
  const insert = db.sql.prepare('INSERT INTO machine (name, state, serial, created_at) VALUES (?, ?, ?, ?)');
  const insertMac = db.sql.prepare('INSERT INTO machine_mac (mac, machine_id) VALUES (?, ?)');
  const moveMac = db.sql.prepare(
    'INSERT INTO machine_mac (mac, machine_id) VALUES (?, ?) ON CONFLICT (mac) DO UPDATE SET machine_id = excluded.machine_id',
  );
  const setState = db.sql.prepare('UPDATE machine SET state = ? WHERE id = ?');
  const setStatus = db.sql.prepare('UPDATE machine SET status = ? WHERE id = ?');
  const setLocked = db.sql.prepare('UPDATE machine SET locked = ? WHERE id = ?');
  const setName = db.sql.prepare('UPDATE machine SET name = ? WHERE id = ?');
  const setParams = db.sql.prepare('UPDATE machine SET params = ? WHERE id = ?');
  const setBoot = db.sql.prepare('UPDATE machine SET boot = ?, boot_stage = ?, seen_at = ? WHERE id = ?');
  const setSeen = db.sql.prepare('UPDATE machine SET seen_at = ? WHERE id = ?');
  const setFirmware = db.sql.prepare('UPDATE machine SET firmware = ? WHERE id = ?');
  const setInventory = db.sql.prepare(
    'UPDATE machine SET inventory = ?, uuid = ?, serial = ?, firmware = ?, seen_at = ? WHERE id = ?',
  );
  const setPxe = db.sql.prepare('UPDATE machine SET pxe_style = ?, reply_delay_ms = ? WHERE id = ?');
  const setPxeLearned = db.sql.prepare('UPDATE machine SET pxe_learned = ? WHERE id = ?');
  const clearProfiles = db.sql.prepare('DELETE FROM machine_profile WHERE machine_id = ?');
  const addProfile = db.sql.prepare(
    'INSERT OR IGNORE INTO machine_profile (machine_id, profile, position) VALUES (?, ?, ?)',
  );
  const remove = db.sql.prepare('DELETE FROM machine WHERE id = ?');

  const idByMac = new Map<string, number>();
  const kept = new Map<number, Kept>();
  function reload(): void {
    kept.clear();
    idByMac.clear();
    for (const { mac, machine_id } of allMacs.iterate()) idByMac.set(mac, machine_id);
  }
  reload();
  db.onRollback(reload);

  function keep(id: number): Kept | undefined {
    const present = kept.get(id);
    if (present) return present;
    const row = byId.get(id);
    if (!row) return undefined;
    const read = { machine: toMachine(row), stage: row.boot_stage };
    kept.set(id, read);
    return read;
  }

  const withAddress = (machine: Machine): Machine => {
    const address = addressOf(machine.macs);
    return address === undefined ? machine : { ...machine, address };
  };
  function find(id: number | undefined): Machine | undefined {
    const present = id === undefined ? undefined : keep(id);
    return present && withAddress(present.machine);
  }
  const findRow = (row: MachineRow | undefined): Machine | undefined => row && withAddress(toMachine(row));
  const ofMac = (mac: string): Machine | undefined => find(idByMac.get(mac));

  /** Every change of a machine goes through here: what is in memory of it is read again. */
  function change(id: number, write: () => void): void {
    write();
    kept.delete(id);
  }
  function giveMac(mac: Mac, id: number): void {
    const owner = idByMac.get(mac);
    if (owner !== undefined) kept.delete(owner);
    change(id, () => moveMac.run(mac, id));
    idByMac.set(mac, id);
  }

  const removalListeners: ((id: number) => void)[] = [];
  function removeMachine(id: number): void {
    change(id, () => remove.run(id));
    for (const [mac, owner] of idByMac) if (owner === id) idByMac.delete(mac);
    for (const listener of removalListeners) listener(id);
  }

  /** A name that is free: the wished one, else with a number behind it. */
  function freeName(wished: string): string {
    for (let n = 1; ; n++) {
      const name = n === 1 ? wished : `${wished.slice(0, 58)}-${n}`;
      if (!byName.get(name)) return name;
    }
  }

  return {
    all: (): Machine[] => all.all().map((row) => withAddress(toMachine(row))),
    byId: find as (id: number) => Machine | undefined,
    byMac: ofMac as (mac: Mac) => Machine | undefined,
    byName: (name: string): Machine | undefined => findRow(byName.get(name)),

    hasMac: (mac: Mac): boolean => idByMac.has(mac),

    /** The machine that a person names by its name or a MAC. Throws `no-such-machine`. */
    named(text: string): Machine {
      const machine = findRow(byName.get(text)) ?? ofMac(text.toLowerCase().replaceAll('-', ':'));
      if (!machine)
        throw new AppError('no-such-machine', `there is no machine ${text}`, 'list them with: firstlight machines');
      return machine;
    },

    create(wanted: NewMachine, now: Instant): Machine {
      const taken = wanted.macs.map((mac) => ({ mac, machine: ofMac(mac) })).find((one) => one.machine);
      if (taken) throw new AppError('name-taken', `${taken.mac} belongs to machine ${taken.machine?.name} already`);
      if (wanted.name !== undefined && byName.get(wanted.name))
        throw new AppError('name-taken', `there is a machine ${wanted.name} already`);
      const name = wanted.name ?? freeName(proposeName(wanted.macs[0] as Mac, wanted.serial));
      const id = Number(insert.run(name, wanted.state, wanted.serial ?? null, now).lastInsertRowid);
      for (const mac of new Set(wanted.macs)) {
        insertMac.run(mac, id);
        idByMac.set(mac, id);
      }
      return find(id) as Machine;
    },

    rename(machine: Machine, name: string): void {
      const other = byName.get(name);
      if (other && other.id !== machine.id) throw new AppError('name-taken', `there is a machine ${name} already`);
      change(machine.id, () => setName.run(name, machine.id));
    },

    /**
     * Keep what the scout found. The machine gets its other NICs, its uuid and serial, and, while it still has the name made
     * of its MAC, a name made of its serial. Another record of the same machine (seen by another NIC) is merged into it.
     */
    saveInventory(machine: Machine, inventory: Inventory, macs: Mac[], now: Instant): Machine {
      const uuid = isTellingUuid(inventory.uuid) ? inventory.uuid.toLowerCase() : null;
      const twins = [uuid ? findRow(byUuid.get(uuid)) : undefined, ...macs.map(ofMac)];
      for (const twin of twins)
        if (twin && twin.id !== machine.id && twin.state === 'new' && twin.inventory === undefined)
          removeMachine(twin.id);
      setInventory.run(JSON.stringify(inventory), uuid, inventory.serial || null, inventory.firmware, now, machine.id);
      for (const mac of macs) {
        const owner = idByMac.get(mac);
        if (owner === undefined || owner === machine.id) giveMac(mac, machine.id);
      }
      const firstMac = machine.macs[0];
      const proposed = firstMac && proposeName(firstMac, inventory.serial);
      if (proposed && machine.name === proposeName(firstMac) && proposed !== machine.name)
        setName.run(freeName(proposed), machine.id);
      kept.delete(machine.id);
      return find(machine.id) as Machine;
    },

    setState: (id: number, state: MachineState): void => change(id, () => setState.run(state, id)),
    setStatus: (id: number, status: string): void => change(id, () => setStatus.run(status.slice(0, 500), id)),
    setLocked: (id: number, locked: boolean): void => change(id, () => setLocked.run(locked ? 1 : 0, id)),
    setParams: (id: number, params: Record<string, unknown>): void =>
      change(id, () => setParams.run(JSON.stringify(params), id)),
    setBoot: (id: number, boot: number, stage: BootStage, now: Instant): void =>
      change(id, () => setBoot.run(boot, stage, now, id)),
    setSeen: (id: number, now: Instant): void => change(id, () => setSeen.run(now, id)),
    setFirmware: (id: number, mode: FirmwareMode): void => change(id, () => setFirmware.run(mode, id)),
    setPxe: (id: number, style: PxeStyle, replyDelayMs: number): void =>
      change(id, () => setPxe.run(style, replyDelayMs, id)),
    setPxeLearned: (id: number, way: 'direct' | 'binl'): void => change(id, () => setPxeLearned.run(way, id)),
    setProfiles(id: number, profiles: readonly string[]): void {
      change(id, () => {
        clearProfiles.run(id);
        for (const [position, profile] of profiles.entries()) addProfile.run(id, profile, position);
      });
    },
    /** A card that nobody knew stands where this machine does. */
    addMac: (id: number, mac: Mac): void => giveMac(mac, id),
    remove: removeMachine,
    /** Told of each machine that is removed: others keep things of it. */
    onRemoved: (listener: (id: number) => void): void => void removalListeners.push(listener),

    bootStage(id: number): { stage: BootStage; seenAt?: Instant } {
      const present = keep(id);
      const seenAt = present?.machine.seenAt;
      return { stage: present?.stage ?? 'none', ...(seenAt !== undefined ? { seenAt } : {}) };
    },

    /** Read it again the next time: something of it was changed elsewhere. */
    forget: (id: number): void => void kept.delete(id),
  };
}

function toMachine(row: MachineRow): Machine {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    locked: row.locked === 1,
    macs: (row.macs ?? '').split(' ').filter((mac) => mac !== '') as Mac[],
    ...(row.uuid !== null ? { uuid: row.uuid } : {}),
    ...(row.serial !== null ? { serial: row.serial } : {}),
    ...(row.firmware !== null ? { firmware: row.firmware } : {}),
    ...(row.inventory !== null ? { inventory: JSON.parse(row.inventory) as Inventory } : {}),
    params: JSON.parse(row.params) as Record<string, unknown>,
    profiles: (row.profiles ?? '').split(' ').filter((name) => name !== ''),
    pxeStyle: row.pxe_style,
    ...(row.pxe_learned !== null ? { pxeLearned: row.pxe_learned } : {}),
    replyDelayMs: row.reply_delay_ms,
    hasBmc: row.bmc_address !== null,
    ...(row.bmc_address !== null ? { bmcAddress: row.bmc_address } : {}),
    boot: row.boot,
    status: row.status,
    createdAt: row.created_at as Instant,
    ...(row.seen_at !== null ? { seenAt: row.seen_at as Instant } : {}),
  };
}
