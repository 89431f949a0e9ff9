import { createSocket, type Socket } from 'node:dgram';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Children } from './children.ts';
import { LabError } from './error.ts';
import type { BootOverride, Machine } from './machine.ts';
import type { MachinePlan } from './plan.ts';

export type BmcAccess = { address: string; port: number; user: string; password: string };

export const BMC_PORT = 623;
export const BMC_USER = 'admin';

const CHASSIS_PROGRAM = fileURLToPath(new URL('chassis.pl', import.meta.url));

/** A /24 of loopback that no other rack on this host uses, held while `release` is not called. */
export type BmcSubnet = { prefix: string; release: () => void };

/** Claims 127.77.0.0/24 or the next free one: who has bound .254 of it has it, and loses it with its process. */
export async function claimBmcSubnet(): Promise<BmcSubnet> {
  for (let third = 0; third < 255; third++) {
    const prefix = `127.77.${third}`;
    const socket = await tryBind(`${prefix}.254`);
    if (socket) return { prefix, release: () => socket.close() };
  }
  throw new LabError('every subnet 127.77.X.0/24 for BMCs is taken', 'End a rack with: firstlight lab down');
}

function tryBind(address: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(undefined));
    socket.bind(BMC_PORT, address, () => {
      socket.unref();
      resolve(socket);
    });
  });
}

/** Starts the machine's BMC, an OpenIPMI simulator whose chassis is our machine and whose serial over LAN its serial port, and waits until it listens. */
export async function openBmc(
  plan: MachinePlan,
  bmc: BmcAccess,
  { control, serialPort, children }: { control: string; serialPort: number; children: Children },
): Promise<void> {
  const folder = `${plan.folder}/bmc`;
  mkdirSync(`${folder}/state`, { recursive: true, mode: 0o700 });
  writeFileSync(`${folder}/lan.conf`, lanConfiguration(plan, bmc, control, serialPort), { mode: 0o600 });
  writeFileSync(`${folder}/emulation`, EMULATION, { mode: 0o600 });
  const args = ['-c', `${folder}/lan.conf`, '-f', `${folder}/emulation`, '-s', `${folder}/state`, '-n'];
  const child = children.start('ipmi_sim', args, `${folder}/log`);
  let ended = false;
  child.once('exit', () => (ended = true));
  child.once('error', () => (ended = true));
  const deadline = Date.now() + 30_000;
  while (!isListening(bmc)) {
    if (ended || Date.now() > deadline) {
      const complaint = readFileSync(`${folder}/log`, 'utf8').trim();
      throw new LabError(
        `the BMC of ${plan.name} does not listen at ${bmc.address}:${bmc.port}: ${complaint}`,
        `See whether something else uses that address: ss -lunp 'sport = :${bmc.port}'`,
      );
    }
    await sleep(20);
  }
}

/** Answers the chassis program of one machine: `get power`, `get boot`, `set power 0|1`, `set boot X`, `set reset 1`, `set shutdown 1`. */
export async function performChassisOrder(machine: Machine, order: string[]): Promise<string> {
  const [verb, what, value] = order;
  const perform = CHASSIS_ORDERS[`${verb} ${what}`];
  if (perform) return perform(machine, value ?? '');
  throw new LabError(
    `the chassis cannot "${order.join(' ')}"`,
    'It can get and set power and boot, reset and shutdown',
  );
}

const CHASSIS_ORDERS: Record<string, (machine: Machine, value: string) => Promise<string>> = {
  'get power': async (machine) => `power:${machine.powerState() === 'on' ? 1 : 0}`,
  'get boot': async (machine) => `boot:${machine.bootOverride()}`,
  'set power': async (machine, value) => {
    await (value === '1' ? machine.powerOn() : machine.powerOff());
    return '';
  },
  'set boot': async (machine, value) => {
    const override = BOOT_OVERRIDES.find((name) => name === value);
    if (override === undefined) throw new LabError(`the machine has no boot device "${value}"`, 'It has pxe and disk');
    await machine.setBootOverride(override);
    return '';
  },
  'set reset': async (machine) => {
    await machine.reset();
    return '';
  },
  'set shutdown': async (machine) => {
    await machine.pressPowerButton();
    return '';
  },
};

/** ipmi_sim's names: `bootdev disk` arrives as `default`. */
const BOOT_OVERRIDES: readonly BootOverride[] = ['none', 'pxe', 'default'];

function lanConfiguration(plan: MachinePlan, bmc: BmcAccess, control: string, serialPort: number): string {
  const methods = 'none md2 md5 straight';
  return `name "${plan.name}"
set_working_mc 0x20
  startlan 1
    addr ${bmc.address} ${bmc.port}
    priv_limit admin
    allowed_auths_callback ${methods}
    allowed_auths_user ${methods}
    allowed_auths_operator ${methods}
    allowed_auths_admin ${methods}
    guid ${plan.uuid.replaceAll('-', '')}
  endlan
  chassis_control "perl ${CHASSIS_PROGRAM} ${control} ${plan.name}"
  sol "tcp:${bmc.address}:${serialPort}" 115200
  user 2 true "${bmc.user}" "${bmc.password}" admin 10 ${methods}
`;
}

/** One management controller with a system event log, and nothing to sense. */
const EMULATION = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`;

/** /proc/net/udp writes an address as hexadecimal in the host's byte order. */
function isListening(bmc: BmcAccess): boolean {
  const address = Buffer.from(bmc.address.split('.').map(Number)).readUInt32LE().toString(16).toUpperCase();
  const port = bmc.port.toString(16).toUpperCase();
  return readFileSync('/proc/net/udp', 'utf8').includes(` ${address.padStart(8, '0')}:${port.padStart(4, '0')} `);
}
