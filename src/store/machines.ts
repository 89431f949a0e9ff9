import { AppError } from '../model/errors.ts';
import type { Inventory } from '../model/inventory.ts';
import { type FirmwareMode, isTellingUuid, type Machine, type MachineState, proposeName } from '../model/machine.ts';
import type { Instant } from '../model/time.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import type { Db } from './db.ts';
import type { Secrets } from './secrets.ts';

/** How far the machine's present boot has come; tells a new boot from the next stage of the same one. */
export type BootStage = 'none' | 'firmware' | 'ipxe' | 'script' | 'os' | 'local';

export type BmcRecord = {
  driver: string;
  address: string;
  port: number;
  user: string;
  password: string;
  cipherSuite?: number;
};

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
  status: string;
  created_at: number;
  seen_at: number | null;
  macs: string | null;
  bmc_address: string | null;
  lease_address: string | null;
};

const SELECT = `
  SELECT machine.*,
         (SELECT group_concat(mac, ' ') FROM (SELECT mac FROM machine_mac WHERE machine_id = machine.id ORDER BY rowid)) AS macs,
         (SELECT address FROM bmc WHERE machine_id = machine.id) AS bmc_address,
         (SELECT lease.address FROM lease JOIN machine_mac USING (mac)
           WHERE machine_id = machine.id AND lease.state = 'bound' ORDER BY expires_at DESC LIMIT 1) AS lease_address
    FROM machine`;

/** The machines, their MACs, boots, inventories and BMCs. */
export type Machines = ReturnType<typeof openMachines>;

