import type { BootOrder } from './boot-order.ts';
import { type BmcDriver, BmcError, type BmcErrorKind, type BmcTarget, type QuirkNote } from './driver.ts';
import { createInTurn } from './in-turn.ts';
import { performBoot, readBoot } from './redfish/boot.ts';
import { readBootOrder } from './redfish/boot-order.ts';
import { type Bond, Client } from './redfish/client.ts';
import { findSite, readRoot, type Site, type Talk } from './redfish/discover.ts';
import { setLamp } from './redfish/identify.ts';
import { readIdentity } from './redfish/identity.ts';
import { readInventory } from './redfish/inventory.ts';
import { clearLog, readLog } from './redfish/log.ts';
import type { SessionFate } from './redfish/login.ts';
import { ejectMedia, insertMedia } from './redfish/media.ts';
import { performPower, readPower } from './redfish/power.ts';
import { QUIRKS } from './redfish/quirks.ts';
import { REDFISH_PATIENCE, type RedfishPatience } from './redfish/retry.ts';
import { readSensors, readWatts } from './redfish/sensors.ts';
import { readSettings } from './redfish/settings.ts';

/** What the driver is told beside its target. */
export type RedfishOptions = {
  patience?: RedfishPatience;
  /**
   * Told the SHA-256 of the BMC's certificate when the target has none in its setting `fingerprint`: keep it there. Nothing
   * has been sent yet; when this fails, nothing is.
   */
  onFingerprint?: (fingerprint: string) => unknown;
  /**
   * How long the session of a poll is kept after its last use, in milliseconds; 5 minutes by default, 0 for not at all.
   * Longer than polls are apart, so that each costs one request; not for ever, for a BMC has 4 to 16 slots.
   */
  keepSessionMs?: number;
  /** Waits between two tries, and stops when `signal` does; a steady clock in milliseconds. Tests have their own. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  steady?: () => number;
};

const KEEP_SESSION_MS = 300_000;

/** What passes and says nothing against what was found; after all else a BMC that was updated or exchanged is looked at afresh. */
const PASSING: readonly BmcErrorKind[] = ['busy', 'no-session-slot', 'wrong-password', 'privilege'];

/** What Redfish has beside what every driver has. */
type Extras = 'identify' | 'sensors' | 'powerReading' | 'log' | 'clearLog' | 'inventory' | 'insertMedia' | 'quirks';

/** The driver, with what only some others have. */
export type RedfishDriver = BmcDriver &
  Required<Pick<BmcDriver, Extras>> & {
    /** The firmware's boot order and what it can boot; `judgeBootOrder` compares it with what is meant to happen. */
    bootOrder(): Promise<BootOrder>;
  };

/**
 * A driver for one machine behind a Redfish service. It opens nothing until it is asked something. Settings are those of
 * `RedfishSettings`; one that cannot be meant is a BmcError at once.
 *
 * Every call logs in and out, except that `powerState` keeps its session for the next call, until `close` or until it was not
 * used for `keepSessionMs`. So a poll costs one request, GET of the System: in that session, or by Basic. The first one costs
 * five more at most BMCs: root, login, Systems, System, manager. A poll after the BMC ended the session costs four in all.
 * Behind a BMC with several Systems no session is kept, for each of them would hold a slot: there a poll costs three.
 */
export function openRedfish(target: BmcTarget, options: RedfishOptions = {}): RedfishDriver {
  const settings = readSettings(target);
  const { patience = REDFISH_PATIENCE, keepSessionMs = KEEP_SESSION_MS, ...others } = options;
  const bond: Bond = {
    fingerprint: settings.fingerprint,
    isWithoutSessions: false,
    kept: undefined,
    isIdentityRefused: false,
    isExpandRefused: false,
  };
  const met = new Map<string, QuirkNote>();
  const closing = new AbortController();
  let site: Site | undefined;
  const inTurn = createInTurn(target);
  let lamp: NodeJS.Timeout | undefined;
  let keeping: NodeJS.Timeout | undefined;

  const note = (id: string) => {
    const quirk = QUIRKS.find((one) => one.id === id);
    if (quirk) met.set(id, { id, text: `${quirk.who}: ${quirk.what}` });
  };

  function operate<T>(perform: (talk: Talk) => Promise<T>, fate: SessionFate = 'delete'): Promise<T> {
    return inTurn.call(() => performLoggedIn(perform, fate));
  }

  async function performLoggedIn<T>(perform: (talk: Talk) => Promise<T>, fate: SessionFate): Promise<T> {
    const client = openClient();
    const wasKept = bond.kept !== undefined;
    try {
      if (site) await client.login(site.root.sessions);
      else site = await findSite(client, await readRoot(client, (sessions) => client.login(sessions)), settings);
      return await perform({ client, site });
    } catch (error) {
      if (!(error instanceof BmcError && PASSING.includes(error.kind))) site = undefined;
      throw error;
    } finally {
      const keeps = wasKept || (fate === 'keep' && site?.isShared === false);
      await client.logout(keeps && !inTurn.isClosed() && keepSessionMs > 0 ? 'keep' : 'delete');
      watchKept();
    }
  }

  function openClient(): Client {
    return new Client({ target, settings, patience, bond, note, signal: closing.signal, ...others });
  }

  /** Deletes the session that is kept when nobody uses it in time. */
  function watchKept(): void {
    clearTimeout(keeping);
    if (bond.kept) keeping = setTimeout(() => inTurn.cleanUp(deleteKept), keepSessionMs).unref();
  }

  async function deleteKept(): Promise<void> {
    if (!bond.kept) return;
    const client = openClient();
    await client.login(undefined);
    await client.logout('delete');
  }

  return {
    powerState: () => operate(readPower, 'keep'),
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
      const ended = inTurn.close();
      closing.abort();
      const isLit = lamp !== undefined;
      clearTimeout(lamp);
      clearTimeout(keeping);
      await ended;
      if (isLit)
        await inTurn.cleanUp(() => performLoggedIn((talk) => setLamp(talk, false), 'delete')).catch(() => undefined);
      await inTurn.cleanUp(deleteKept);
    },
  };
}
