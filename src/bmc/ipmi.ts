import type { FirmwareMode } from '../model/machine.ts';
import {
  BOOT_OPTION,
  COMPLETION,
  chassisControl,
  encodeBootFlags,
  getChassisStatus,
  getDeviceId,
  setBootOption,
} from '../wire/ipmi.ts';
import type { CipherSuite } from '../wire/rakp.ts';
import { type BmcDriver, BmcError, type BmcTarget, type BootDevice, type PowerAction } from './driver.ts';
import { describeSocketError, Link, PATIENCE, type Patience } from './link.ts';
import { openSession, type Session } from './session.ts';

export type IpmiOptions = {
  /** The suite that worked last time, tried first. Without it: 17, then 3. */
  cipherSuite?: CipherSuite;
  /** Told which suite worked when it is not the one remembered: keep it for the next driver's `cipherSuite`. */
  onCipherSuite?: (suite: CipherSuite) => void;
  patience?: Patience;
};

/** A driver for one BMC. It opens nothing until it is asked something. */
export function openIpmi(target: BmcTarget, options: IpmiOptions = {}): BmcDriver {
  const patience = options.patience ?? PATIENCE;
  let lastSuite = options.cipherSuite;
  let isClosed = false;
  let running: Promise<unknown> = Promise.resolve();

  /** Simple BMCs get confused by two sessions or two commands at once: one operation after the other. */
  function operate<T>(perform: (session: Session) => Promise<T>): Promise<T> {
    const result = running.then(() => {
      if (isClosed) throw new BmcError('refused', target, 'is no longer in use here', 'Open its driver again');
      return performInSession(perform);
    });
    running = result.catch(() => undefined);
    return result;
  }

  async function performInSession<T>(perform: (session: Session) => Promise<T>): Promise<T> {
    const link = await Link.open(target.address, target.port).catch((error: Error) => {
      throw new BmcError('unreachable', target, describeSocketError(error));
    });
    try {
      const suites: CipherSuite[] = lastSuite === 3 ? [3, 17] : [17, 3];
      const session = await openSession(link, target, { suites, patience });
      try {
        if (session.suite !== lastSuite) options.onCipherSuite?.(session.suite);
        lastSuite = session.suite;
        return await perform(session);
      } finally {
        await session.close();
      }
    } finally {
      link.close();
    }
  }

  const powerState = () =>
    operate(async (session) => ((await session.run(getChassisStatus, undefined)).isOn ? 'on' : 'off'));

  return {
    powerState,

    async setPower(action) {
      const end = await operate((session) => performPower(session, action));
      if (end === 'taken') return;
      // A BMC that shares its port with the host loses the link, and the answer, when the host's power changes (pyghmi).
      const state = await powerState().catch(() => undefined);
      if (state === action) return;
      const what = `did not answer the power command "${action}", so whether it acted is not known`;
      throw new BmcError('unreachable', target, what, 'Read the power state before trying again');
    },

    bootOnce: (device, firmware) => operate((session) => performBootOnce(session, device, firmware)),

    identity: () =>
      operate(async (session) => {
        const { manufacturer, product, firmware, ipmiVersion } = await session.run(getDeviceId, undefined);
        const manufacturerName = MANUFACTURERS[manufacturer] ?? `IANA enterprise ${manufacturer}`;
        return { manufacturer, manufacturerName, product, firmware, ipmiVersion, guid: session.guid.toString('hex') };
      }),

    async close() {
      isClosed = true;
      await running;
    },
  };
}

async function performPower(session: Session, wanted: PowerAction): Promise<'taken' | 'unanswered'> {
  const isOn = async () => (await session.run(getChassisStatus, undefined)).isOn;
  let action = wanted;
  if ((wanted === 'cycle' || wanted === 'reset') && !(await isOn())) {
    if (wanted === 'reset') throw session.error('refused', 'cannot reset a machine whose power is off');
    action = 'on'; // cycling what is off is an error or nothing on many BMCs (ironic)
  }
  const outcome = await session.ask(chassisControl, { action });
  if (!outcome.answered) return 'unanswered';

  const { completion, wasRepeated } = outcome.value;
  if (completion === COMPLETION.ok) return 'taken';
  // The first one worked and its answer was lost: the second met a machine that was off for the moment.
  if (action === 'cycle' && wasRepeated && completion === COMPLETION.notInThisState) return 'taken';
  // Some BMCs refuse what is already so.
  const mayBeSo = completion !== COMPLETION.insufficientPrivilege && action !== 'cycle' && action !== 'reset';
  if (mayBeSo && (await isOn()) === (action === 'on')) return 'taken';
  throw session.refusal(chassisControl, completion);
}

type BootStep = { parameter: number; data: Buffer; mayFail: boolean };

/** The writes that make the next boot, and only that one, come from `device` (28.12, table 28-14). */
export function bootSteps(device: BootDevice, firmware: FirmwareMode): BootStep[] {
  const flags = encodeBootFlags({ isValid: true, isPersistent: false, isEfi: firmware === 'uefi', device });
  return [
    { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x01), mayFail: true }, // optional, and often left out
    { parameter: BOOT_OPTION.infoAcknowledge, data: Buffer.of(0x01, 0x01), mayFail: true },
    // Flags are forgotten after 60 s, before a slow POST has read them; OpenBMC refuses to turn that off (ironic, pyghmi).
    { parameter: BOOT_OPTION.validBitClearing, data: Buffer.of(0x08), mayFail: true },
    { parameter: BOOT_OPTION.flags, data: flags, mayFail: false },
    { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x02), mayFail: true }, // commit
    { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x00), mayFail: true }, // complete
  ];
}

async function performBootOnce(session: Session, device: BootDevice, firmware: FirmwareMode): Promise<void> {
  for (const { parameter, data, mayFail } of bootSteps(device, firmware)) {
    try {
      await session.run(setBootOption, { parameter, data });
    } catch (error) {
      if (!(error instanceof BmcError) || error.kind === 'unreachable') throw error;
      if (mayFail) continue;
      // The BMC keeps "set in progress" for whoever comes next unless it is told that we are done.
      await session.ask(setBootOption, { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x00) });
      throw error;
    }
  }
}

/** IANA private enterprise numbers of BMC makers. */
const MANUFACTURERS: Record<number, string> = {
  2: 'IBM',
  11: 'HP',
  343: 'Intel',
  674: 'Dell',
  5771: 'Cisco',
  10368: 'Fujitsu',
  10876: 'Supermicro',
  15370: 'Gigabyte',
  19046: 'Lenovo',
  47196: 'HPE',
};