export function openMachines(db: Db, secrets: Secrets) {
  const byId = db.sql.prepare<[number], MachineRow>(`${SELECT} WHERE machine.id = ?`);
  const byName = db.sql.prepare<[string], MachineRow>(`${SELECT} WHERE machine.name = ?`);
  const byMac = db.sql.prepare<[string], MachineRow>(
    `${SELECT} WHERE machine.id = (SELECT machine_id FROM machine_mac WHERE mac = ?)`,
  );
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
  const remove = db.sql.prepare('DELETE FROM machine WHERE id = ?');
  const stageOf = db.sql.prepare<[number], { boot_stage: BootStage; seen_at: number | null }>(
    'SELECT boot_stage, seen_at FROM machine WHERE id = ?',
  );
  const bmcOf = db.sql.prepare<
    [number],
    { driver: string; address: string; port: number; user: string; password: Buffer; cipher_suite: number | null }
  >('SELECT driver, address, port, user, password, cipher_suite FROM bmc WHERE machine_id = ?');
  const putBmc = db.sql.prepare(`
    INSERT INTO bmc (machine_id, driver, address, port, user, password) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (machine_id) DO UPDATE SET driver = excluded.driver, address = excluded.address, port = excluded.port,
      user = excluded.user, password = excluded.password, cipher_suite = NULL`);
  const setCipherSuite = db.sql.prepare('UPDATE bmc SET cipher_suite = ? WHERE machine_id = ?');

  const find = (row: MachineRow | undefined): Machine | undefined => (row ? toMachine(row) : undefined);

  /** A name that is free: the wished one, else with a number behind it. */
  function freeName(wished: string): string {
    for (let n = 1; ; n++) {
      const name = n === 1 ? wished : `${wished.slice(0, 58)}-${n}`;
      if (!byName.get(name)) return name;
    }
  }

  return {
    all: (): Machine[] => all.all().map(toMachine),
    byId: (id: number): Machine | undefined => find(byId.get(id)),
    byMac: (mac: Mac): Machine | undefined => find(byMac.get(mac)),
    byName: (name: string): Machine | undefined => find(byName.get(name)),

    /** The machine that a person names by its name or a MAC. Throws `no-such-machine`. */
    named(text: string): Machine {
      const machine = find(byName.get(text) ?? byMac.get(text.toLowerCase().replaceAll('-', ':')));
      if (!machine)
        throw new AppError('no-such-machine', `there is no machine ${text}`, 'list them with: firstlight machines');
      return machine;
    },

    create(wanted: NewMachine, now: Instant): Machine {
      const taken = wanted.macs.map((mac) => ({ mac, machine: find(byMac.get(mac)) })).find((one) => one.machine);
      if (taken) throw new AppError('name-taken', `${taken.mac} belongs to machine ${taken.machine?.name} already`);
      if (wanted.name !== undefined && byName.get(wanted.name))
        throw new AppError('name-taken', `there is a machine ${wanted.name} already`);
      const name = wanted.name ?? freeName(proposeName(wanted.macs[0] as Mac, wanted.serial));
      const id = Number(insert.run(name, wanted.state, wanted.serial ?? null, now).lastInsertRowid);
      for (const mac of new Set(wanted.macs)) insertMac.run(mac, id);
      return toMachine(byId.get(id) as MachineRow);
    },

    rename(machine: Machine, name: string): void {
      const other = byName.get(name);
      if (other && other.id !== machine.id) throw new AppError('name-taken', `there is a machine ${name} already`);
      setName.run(name, machine.id);
    },

    /**
     * Keep what the scout found. The machine gets its other NICs, its uuid and serial, and, while it still has the name made
     * of its MAC, a name made of its serial. Another record of the same machine (seen by another NIC) is merged into it.
     */
    saveInventory(machine: Machine, inventory: Inventory, macs: Mac[], now: Instant): Machine {
      const uuid = isTellingUuid(inventory.uuid) ? inventory.uuid.toLowerCase() : null;
      const twins = [uuid ? byUuid.get(uuid) : undefined, ...macs.map((mac) => byMac.get(mac))];
      for (const twin of twins)
        if (twin && twin.id !== machine.id && twin.state === 'new' && twin.inventory === null) remove.run(twin.id);
      setInventory.run(JSON.stringify(inventory), uuid, inventory.serial || null, inventory.firmware, now, machine.id);
      for (const mac of macs) {
        const owner = byMac.get(mac);
        if (!owner || owner.id === machine.id) moveMac.run(mac, machine.id);
      }
      const firstMac = machine.macs[0];
      const proposed = firstMac && proposeName(firstMac, inventory.serial);
      if (proposed && machine.name === proposeName(firstMac) && proposed !== machine.name)
        setName.run(freeName(proposed), machine.id);
      return toMachine(byId.get(machine.id) as MachineRow);
    },

    setState: (id: number, state: MachineState): void => void setState.run(state, id),
    setStatus: (id: number, status: string): void => void setStatus.run(status.slice(0, 500), id),
    setLocked: (id: number, locked: boolean): void => void setLocked.run(locked ? 1 : 0, id),
    setParams: (id: number, params: Record<string, unknown>): void => void setParams.run(JSON.stringify(params), id),
    setBoot: (id: number, boot: number, stage: BootStage, now: Instant): void => void setBoot.run(boot, stage, now, id),
    setSeen: (id: number, now: Instant): void => void setSeen.run(now, id),
    setFirmware: (id: number, mode: FirmwareMode): void => void setFirmware.run(mode, id),
    remove: (id: number): void => void remove.run(id),

    bootStage(id: number): { stage: BootStage; seenAt?: Instant } {
      const row = stageOf.get(id);
      return { stage: row?.boot_stage ?? 'none', ...(row?.seen_at != null ? { seenAt: row.seen_at as Instant } : {}) };
    },

    bmc(id: number): BmcRecord | undefined {
      const row = bmcOf.get(id);
      if (!row) return undefined;
      const { cipher_suite, password, ...rest } = row;
      return {
        ...rest,
        password: secrets.open(password),
        ...(cipher_suite != null ? { cipherSuite: cipher_suite } : {}),
      };
    },
    setBmc: (id: number, bmc: BmcRecord): void =>
      void putBmc.run(id, bmc.driver, bmc.address, bmc.port, bmc.user, secrets.seal(bmc.password)),
    setCipherSuite: (id: number, suite: number): void => void setCipherSuite.run(suite, id),
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
    hasBmc: row.bmc_address !== null,
    ...(row.bmc_address !== null ? { bmcAddress: row.bmc_address } : {}),
    ...(row.lease_address !== null ? { address: row.lease_address as Ipv4 } : {}),
    boot: row.boot,
    status: row.status,
    createdAt: row.created_at as Instant,
    ...(row.seen_at !== null ? { seenAt: row.seen_at as Instant } : {}),
  };
}
