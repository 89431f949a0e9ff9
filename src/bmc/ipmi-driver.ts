import { WireError } from '../wire/bytes.ts';
import { COMPLETION } from '../wire/ipmi.ts';
import { describeRestartCause, getRestartCause } from '../wire/ipmi-chassis.ts';
import { getPowerReading } from '../wire/ipmi-dcmi.ts';
import { type DeviceId, decodeGuid, getDeviceId, getSystemGuid } from '../wire/ipmi-device.ts';
import type { FruField } from '../wire/ipmi-fru.ts';
import type { SdrRecord } from '../wire/ipmi-sdr-record.ts';
import { type BmcConsole, type BmcDriver, BmcError, type BmcIdentity, type BmcTarget } from './driver.ts';
import { createInTurn } from './in-turn.ts';
import { performSetBoot, readBoot } from './ipmi-boot.ts';
import { readFruFields, readInventory } from './ipmi-inventory.ts';
import { performClearLog, readLog } from './ipmi-log.ts';
import { type IpmiPath, run } from './ipmi-path.ts';
import { performIdentify, performPower, readPower } from './ipmi-power.ts';
import {
  chooseQuirks,
  habitsOf,
  type IpmiHabits,
  type IpmiQuirk,
  MAKER_NAMES,
  type QuirkNotes,
} from './ipmi-quirks.ts';
import { type RecordList, readRecords } from './ipmi-records.ts';
import { readSensors } from './ipmi-sensors.ts';

/** A way to a BMC, open until it is closed. `guid`: what the BMC's login said. */
export type OpenPath = IpmiPath & { readonly guid?: Buffer; close(): Promise<void> };

/**
 * How long one operation may take from its login on, in milliseconds. Then what it waits for counts as not answered, and
 * it fails as `unreachable`. A last wait for a busy BMC and the logout may add 8 s, and the look-up of a BMC's name 10 s.
 * A BMC is rarely asked for more than 2000 records, which slow ones give in a minute or two.
 */
export type TimeLimits = {
  /** Everything but reading lists. `setPower` takes twice as long at most: it reads the state when there was no answer. */
  commandMs: number;
  /** Sensors, event log and inventory, which are hundreds of questions. */
  listMs: number;
};

const TIME_LIMITS: TimeLimits = { commandMs: 60_000, listMs: 300_000 };

/** How commands come to a BMC, for `createIpmiDriver`. */
export type IpmiAccess<Path extends OpenPath> = {
  /** A way to the BMC that ends all its waits after `limitMs`. */
  open: (limitMs: number) => Promise<Path>;
  /** A console over a path, which it closes in the end. */
  openConsole?: (path: Path) => Promise<BmcConsole>;
  notes: QuirkNotes;
  limits?: TimeLimits | undefined;
};

/**
 * A driver that says everything in IPMI commands, by whatever way they go. It opens nothing until it is asked something.
 * Throws BmcError for a setting "quirks" that names none of ours.
 */
