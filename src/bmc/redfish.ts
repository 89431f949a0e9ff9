import { type BmcDriver, BmcError, type BmcTarget, type QuirkNote } from './driver.ts';
import { performBoot, readBoot } from './redfish/boot.ts';
import { type BootOrder, readBootOrder } from './redfish/boot-order.ts';
import { type Bond, Client } from './redfish/client.ts';
import { findSite, readRoot, type Site, type Talk } from './redfish/discover.ts';
import { setLamp } from './redfish/identify.ts';
import { readIdentity } from './redfish/identity.ts';
import { readInventory } from './redfish/inventory.ts';
import { clearLog, readLog } from './redfish/log.ts';
import { ejectMedia, insertMedia } from './redfish/media.ts';
import { performPower, readPower } from './redfish/power.ts';
import { QUIRKS } from './redfish/quirks.ts';
import { REDFISH_PATIENCE, type RedfishPatience } from './redfish/retry.ts';
import { readSensors, readWatts } from './redfish/sensors.ts';
import { readSettings } from './redfish/settings.ts';

export type RedfishOptions = {
  patience?: RedfishPatience;
  /**
   * Told the SHA-256 of the BMC's certificate when the target has none in its setting `fingerprint`: keep it there. Nothing
   * has been sent yet; when this fails, nothing is.
   */
  onFingerprint?: (fingerprint: string) => unknown;
  /** Waits between two tries, and stops when `signal` does; a steady clock in milliseconds. Tests have their own. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  steady?: () => number;
};

/** What Redfish has beside what every driver has. */
type Extras = 'identify' | 'sensors' | 'powerReading' | 'log' | 'clearLog' | 'inventory' | 'insertMedia' | 'quirks';

export type RedfishDriver = BmcDriver &
  Required<Pick<BmcDriver, Extras>> & {
    /** The firmware's boot order and what it can boot, to be compared with what is meant to happen. */
    bootOrder(): Promise<BootOrder>;
  };

/**
 * A driver for one machine behind a Redfish service. It opens nothing until it is asked something. Settings are those of
 * `RedfishSettings`; one that cannot be meant is a BmcError at once.
 */
export function openRedfish(target: BmcTarget, options: RedfishOptions = {}): RedfishDriver {
  const settings = readSettings(target);
  const bond: Bond = {
    fingerprint: settings.fingerprint,
    isWithoutSessions: false,
    isIdentityRefused: false,
    isExpandRefused: false,
  };
  const met = new Map<string, QuirkNote>();
  const closing = new AbortController();
  let site: Site | undefined;
  let isClosed = false;
  let running: Promise<unknown> = Promise.resolve();
  let lamp: NodeJS.Timeout | undefined;

  const note = (id: string) => {
    const quirk = QUIRKS.find((one) => one.id === id);
    if (quirk) met.set(id, { id, text: `${quirk.who}: ${quirk.what}` });
  };

  /** One call after the other, each with a login of its own. */
  function operate<T>(perform: (talk: Talk) => Promise<T>): Promise<T> {
    if (isClosed) return Promise.reject(noLongerInUse());
    return enqueue(() => {
      if (isClosed) throw noLongerInUse();
      return performLoggedIn(perform);
    });
  }

  function enqueue<T>(perform: () => Promise<T>): Promise<T> {
    const result = running.then(perform);
    running = result.catch(() => undefined);
    return result;
  }

  function noLongerInUse(): BmcError {
    return new BmcError('refused', target, 'is no longer in use here', 'Open its driver again');
  }

  async function performLoggedIn<T>(perform: (talk: Talk) => Promise<T>): Promise<T> {
    const { patience = REDFISH_PATIENCE, ...others } = options;
    const client = new Client({ target, settings, patience, bond, note, signal: closing.signal, ...others });
    try {
      if (site) await client.login(site.root.sessions);
      else site = await findSite(client, await readRoot(client, (sessions) => client.login(sessions)), settings);
      return await perform({ client, site });
    } catch (error) {
      // A BMC that was updated, or a blade that was moved, is looked at afresh next time.
      site = undefined;
      throw error;
    } finally {
      await client.logout();
    }
  }

  return {
    powerState: () => operate(readPower),
    setPower: (action) => operate((talk) => performPower(talk, action)),
    setBoot: (wish) => operate((talk) => performBoot(talk, wish)),
    boot: () => operate(readBoot),
    bootOrder: () => operate(readBootOrder),
    identity: () => operate(readIdentity),
    sensors: () => operate(readSensors),
    powerReading: () => operate(readWatts),
    log: () => operate(readLog),
    clearLog: () => operate(clearLog),
    inventory: () => operate(readInventory),
    insertMedia: (url) => operate((talk) => (url === undefined ? ejectMedia(talk) : insertMedia(talk, url))),

    /** Redfish has no lamp that goes out by itself: this driver puts it out in time, or when it is closed before. */
    async identify(seconds) {
      clearTimeout(lamp);
      lamp = undefined;
      await operate((talk) => setLamp(talk, seconds > 0));
      if (seconds <= 0) return;
      lamp = setTimeout(() => {
        lamp = undefined;
        operate((talk) => setLamp(talk, false)).catch(() => undefined);
      }, seconds * 1000);
      lamp.unref();
    },

    quirks: () => [...met.values()],

    async close() {
      isClosed = true;
      closing.abort();
      const isLit = lamp !== undefined;
      clearTimeout(lamp);
      await running;
      if (isLit) await enqueue(() => performLoggedIn((talk) => setLamp(talk, false))).catch(() => undefined);
    },
  };
}
