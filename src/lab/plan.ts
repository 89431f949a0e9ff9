import { createHash } from 'node:crypto';
import { LabError } from './error.ts';

/** `bios`: SeaBIOS with iPXE's ROM; `uefi`: OVMF with PXE; `uefi-http`: OVMF with HTTP boot. */
export type Firmware = 'bios' | 'uefi' | 'uefi-http';

export const FIRMWARES: readonly Firmware[] = ['bios', 'uefi', 'uefi-http'];

export type NetworkOptions = { bridge: string; address: string };

export type NicOptions = { network?: string; mac?: string };

export type DiskOptions = { size?: string; bus?: 'virtio-blk' | 'virtio-scsi'; serial?: string };

export type MachineOptions = {
  name?: string;
  firmware?: Firmware;
  memoryMegabytes?: number;
  nics?: NicOptions[];
  disks?: DiskOptions[];
  bmc?: boolean;
  networkFirst?: boolean;
};

export type Accelerator = 'kvm' | 'tcg';

export type RackOptions = {
  name?: string;
  networks?: NetworkOptions[];
  machines?: MachineOptions[];
  /** Sockets, logs and rack.json; `/run/firstlight/NAME` by default. */
  stateFolder?: string;
  /** The disks; `/var/cache/firstlight/NAME` by default, because /run is often kept in memory. */
  diskFolder?: string;
  /** Found by trying when absent. */
  accelerator?: Accelerator;
  /** Aborting closes the rack, also while it opens. When absent, SIGINT, SIGTERM and SIGHUP close it and are raised again. */
  signal?: AbortSignal;
  /** Where the rack tells what it does, one line at a time. */
  tell?: (line: string) => void;
};

export type NicPlan = { network: string; mac: string; tap: string };

export type DiskPlan = { path: string; size: string; bus: 'virtio-blk' | 'virtio-scsi'; serial: string };

export type MachinePlan = {
  name: string;
  /** Counted from 1; the machine's place in MAC, tap and BMC addresses. */
  number: number;
  uuid: string;
  firmware: Firmware;
  memoryMegabytes: number;
  nics: NicPlan[];
  disks: DiskPlan[];
  bmc: boolean;
  networkFirst: boolean;
  folder: string;
};

export type RackPlan = {
  name: string;
  namespace: string;
  networks: NetworkOptions[];
  machines: MachinePlan[];
  stateFolder: string;
  diskFolder: string;
};

export const RACKS_FOLDER = '/run/firstlight';

/** The rack of that name in full: every default filled in, every name and address checked. */
export function planRack(options: RackOptions): RackPlan {
  const name = checkedName(options.name ?? 'firstlight', 'the rack');
  const stateFolder = checkedPath(options.stateFolder ?? `${RACKS_FOLDER}/${name}`);
  const diskFolder = checkedPath(options.diskFolder ?? `/var/cache/firstlight/${name}`);
  const networks = options.networks ?? [{ bridge: 'rack0', address: '10.77.0.1/24' }];
  const [firstNetwork] = networks;
  if (!firstNetwork) throw new LabError('the rack has no network', 'Name at least one bridge and its address');
  for (const network of networks) checkNetwork(network);
  const machineOptions: MachineOptions[] = options.machines ?? FIRMWARES.map((firmware) => ({ firmware }));
  // The last byte of a BMC's address, and .254 is the rack's own claim on the subnet.
  if (machineOptions.length > 253) {
    throw new LabError(`${machineOptions.length} machines do not fit in one rack`, 'Ask for at most 253');
  }

  const machines = machineOptions.map((machine, index): MachinePlan => {
    const number = index + 1;
    const machineName = checkedName(machine.name ?? `vm-${String(number).padStart(2, '0')}`, `machine ${number}`);
    const folder = `${stateFolder}/${machineName}`;
    return {
      name: machineName,
      number,
      uuid: uuidOfName(machineName),
      firmware: machine.firmware ?? 'bios',
      memoryMegabytes: checkedMemory(machine.memoryMegabytes ?? 1024, machineName),
      nics: (machine.nics ?? [{}]).map((nic, nicIndex) => ({
        network: knownNetwork(nic.network ?? firstNetwork.bridge, networks, machineName),
        mac: checkedMac(nic.mac ?? macOf(number, nicIndex + 1), machineName),
        tap: `vm${number}n${nicIndex}`,
      })),
      disks: (machine.disks ?? [{}]).map((disk, diskIndex) => ({
        path: `${diskFolder}/${machineName}-${diskIndex}.qcow2`,
        size: checkedSize(disk.size ?? '8G', machineName),
        bus: disk.bus ?? 'virtio-blk',
        serial: checkedSerial(disk.serial ?? `disk-${machineName}${diskIndex === 0 ? '' : `-${diskIndex + 1}`}`),
      })),
      bmc: machine.bmc ?? true,
      networkFirst: machine.networkFirst ?? false,
      folder,
    };
  });
  const seen = new Set<string>();
  for (const machine of machines) {
    if (seen.has(machine.name)) throw new LabError(`two machines are named ${machine.name}`, 'Give each its own name');
    seen.add(machine.name);
  }
  return { name, namespace: name, networks, machines, stateFolder, diskFolder };
}