export function createIpmiDriver<Path extends OpenPath>(
  target: BmcTarget,
  { open, openConsole, notes, limits = TIME_LIMITS }: IpmiAccess<Path>,
): BmcDriver {
  chooseQuirks({ manufacturer: 0, product: 0 }, target.settings?.quirks, target); // a wrong setting is told at once
  /** Simple BMCs get confused by two sessions or two commands at once: one operation after the other (B7). */
  const inTurn = createInTurn(target);
  let device: DeviceId | undefined;
  let known: RecordList | undefined;
  let quirks: readonly IpmiQuirk[] = [];
  let learned: Partial<IpmiHabits> = {};
  const consoles = new Set<BmcConsole>();

  function operate<T>(perform: (path: Path) => Promise<T>, limitMs = limits.commandMs): Promise<T> {
    return inTurn.call(async () => {
      const path = await open(limitMs);
      try {
        return await perform(path);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        throw new BmcError('protocol', target, `answered something that we cannot read (${error.message})`);
      } finally {
        await path.close();
      }
    });
  }

  async function deviceOf(path: IpmiPath): Promise<DeviceId> {
    if (device) return device;
    device = await run(path, getDeviceId, undefined);
    quirks = chooseQuirks(device, target.settings?.quirks, target);
    for (const { id, who, what } of quirks) notes.add(id, `${who}: ${what}`);
    return device;
  }

  async function habits(path: IpmiPath): Promise<IpmiHabits> {
    await deviceOf(path);
    return { ...habitsOf(quirks), ...learned };
  }

  async function recordsOf(path: IpmiPath): Promise<readonly SdrRecord[]> {
    known = await readRecords(path, await deviceOf(path), known);
    return known.records;
  }

  const powerState = () => operate(readPower);

  return {
    powerState,

    async setPower(action) {
      const end = await operate((path) => performPower(path, action, notes));
      if (end === 'taken') return;
      // A BMC that shares its port with the host loses the link, and the answer, when the host's power changes (pyghmi).
      const state = await powerState().catch(() => undefined);
      if (state === action) return;
      const what = `did not answer the power command "${action}", so whether it acted is not known`;
      throw new BmcError('unreachable', target, what, 'Read the power state before trying again');
    },

    setBoot: (wish) =>
      operate(async (path) => {
        learned = { ...learned, ...(await performSetBoot(path, wish, await habits(path), notes)) };
      }),
    boot: () => operate(async (path) => readBoot(path, await habits(path), notes)),

    identity: () =>
      operate(async (path) => {
        device = undefined; // whoever asks who it is wants no old answer
        return describeIdentity(await deviceOf(path), await readGuid(path), await readOwnFru(path));
      }),

    identify: (seconds) => operate((path) => performIdentify(path, seconds)),
    restartCause: () =>
      operate(async (path) => describeRestartCause((await run(path, getRestartCause, undefined)).cause)),
    sensors: () => operate(async (path) => readSensors(path, await recordsOf(path)), limits.listMs),

    powerReading: () =>
      operate(async (path) => {
        const { now, isMeasuring } = await run(path, getPowerReading, undefined);
        if (!isMeasuring) throw new BmcError('unsupported', target, 'does not measure power now');
        return now;
      }),

    log: () => operate(async (path) => readLog(path, await recordsOf(path)), limits.listMs),
    clearLog: () => operate(performClearLog, limits.listMs),
    inventory: () => operate(async (path) => readInventory(path, await recordsOf(path)), limits.listMs),

    ...(openConsole && {
      console: () =>
        inTurn.call(async () => {
          const console = await openConsole(await open(limits.commandMs));
          consoles.add(console);
          void console.ended.then(() => consoles.delete(console));
          return console;
        }),
    }),

    quirks: () => notes.list(),

    async close() {
      await inTurn.close();
      await Promise.all([...consoles].map((console) => console.close()));
    },
  };
}

/** The machine's uuid as its BMC says it; else what the login said, which is the same on most. */
async function readGuid(path: OpenPath): Promise<string> {
  const outcome = await path.ask(getSystemGuid, undefined);
  const isThere = outcome.answered && outcome.value.completion === COMPLETION.ok;
  return decodeGuid((isThere ? outcome.value.value?.guid : path.guid) ?? Buffer.alloc(0));
}

/** A BMC without an inventory is still one that can say who it is. */
async function readOwnFru(path: IpmiPath): Promise<FruField[]> {
  try {
    return await readFruFields(path, 0);
  } catch (error) {
    if (error instanceof BmcError && ['refused', 'unsupported', 'privilege'].includes(error.kind)) return [];
    throw error;
  }
}

/** What the BMC and the machine's inventory say together: the product's words first, then the board's. */
function describeIdentity(device: DeviceId, uuid: string, fields: readonly FruField[]): BmcIdentity {
  const find = (name: string) =>
    (['product', 'board', 'chassis'] as const)
      .map((area) => fields.find((field) => field.area === area && field.name === name)?.value)
      .find((value) => value !== undefined) ?? '';
  const maker = MAKER_NAMES[device.manufacturer] ?? find('manufacturer');
  return {
    manufacturer: maker === '' ? `IANA enterprise ${device.manufacturer}` : maker,
    model: find('name'),
    firmware: device.firmware,
    protocol: `IPMI ${device.ipmiVersion}`,
    uuid,
    serial: find('serial'),
  };
}
