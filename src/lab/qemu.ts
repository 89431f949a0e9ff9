import type { Accelerator, DiskPlan, Firmware, MachinePlan } from './plan.ts';

/** What makes a machine's firmware; each firmware kind is one row. `nic` are settings of each card. */
type FirmwareParts = { isUefi: boolean; nic: string; settings: string[] };

/** QEMU's own default: it writes the card's PCI id into its default ROM only, and SeaBIOS skips a ROM of another id. */
const IPXE_ROM = '';
/** OVMF's own network stack and no iPXE. */
const NO_ROM = ',romfile=';

const FIRMWARE_PARTS: Record<Firmware, FirmwareParts> = {
  bios: { isUefi: false, nic: IPXE_ROM, settings: [] },
  uefi: { isUefi: true, nic: NO_ROM, settings: [] },
  'uefi-http': {
    isUefi: true,
    nic: NO_ROM,
    settings: ['opt/org.tianocore/IPv4PXESupport', 'opt/org.tianocore/IPv6PXESupport'],
  },
};

export const UEFI_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd';
export const UEFI_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd';
export const BIOS_NETWORK_ROM = '/usr/lib/ipxe/qemu/efi-virtio.rom';

export const isUefi = (firmware: Firmware) => FIRMWARE_PARTS[firmware].isUefi;

/** Disks keep their place in the boot order, and the network cards move before or behind them. */
const DISK_BOOT_INDEX = 100;
const networkBootIndex = (card: number, networkFirst: boolean) => card + (networkFirst ? 0 : 200);

export const machinePaths = (machine: MachinePlan) => ({
  qmp: `${machine.folder}/qmp`,
  console: `${machine.folder}/console`,
  serialLog: `${machine.folder}/serial.log`,
  qemuLog: `${machine.folder}/qemu.log`,
  uefiVariables: `${machine.folder}/uefi-variables.fd`,
});

/** QEMU's command line for that machine, which tries the network or its disks first. */
export function qemuArguments(machine: MachinePlan, accelerator: Accelerator, networkFirst: boolean): string[] {
  const paths = machinePaths(machine);
  const firmware = FIRMWARE_PARTS[machine.firmware];
  const identity = `manufacturer=Firstlight,product=Virtual Rack,serial=${machine.name},uuid=${machine.uuid}`;
  return [
    ...['-name', machine.name, '-no-user-config', '-nodefaults', '-display', 'none'],
    ...['-machine', 'q35,graphics=off', '-accel', accelerator, '-action', 'reboot=shutdown,shutdown=pause'],
    // qemu64 is the fastest model under emulation: others make kernels isolate page tables, at 60 % of the speed.
    ...['-cpu', accelerator === 'kvm' ? 'host' : 'qemu64', '-smp', '1', '-m', String(machine.memoryMegabytes)],
    ...['-uuid', machine.uuid, '-smbios', `type=1,${identity}`],
    ...['-chardev', `socket,id=qmp,path=${paths.qmp},server=on,wait=off`, '-mon', 'chardev=qmp,mode=control'],
    '-chardev',
    `socket,id=console,path=${paths.console},server=on,wait=off,logfile=${paths.serialLog},logappend=on`,
    ...['-serial', 'chardev:console', '-device', 'virtio-rng-pci'],
    ...(firmware.isUefi ? uefiArguments(paths.uefiVariables) : []),
    ...firmware.settings.flatMap((name) => ['-fw_cfg', `name=${name},string=no`]),
    ...machine.disks.flatMap(diskArguments),
    ...machine.nics.flatMap((nic, card) => [
      '-netdev',
      `tap,id=net${card},ifname=${nic.tap},script=no,downscript=no`,
      '-device',
      `virtio-net-pci,id=nic${card},netdev=net${card},mac=${nic.mac}${firmware.nic},` +
        `bootindex=${networkBootIndex(card, networkFirst)}`,
    ]),
  ];
}

function uefiArguments(variables: string): string[] {
  return [
    ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${UEFI_CODE}`],
    ...['-drive', `if=pflash,unit=1,format=raw,file=${variables}`],
  ];
}

function diskArguments(disk: DiskPlan, index: number): string[] {
  const id = `disk${index}`;
  const boot = `drive=${id},serial=${disk.serial},bootindex=${DISK_BOOT_INDEX + index}`;
  return [
    '-drive',
    `if=none,id=${id},file=${disk.path},format=qcow2,cache=unsafe,discard=unmap,detect-zeroes=unmap`,
    ...(disk.bus === 'virtio-blk'
      ? ['-device', `virtio-blk-pci,${boot}`]
      : ['-device', `virtio-scsi-pci,id=scsi${index}`, '-device', `scsi-hd,bus=scsi${index}.0,${boot}`]),
  ];
}