/** 52:54:00:77:NN:CC with NN the machine and CC its card, both counted from 1; 52:54:00 is QEMU's own prefix. */
function macOf(machine: number, card: number): string {
  return ['52', '54', '00', '77', hexByte(machine), hexByte(card)].join(':');
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

/** The same name has the same UUID in every rack, so that a machine is known again after `lab down` and `lab up`. */
function uuidOfName(name: string): string {
  const hash = createHash('sha256').update(`firstlight virtual rack ${name}`).digest();
  hash[6] = (hash[6]! & 0x0f) | 0x80; // RFC 9562 5.8: version 8, made by a rule of our own
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

function checkedName(name: string, whose: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,30}$/i.test(name)) return name;
  throw new LabError(`"${name}" cannot be the name of ${whose}`, 'Use letters, digits and hyphens, at most 31');
}

function checkedPath(path: string): string {
  // A comma would end a value on QEMU's command line, and a unix socket's path has at most 107 bytes.
  if (/^\/[\w./+-]{1,60}$/.test(path)) return path;
  throw new LabError(`the rack cannot live in "${path}"`, 'Name an absolute folder of at most 60 plain characters');
}

function checkedSize(size: string, machine: string): string {
  if (/^[1-9]\d*[MGT]$/.test(size)) return size;
  throw new LabError(`"${size}" is not a disk size (machine ${machine})`, 'Write it like 512M, 8G or 1T');
}

function checkedMemory(megabytes: number, machine: string): number {
  if (Number.isInteger(megabytes) && megabytes >= 64) return megabytes;
  throw new LabError(`machine ${machine} cannot start with ${megabytes} MB of memory`, 'Give it at least 64');
}

function checkedMac(mac: string, machine: string): string {
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return mac;
  throw new LabError(`"${mac}" is not a card's address (machine ${machine})`, 'Write it like 52:54:00:77:01:01');
}

function checkedSerial(serial: string): string {
  // virtio 1.2, 5.2.6.4: the device's id string has 20 bytes.
  if (/^[\w.-]{1,20}$/.test(serial)) return serial;
  throw new LabError(`"${serial}" is not a disk serial`, 'Use at most 20 letters, digits, dots and hyphens');
}

function checkNetwork(network: NetworkOptions): void {
  const isBridge = /^[a-z][a-z0-9-]{0,14}$/.test(network.bridge);
  const isAddress = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(network.address);
  if (isBridge && isAddress) return;
  throw new LabError(
    `"${network.bridge}" with "${network.address}" is not a network of a rack`,
    'Write it like rack0 with 10.77.0.1/24',
  );
}

function knownNetwork(bridge: string, networks: NetworkOptions[], machine: string): string {
  if (networks.some((network) => network.bridge === bridge)) return bridge;
  throw new LabError(
    `machine ${machine} has a card on ${bridge}, which is no network of this rack`,
    'Add it to networks',
  );
}
